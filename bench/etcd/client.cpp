#include "client.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace cloudless::bench {
namespace {

// Bytes read at a time, and what waits for the socket at the most before more is made.
constexpr size_t kReadBytes = 1 << 16;
constexpr size_t kWriteBytes = 1 << 18;
// Windows that no answer fills, so that the server never waits for this end.
constexpr int32_t kWindowBytes = 64 << 20;
constexpr size_t kPrefixBytes = 5;

[[noreturn]] void give_up(std::string_view what, std::string_view why) {
  fmt::print(stderr, "{}: {}\n", what, why);
  std::exit(1);
}

// Negative where nobody listens.
int connect_to(const std::string& endpoint) {
  const size_t colon = endpoint.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(std::atoi(endpoint.c_str() + colon + 1)));
  ::inet_pton(AF_INET, endpoint.substr(0, colon).c_str(), &address.sin_addr);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

nghttp2_nv header(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NO_COPY_NAME};
}

size_t message_size(std::string_view prefix) {
  uint32_t size = 0;
  std::memcpy(&size, prefix.data() + 1, sizeof size);
  return ntohl(size);
}

struct Call {
  std::string body;
  size_t sent = 0;
  std::string received;
  bool ok = false;
  Client::Done done;
  Client::OnMessage on_message;  // set where the call stays open

  void hand_out_messages() {
    std::string_view rest = received;
    while (rest.size() >= kPrefixBytes && rest.size() - kPrefixBytes >= message_size(rest)) {
      on_message(rest.substr(kPrefixBytes, message_size(rest)));
      rest.remove_prefix(kPrefixBytes + message_size(rest));
    }
    received.erase(0, received.size() - rest.size());
  }
};

}  // namespace

std::string with_prefix(std::string_view message) {
  const uint32_t size = htonl(static_cast<uint32_t>(message.size()));
  std::string body(1, '\0');
  body.append(reinterpret_cast<const char*>(&size), sizeof size);
  return body.append(message);
}

bool listens(const std::string& endpoint) {
  const int fd = connect_to(endpoint);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

class Client::Connection {
 public:
  explicit Connection(const std::string& endpoint) : authority_(endpoint), fd_(connect_to(endpoint)) {
    if (fd_ < 0) give_up(endpoint, std::strerror(errno));
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry window{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindowBytes};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, &window, 1);
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kWindowBytes);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    nghttp2_session_del(session_);
    ::close(fd_);
  }

  int fd() const { return fd_; }
  bool writing() const { return !out_.empty(); }

  void begin(const std::string& path, std::unique_ptr<Call> call) {
    const std::array headers{header(":method", "POST"),
                             header(":scheme", "http"),
                             header(":path", path),
                             header(":authority", authority_),
                             header("content-type", "application/grpc"),
                             header("te", "trailers")};
    const nghttp2_data_provider body{.source = {.ptr = call.get()}, .read_callback = read_body};
    Call* const raw = call.get();
    if (nghttp2_submit_request(session_, nullptr, headers.data(), headers.size(), &body, raw) < 0) {
      give_up("HTTP/2", "no request can be sent");
    }
    // The session hands it back in on_close; of calls still open at the end, `open_` keeps it.
    open_.push_back(std::move(call));
  }

  void receive() {
    std::array<uint8_t, kReadBytes> bytes;
    const ssize_t count = ::recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
      give_up("the connection", "the server has ended it");
    }
    if (count > 0 && nghttp2_session_mem_recv(session_, bytes.data(), static_cast<size_t>(count)) < 0) {
      give_up("HTTP/2", "what the server sends is not HTTP/2");
    }
  }

  void flush() {
    for (;;) {
      while (out_.size() < kWriteBytes) {
        const uint8_t* frame = nullptr;
        const ssize_t size = nghttp2_session_mem_send(session_, &frame);
        if (size <= 0) break;
        out_.append(reinterpret_cast<const char*>(frame), static_cast<size_t>(size));
      }
      if (out_.empty()) return;
      const ssize_t count = ::send(fd_, out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (count < 0) return;  // Full; poll() tells when there is room.
      out_.erase(0, static_cast<size_t>(count));
    }
  }

 private:
  static Call* call_of(nghttp2_session* session, int32_t stream) {
    return static_cast<Call*>(nghttp2_session_get_stream_user_data(session, stream));
  }

  static ssize_t read_body(nghttp2_session*, int32_t, uint8_t* buffer, size_t length, uint32_t* flags,
                           nghttp2_data_source* source, void*) {
    Call& call = *static_cast<Call*>(source->ptr);
    const size_t part = std::min(length, call.body.size() - call.sent);
    if (part == 0) return NGHTTP2_ERR_DEFERRED;
    std::memcpy(buffer, call.body.data() + call.sent, part);
    call.sent += part;
    if (call.sent == call.body.size() && !call.on_message) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(part);
  }

  static int on_header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_size, const uint8_t* value, size_t value_size, uint8_t, void*) {
    Call* const call = call_of(session, frame->hd.stream_id);
    if (!call || std::string_view(reinterpret_cast<const char*>(name), name_size) != "grpc-status") return 0;
    call->ok = std::string_view(reinterpret_cast<const char*>(value), value_size) == "0";
    return 0;
  }

  static int on_data(nghttp2_session* session, uint8_t, int32_t stream, const uint8_t* data, size_t size,
                     void*) {
    Call* const call = call_of(session, stream);
    if (!call) return 0;
    call->received.append(reinterpret_cast<const char*>(data), size);
    if (call->on_message) call->hand_out_messages();
    return 0;
  }

  static int on_close(nghttp2_session* session, int32_t stream, uint32_t, void* user) {
    Call* const raw = call_of(session, stream);
    auto& open = static_cast<Connection*>(user)->open_;
    const auto found = std::ranges::find(open, raw, [](const auto& call) { return call.get(); });
    if (found == open.end()) return 0;
    if (raw->on_message) give_up("a stream", "the server has ended it");
    const std::unique_ptr<Call> call = std::move(*found);
    *found = std::move(open.back());
    open.pop_back();
    call->done(call->ok,
               std::string_view(call->received).substr(std::min(kPrefixBytes, call->received.size())));
    return 0;
  }

  const std::string authority_;
  const int fd_;
  nghttp2_session* session_ = nullptr;
  std::vector<std::unique_ptr<Call>> open_;
  std::string out_;
};

Client::Client(const std::vector<std::string>& endpoints) {
  for (const std::string& endpoint : endpoints) {
    connections_.push_back(std::make_unique<Connection>(endpoint));
  }
}

Client::~Client() = default;

void Client::call(size_t connection, const std::string& path, std::string body, Done done) {
  auto call = std::make_unique<Call>();
  call->body = std::move(body);
  call->done = std::move(done);
  connections_.at(connection)->begin(path, std::move(call));
}

void Client::stream(size_t connection, const std::string& path, std::string body, OnMessage on_message) {
  auto call = std::make_unique<Call>();
  call->body = std::move(body);
  call->on_message = std::move(on_message);
  connections_.at(connection)->begin(path, std::move(call));
}

void Client::run_until(const std::function<bool()>& finished) {
  std::vector<pollfd> waiting(connections_.size());
  while (!finished()) {
    for (size_t i = 0; i < connections_.size(); ++i) {
      connections_[i]->flush();
      const short events = connections_[i]->writing() ? POLLIN | POLLOUT : POLLIN;
      waiting[i] = {.fd = connections_[i]->fd(), .events = events};
    }
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) {
      give_up("poll", std::strerror(errno));
    }
    for (size_t i = 0; i < connections_.size(); ++i) {
      if (waiting[i].revents & (POLLIN | POLLHUP | POLLERR)) connections_[i]->receive();
    }
  }
}

}  // namespace cloudless::bench

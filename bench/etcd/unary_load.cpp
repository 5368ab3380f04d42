#include "unary_load.hpp"

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
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

namespace cloudless::bench {
namespace {

using Steady = std::chrono::steady_clock;

// Bytes read at a time, and what waits for the socket at the most before more is made.
constexpr size_t kReadBytes = 1 << 16;
constexpr size_t kWriteBytes = 1 << 18;

[[noreturn]] void give_up(std::string_view what, std::string_view why) {
  fmt::print(stderr, "{}: {}\n", what, why);
  std::exit(1);
}

int connect_to(const std::string& endpoint) {
  const size_t colon = endpoint.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(std::atoi(endpoint.c_str() + colon + 1)));
  ::inet_pton(AF_INET, endpoint.substr(0, colon).c_str(), &address.sin_addr);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    give_up(endpoint, std::strerror(errno));
  }
  return fd;
}

// What all calls of a run share.
struct Run {
  const std::string& path;
  const std::string& authority;
  // With gRPC's prefix before each: a zero byte, the length in four.
  std::vector<std::string> bodies;
  size_t next = 0;
  size_t ended = 0;
  CallTimes times;
};

struct Call {
  size_t number = 0;
  Steady::time_point begun;
  size_t sent = 0;
  bool ok = false;
};

std::string with_prefix(std::string_view message) {
  const uint32_t size = htonl(static_cast<uint32_t>(message.size()));
  std::string body(1, '\0');
  body.append(reinterpret_cast<const char*>(&size), sizeof size);
  return body.append(message);
}

nghttp2_nv header(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

class Connection {
 public:
  Connection(const std::string& endpoint, Run& run) : run_(run), fd_(connect_to(endpoint)) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    nghttp2_session_del(session_);
    ::close(fd_);
  }

  int fd() const { return fd_; }
  bool writing() const { return !out_.empty(); }

  // Takes the next message, if there is one.
  void begin_call() {
    if (run_.next == run_.bodies.size()) return;
    auto call = std::make_unique<Call>(Call{.number = run_.next++, .begun = Steady::now()});
    const std::array headers{header(":method", "POST"),
                             header(":scheme", "http"),
                             header(":path", run_.path),
                             header(":authority", run_.authority),
                             header("content-type", "application/grpc"),
                             header("te", "trailers")};
    const nghttp2_data_provider body{.source = {.ptr = call.get()}, .read_callback = read_body};
    if (nghttp2_submit_request(session_, nullptr, headers.data(), headers.size(), &body, call.release()) <
        0) {
      give_up("HTTP/2", "no request can be sent");
    }
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
  static ssize_t read_body(nghttp2_session*, int32_t, uint8_t* buffer, size_t length, uint32_t* flags,
                           nghttp2_data_source* source, void* user) {
    Call& call = *static_cast<Call*>(source->ptr);
    const std::string& body = static_cast<Connection*>(user)->run_.bodies[call.number];
    const size_t part = std::min(length, body.size() - call.sent);
    std::memcpy(buffer, body.data() + call.sent, part);
    call.sent += part;
    if (call.sent == body.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(part);
  }

  static int on_header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_size, const uint8_t* value, size_t value_size, uint8_t, void*) {
    auto* const call = static_cast<Call*>(nghttp2_session_get_stream_user_data(session, frame->hd.stream_id));
    if (!call || std::string_view(reinterpret_cast<const char*>(name), name_size) != "grpc-status") return 0;
    call->ok = std::string_view(reinterpret_cast<const char*>(value), value_size) == "0";
    return 0;
  }

  static int on_close(nghttp2_session* session, int32_t stream, uint32_t, void* user) {
    const std::unique_ptr<Call> call(
        static_cast<Call*>(nghttp2_session_get_stream_user_data(session, stream)));
    Connection& self = *static_cast<Connection*>(user);
    self.run_.times.latencies_ms[call->number] =
        std::chrono::duration<double, std::milli>(Steady::now() - call->begun).count();
    self.run_.times.failed += call->ok ? 0 : 1;
    ++self.run_.ended;
    self.begin_call();
    return 0;
  }

  Run& run_;
  const int fd_;
  nghttp2_session* session_ = nullptr;
  std::string out_;
};

}  // namespace

CallTimes call_all(const std::string& endpoint, const std::string& path,
                   const std::vector<std::string>& messages, int callers, int connections) {
  Run run{.path = path, .authority = endpoint};
  for (const std::string& message : messages) run.bodies.push_back(with_prefix(message));
  run.times.latencies_ms.resize(messages.size());
  std::vector<std::unique_ptr<Connection>> connected;
  for (int i = 0; i < std::min(callers, connections); ++i) {
    connected.push_back(std::make_unique<Connection>(endpoint, run));
  }
  const auto begun = Steady::now();
  for (int i = 0; i < callers; ++i) connected[static_cast<size_t>(i) % connected.size()]->begin_call();
  std::vector<pollfd> waiting(connected.size());
  while (run.ended < messages.size()) {
    for (size_t i = 0; i < connected.size(); ++i) {
      connected[i]->flush();
      const short events = connected[i]->writing() ? POLLIN | POLLOUT : POLLIN;
      waiting[i] = {.fd = connected[i]->fd(), .events = events};
    }
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR)
      give_up("poll", std::strerror(errno));
    for (size_t i = 0; i < connected.size(); ++i) {
      if (waiting[i].revents & (POLLIN | POLLHUP | POLLERR)) connected[i]->receive();
    }
  }
  run.times.seconds = std::chrono::duration<double>(Steady::now() - begun).count();
  return std::move(run.times);
}

}  // namespace cloudless::bench

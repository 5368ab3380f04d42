#include "net/tcp.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "net/background.hpp"
#include "net/stream_internal.hpp"
#include "runtime/timer.hpp"

namespace cloudless::net {

using runtime::Task;

namespace {

// What one sendmsg gathers at the most.
constexpr size_t kGather = 64;
// A relay's buffer in each direction.
constexpr size_t kRelayBytes = 32 * 1024;

// A peer that vanished without a word on a connection where nothing is said, as a quiet watch, is noticed
// after two minutes.
constexpr int kKeepIdleSeconds = 60;
constexpr int kKeepIntervalSeconds = 15;
constexpr int kKeepProbes = 4;

bool would_block(int error_number) { return error_number == EAGAIN || error_number == EWOULDBLOCK; }

std::unexpected<Error> broken(int error_number, std::string_view doing) {
  Error error = system_error(error_number, doing);
  error.code = Code::kUnavailable;
  return std::unexpected(std::move(error));
}

SocketAddress name_of(int fd, int (*get)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage native{};
  socklen_t length = sizeof(native);
  if (get(fd, reinterpret_cast<sockaddr*>(&native), &length) != 0) return {};
  return SocketAddress::from_native(reinterpret_cast<const sockaddr*>(&native));
}

// What is left of `pieces` after `skip` bytes, as much as one call takes.
size_t gather(std::span<const std::string_view> pieces, size_t skip, std::array<iovec, kGather>& vectors) {
  size_t count = 0;
  for (const std::string_view piece : pieces) {
    if (skip >= piece.size()) {
      skip -= piece.size();
      continue;
    }
    vectors[count++] = {const_cast<char*>(piece.data()) + skip, piece.size() - skip};
    skip = 0;
    if (count == kGather) break;
  }
  return count;
}

class PlainStream final : public DescriptorStream {
 public:
  using DescriptorStream::DescriptorStream;

  Task<Result<size_t>> read_some(std::span<char> buffer) override {
    for (;;) {
      if (descriptor_.aborted()) co_return fail(Code::kUnavailable, "the connection was closed on this side");
      const ssize_t count = ::recv(descriptor_.fd(), buffer.data(), buffer.size(), 0);
      if (count >= 0) co_return static_cast<size_t>(count);
      if (errno == EINTR) continue;
      if (!would_block(errno)) co_return broken(errno, "read from " + peer_.to_string());
      CO_TRY(co_await descriptor_.readable());
    }
  }

  Task<Result<>> write_all(std::span<const std::string_view> pieces) override {
    size_t total = 0;
    for (const std::string_view piece : pieces) total += piece.size();
    for (size_t written = 0; written < total;) {
      if (descriptor_.aborted()) co_return fail(Code::kUnavailable, "the connection was closed on this side");
      std::array<iovec, kGather> vectors;
      msghdr message{};
      message.msg_iov = vectors.data();
      message.msg_iovlen = gather(pieces, written, vectors);
      const ssize_t count = ::sendmsg(descriptor_.fd(), &message, MSG_NOSIGNAL);
      if (count >= 0) {
        written += static_cast<size_t>(count);
      } else if (would_block(errno)) {
        CO_TRY(co_await room());
      } else if (errno != EINTR) {
        co_return broken(errno, "write to " + peer_.to_string());
      }
    }
    co_return {};
  }

  Task<Result<>> close_write() override {
    if (::shutdown(descriptor_.fd(), SHUT_WR) != 0) co_return broken(errno, "shut down " + peer_.to_string());
    co_return {};
  }

  bool idle_and_dead() const override {
    char byte = 0;
    const ssize_t count = ::recv(descriptor_.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return count >= 0 || !would_block(errno);
  }
};

Result<int> listening_socket(const sockaddr_storage& native, socklen_t length, const ListenOptions& options) {
  const int fd = ::socket(native.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return std::unexpected(system_error(errno, "socket"));
  const int on = 1;
  if (native.ss_family != AF_UNIX) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (options.reuse_port) ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  if (options.free_bind) ::setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&native), length) != 0 ||
      ::listen(fd, options.backlog) != 0) {
    const int error_number = errno;
    ::close(fd);
    return std::unexpected(system_error(error_number, "bind"));
  }
  return fd;
}

Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un native{};
  native.sun_family = AF_UNIX;
  if (path.size() >= sizeof(native.sun_path)) {
    return fail(Code::kInvalid, "unix socket {}: the path is longer than {} bytes", path,
                sizeof(native.sun_path) - 1);
  }
  std::memcpy(native.sun_path, path.data(), path.size());
  return native;
}

// A socket file that nobody listens on any more, left by a process that ended without cleaning up.
bool stale(const sockaddr_un& native) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&native), sizeof(native));
  const bool refused = connected != 0 && errno == ECONNREFUSED;
  ::close(fd);
  return refused;
}

Task<Result<std::unique_ptr<Stream>>> connect_native(const sockaddr_storage& native, socklen_t length,
                                                     std::string name) {
  runtime::EventLoop* loop = co_await current_loop();
  const int fd = ::socket(native.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) co_return broken(errno, "socket");
  Descriptor descriptor(*loop, fd);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&native), length) != 0) {
    if (errno != EINPROGRESS) co_return broken(errno, "dial " + name + ": connect");
    CO_TRY(co_await descriptor.writable());
    int error_number = 0;
    socklen_t size = sizeof(error_number);
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error_number, &size);
    if (error_number != 0) co_return broken(error_number, "dial " + name + ": connect");
  }
  co_return std::make_unique<PlainStream>(std::move(descriptor));
}

Result<std::vector<IpAddress>> resolve_blocking(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int status = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (status != 0) {
    const Code code = status == EAI_AGAIN ? Code::kUnavailable : Code::kNotFound;
    return fail(code, "lookup {}: {}", host, ::gai_strerror(status));
  }
  std::vector<IpAddress> addresses;
  for (const addrinfo* entry = found; entry; entry = entry->ai_next) {
    addresses.push_back(SocketAddress::from_native(entry->ai_addr).address);
  }
  ::freeaddrinfo(found);
  return addresses;
}

Task<Result<>> copy(ByteStream& from, ByteStream& to) {
  for (;;) {
    std::string bytes = CO_TRY(co_await from.read(kRelayBytes));
    if (bytes.empty()) co_return co_await to.close_write();
    CO_TRY(co_await to.write(std::move(bytes)));
  }
}

Task<void> copy_or_abort(ByteStream& from, ByteStream& to, runtime::Signal& done) {
  const Result<> result = co_await copy(from, to);
  if (!result) {
    from.abort();
    to.abort();
  }
  done.notify();
}

}  // namespace

Task<Result<std::string>> Stream::read(size_t limit) {
  std::string bytes(limit, '\0');
  const size_t count = CO_TRY(co_await read_some(bytes));
  bytes.resize(count);
  co_return bytes;
}

Task<Result<>> Stream::write(std::string bytes) {
  const std::string_view piece = bytes;
  co_return co_await write_all(std::span(&piece, 1));
}

DescriptorStream::DescriptorStream(runtime::EventLoop& loop, int fd)
    : DescriptorStream(Descriptor(loop, fd)) {}

DescriptorStream::DescriptorStream(Descriptor descriptor) : descriptor_(std::move(descriptor)) {
  const int on = 1;
  ::setsockopt(descriptor_.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(descriptor_.fd(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  ::setsockopt(descriptor_.fd(), IPPROTO_TCP, TCP_KEEPIDLE, &kKeepIdleSeconds, sizeof(int));
  ::setsockopt(descriptor_.fd(), IPPROTO_TCP, TCP_KEEPINTVL, &kKeepIntervalSeconds, sizeof(int));
  ::setsockopt(descriptor_.fd(), IPPROTO_TCP, TCP_KEEPCNT, &kKeepProbes, sizeof(int));
  peer_ = name_of(descriptor_.fd(), ::getpeername);
  local_ = name_of(descriptor_.fd(), ::getsockname);
}

Task<Result<>> DescriptorStream::room() {
  co_return co_await runtime::with_timeout(
      write_stall_limit_, "a write that " + peer_.to_string() + " does not take", descriptor_.writable());
}

Task<Result<bool>> read_more(Stream& stream, std::string& buffer) {
  // Safe to share: read_some() fills it by a system call and returns here without suspending in between.
  static thread_local std::array<char, kReadBytes> scratch;
  const size_t count = CO_TRY(co_await stream.read_some(scratch));
  buffer.append(scratch.data(), count);
  co_return count > 0;
}

TcpListener::TcpListener(Descriptor descriptor, SocketAddress address, std::string unix_path)
    : descriptor_(std::move(descriptor)), address_(address), unix_path_(std::move(unix_path)) {}
TcpListener::TcpListener(TcpListener&& other) noexcept
    : descriptor_(std::move(other.descriptor_)),
      address_(other.address_),
      unix_path_(std::exchange(other.unix_path_, {})) {}
TcpListener& TcpListener::operator=(TcpListener&& other) noexcept {
  descriptor_ = std::move(other.descriptor_);
  address_ = other.address_;
  std::swap(unix_path_, other.unix_path_);
  return *this;
}
TcpListener::~TcpListener() {
  if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
}

Result<TcpListener> TcpListener::listen(runtime::EventLoop& loop, const SocketAddress& address,
                                        const ListenOptions& options) {
  sockaddr_storage native{};
  const socklen_t length = address.to_native(native);
  const Result<int> fd = listening_socket(native, length, options);
  if (!fd) return wrap(fd.error(), "listen tcp {}", address.to_string());
  return TcpListener(Descriptor(loop, *fd), name_of(*fd, ::getsockname), {});
}

Result<TcpListener> TcpListener::listen_unix(runtime::EventLoop& loop, const std::string& path) {
  const sockaddr_un named = TRY(unix_address(path));
  if (stale(named)) ::unlink(path.c_str());
  sockaddr_storage native{};
  std::memcpy(&native, &named, sizeof(named));
  const Result<int> fd = listening_socket(native, sizeof(named), {});
  if (!fd) return wrap(fd.error(), "listen unix {}", path);
  ::chmod(path.c_str(), 0660);
  return TcpListener(Descriptor(loop, *fd), {}, path);
}

Task<Result<int>> TcpListener::accept_fd() {
  for (;;) {
    const int fd = ::accept4(descriptor_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) co_return fd;
    if (would_block(errno)) {
      CO_TRY(co_await descriptor_.readable());
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      Error error = system_error(errno, "accept");
      error.code = Code::kResourceExhausted;
      co_return std::unexpected(std::move(error));
    } else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK) {
      co_return broken(errno, "accept");
    }
    // What else accept(2) reports belongs to the connection that it gave up, not to the listener.
  }
}

Task<Result<std::unique_ptr<Stream>>> TcpListener::accept() {
  const int fd = CO_TRY(co_await accept_fd());
  co_return make_stream(descriptor_.loop(), fd);
}

std::unique_ptr<Stream> make_stream(runtime::EventLoop& loop, int fd) {
  return std::make_unique<PlainStream>(loop, fd);
}

Task<Result<std::unique_ptr<Stream>>> connect_tcp(const SocketAddress& address) {
  sockaddr_storage native{};
  const socklen_t length = address.to_native(native);
  co_return co_await connect_native(native, length, "tcp " + address.to_string());
}

Task<Result<std::unique_ptr<Stream>>> connect_unix(const std::string& path) {
  const sockaddr_un named = CO_TRY(unix_address(path));
  sockaddr_storage native{};
  std::memcpy(&native, &named, sizeof(named));
  co_return co_await connect_native(native, sizeof(named), "unix " + path);
}

Task<Result<std::vector<IpAddress>>> Resolver::resolve(std::string host) {
  if (const Result<IpAddress> literal = IpAddress::parse(host)) co_return std::vector<IpAddress>{*literal};
  if (!workers_) co_return fail(Code::kNotFound, "lookup {}: only addresses are known here", host);
  co_return co_await workers_->run([host = std::move(host)] { return resolve_blocking(host); });
}

Task<Result<std::unique_ptr<Stream>>> connect_tcp(Resolver& resolver, const std::string& host, uint16_t port,
                                                  Duration timeout) {
  const std::vector<IpAddress> addresses = CO_TRY(co_await resolver.resolve(host));
  Error last{Code::kNotFound, "lookup " + host + ": no such host"};
  for (const IpAddress& address : addresses) {
    const SocketAddress target{address, port};
    auto stream =
        co_await runtime::with_timeout(timeout, "dial tcp " + target.to_string(), connect_tcp(target));
    if (stream || stream.error().code == Code::kCancelled) co_return stream;
    last = std::move(stream.error());
  }
  co_return std::unexpected(std::move(last));
}

Task<void> relay(ByteStream& a, ByteStream& b) {
  const runtime::TaskContext context = co_await runtime::current_context();
  runtime::Signal forth_done;
  runtime::Signal back_done;
  // The way back is a task of its own. It refers to this frame, so it is awaited whatever happens.
  Background back = Background::start(*context.executor, copy_or_abort(b, a, back_done));
  co_await copy_or_abort(a, b, forth_done);
  const Result<> waited = co_await back_done.wait();
  if (waited) {
    back.detach();
    co_return;
  }
  a.abort();
  b.abort();
  static_cast<void>(co_await runtime::run_in({context.executor, nullptr}, back_done.wait()));
  back.detach();
}

}  // namespace cloudless::net

// Stream sockets: TCP and unix, plain or TLS, as connections made and accepted. HTTP, DNS over TCP and port
// forwarding build on these.
//
// A Stream lives on one EventLoop: all but abort() is called by tasks of that loop.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "net/address.hpp"
#include "net/descriptor.hpp"
#include "net/http.hpp"
#include "net/tls.hpp"
#include "runtime/worker_pool.hpp"

namespace cloudless::net {

/// A write that the peer does not take any byte of for so long fails with kDeadlineExceeded.
inline constexpr Duration kDefaultWriteStallLimit = std::chrono::seconds(60);

class Stream : public ByteStream {
 public:
  /// Waits for at least one byte; 0 at the end.
  virtual runtime::Task<Result<size_t>> read_some(std::span<char> buffer) = 0;
  /// Writes all pieces, gathered; the pieces outlive the call.
  virtual runtime::Task<Result<>> write_all(std::span<const std::string_view> pieces) = 0;

  /// The protocol agreed by ALPN: "h2", "http/1.1", or empty.
  virtual std::string alpn() const { return {}; }
  virtual bool tls() const { return false; }
  /// DER, leaf first: what the peer presented and the handshake verified.
  virtual std::vector<std::string> peer_certificates() const { return {}; }
  /// Why the certificate that the peer presented did not verify; empty where it did, or there was none.
  virtual std::string peer_certificate_error() const { return {}; }
  /// True where the peer has closed or sent something nobody asked for: such a connection is not reused.
  virtual bool idle_and_dead() const = 0;

  const SocketAddress& peer() const { return peer_; }
  const SocketAddress& local() const { return local_; }
  void set_write_stall_limit(Duration limit) { write_stall_limit_ = limit; }

  runtime::Task<Result<std::string>> read(size_t limit) override;
  runtime::Task<Result<>> write(std::string bytes) override;

 protected:
  SocketAddress peer_;
  SocketAddress local_;
  Duration write_stall_limit_ = kDefaultWriteStallLimit;
};

struct ListenOptions {
  /// More than one listener may share the address: one per loop, or a new process beside an old one.
  bool reuse_port = false;
  /// May bind an address that this host does not have yet (IP_FREEBIND).
  bool free_bind = false;
  int backlog = 1024;
};

/// Accepts connections. The descriptors may be turned into Streams of any loop.
class TcpListener {
 public:
  /// Port 0: the kernel chooses.
  static Result<TcpListener> listen(runtime::EventLoop& loop, const SocketAddress& address,
                                    const ListenOptions& options = {});
  /// A unix socket, mode 0660; a stale socket file is replaced, and the file removed at the end.
  static Result<TcpListener> listen_unix(runtime::EventLoop& loop, const std::string& path);
  TcpListener(TcpListener&&) noexcept;
  TcpListener& operator=(TcpListener&&) noexcept;
  ~TcpListener();

  /// Where it listens, with the port that the kernel chose.
  const SocketAddress& address() const { return address_; }
  /// The next connection's descriptor, for make_stream. kResourceExhausted where the process has no
  /// descriptor left: wait a little and go on.
  runtime::Task<Result<int>> accept_fd();
  /// The next connection as a stream of this listener's loop.
  runtime::Task<Result<std::unique_ptr<Stream>>> accept();
  void abort() { descriptor_.abort(); }

 private:
  TcpListener(Descriptor descriptor, SocketAddress address, std::string unix_path);
  Descriptor descriptor_;
  SocketAddress address_;
  std::string unix_path_;
};

/// A plain stream on `fd`, a connected stream socket that it takes over.
std::unique_ptr<Stream> make_stream(runtime::EventLoop& loop, int fd);
/// Performs the server's part of a handshake on `fd`.
runtime::Task<Result<std::unique_ptr<Stream>>> accept_tls(runtime::EventLoop& loop, int fd,
                                                          TlsServerConfig& config);
/// Performs the client's part of a handshake on `plain` (made by make_stream or connect), verifying `host`.
runtime::Task<Result<std::unique_ptr<Stream>>> connect_tls(std::unique_ptr<Stream> plain,
                                                           TlsClientConfig& config, const std::string& host,
                                                           const std::vector<std::string>& alpn = {});

/// On the running task's loop. kUnavailable where the peer refuses or cannot be reached.
runtime::Task<Result<std::unique_ptr<Stream>>> connect_tcp(const SocketAddress& address);
runtime::Task<Result<std::unique_ptr<Stream>>> connect_unix(const std::string& path);

/// Names to addresses by getaddrinfo, off the loop.
class Resolver {
 public:
  /// `workers` outlives the resolver.
  explicit Resolver(runtime::WorkerPool& workers) : workers_(&workers) {}
  /// For who connects to addresses and unix sockets alone: knows no names.
  Resolver() = default;
  /// Addresses of `host` in the system's order; a literal address is its own answer. kNotFound, kUnavailable.
  runtime::Task<Result<std::vector<IpAddress>>> resolve(std::string host);

 private:
  runtime::WorkerPool* workers_ = nullptr;
};

/// Resolves and tries the addresses one after another, each for at most `timeout`.
runtime::Task<Result<std::unique_ptr<Stream>>> connect_tcp(Resolver& resolver, const std::string& host,
                                                           uint16_t port, Duration timeout);

/// Copies both ways until both ends are closed or either fails; then both are aborted.
runtime::Task<void> relay(ByteStream& a, ByteStream& b);

}  // namespace cloudless::net

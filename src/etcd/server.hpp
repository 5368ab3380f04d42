// Server: etcd v3's gRPC services over a store::Store, and etcd's /health and /version over HTTP/1.1.
//
// All of it runs on the server's own loop (grpc/server.hpp). Texts and codes of errors are etcd's,
// since clients match on them. A request is at most kMaxRequestBytes.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "runtime/event_loop.hpp"
#include "store/store.hpp"

namespace cloudless::etcd {

/// etcd's --max-request-bytes and gRPC's own overhead (server/embed/config.go, api/v3rpc/grpc.go).
inline constexpr int kMaxRequestBytes = (3 << 19) + (512 << 10);

/// PEM files. All empty: no TLS. With a client CA, clients must show a certificate of it.
struct TlsFiles {
  std::string certificate;
  std::string key;
  std::string client_ca;
};

struct ServerOptions {
  /// "host:port" (port 0: the kernel chooses) or "unix:///path".
  std::vector<std::string> listen;
  TlsFiles tls;
  /// What MemberList says that clients should use.
  std::vector<std::string> advertise_urls;
  std::string member_name = "cloudless";
  /// What Status claims: clients enable features by it.
  std::string version = "3.6.4";
  /// How often a watch that asked for progress is told that nothing happened.
  Duration progress_interval = std::chrono::minutes(10);
};

class Server {
 public:
  /// All references outlive this.
  Server(ServerOptions options, store::Store& store, runtime::EventLoop& loop, metrics::Registry& registry,
         Logger log);
  ~Server();

  /// Binds and serves. kUnavailable, naming the address, where a port is taken.
  Result<> start();
  /// The ports, in the order of ServerOptions::listen. After start().
  std::vector<int> ports() const;
  /// Ends streams and calls. Not on the loop's thread.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cloudless::etcd

// Connection: the way to the API servers of a cluster over the network as one user: HTTPS with the user's
// certificate or bearer token.
//
// A cluster with several control-plane nodes has several servers. A connection speaks to one of them at a
// time, and goes to the next when that one does not answer: the request that noticed fails, those after it go
// elsewhere.
//
//     the kubeconfig's server  ->  fallback  ->  fallback  ->  the kubeconfig's server ...
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "client/kubeconfig.hpp"
#include "net/client.hpp"
#include "net/tls.hpp"

namespace cloudless::client {

struct ConnectionOptions {
  std::string server;  // "https://192.0.2.1:6443"
  net::TlsClientOptions tls;
  std::string token;  // sent as bearer token unless empty
  /// How soon a server that says nothing is asked for a sign of life, and how long it has for it.
  Duration ping_after = std::chrono::seconds(30);
  Duration ping_timeout = std::chrono::seconds(15);
};

/// What a kubeconfig's context means. kUnimplemented for a tokenFile.
Result<ConnectionOptions> connection_options(const ConnectionConfig& config);

class Connection final : public net::Transport {
 public:
  /// More servers than these are not kept.
  static constexpr size_t kMaxServers = 16;

  /// `resolver` outlives the connection. Nothing is sent yet.
  static Result<std::unique_ptr<Connection>> make(ConnectionOptions options, net::Resolver& resolver,
                                                  Logger log);

  runtime::Task<Result<net::Response>> send(net::Request request) override;
  /// Puts another certificate or CA in place for connections to come. The server and the token stay. Any
  /// thread.
  Result<> update(net::TlsClientOptions tls);

  /// Where else to go, in the place of those named before; those that are URLs of the present servers stay as
  /// they are. Any thread.
  void set_fallbacks(const std::vector<std::string>& servers);
  /// The server that is spoken to now.
  std::string server() const;
  /// Goes to the next server, and ends what is under way with this one: it is known to be gone. Nothing where
  /// there is no other.
  runtime::Task<void> leave();

  /// Aborts all connections and returns when none is left.
  runtime::Task<void> stop();

 private:
  using HttpPtr = std::shared_ptr<net::HttpClient>;
  struct Server {
    std::string url;
    HttpPtr http;
  };

  Connection(ConnectionOptions options, std::shared_ptr<net::TlsClientConfig> tls, net::Resolver& resolver,
             Logger log);
  Result<HttpPtr> make_client(const std::string& url) const;
  HttpPtr current() const;
  // Goes on from `tried` unless that has happened already.
  void advance(const HttpPtr& tried);

  const ConnectionOptions options_;
  const std::shared_ptr<net::TlsClientConfig> tls_;  // null where the server speaks no TLS
  net::Resolver& resolver_;
  Logger log_;
  mutable std::mutex mutex_;
  std::vector<Server> servers_;  // the kubeconfig's first
  size_t current_ = 0;
  std::vector<HttpPtr> retired_;  // until stop()
};

}  // namespace cloudless::client

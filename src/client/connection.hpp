// Connection: the way to an API server over the network as one user: HTTPS with the user's certificate or
// bearer token.
#pragma once

#include <memory>
#include <string>

#include "base/log.hpp"
#include "client/kubeconfig.hpp"
#include "net/client.hpp"
#include "net/tls.hpp"

namespace cloudless::client {

struct ConnectionOptions {
  std::string server;  // "https://192.0.2.1:6443"
  net::TlsClientOptions tls;
  std::string token;  // sent as bearer token unless empty
};

/// What a kubeconfig's context means. kUnimplemented for a tokenFile.
Result<ConnectionOptions> connection_options(const ConnectionConfig& config);

class Connection final : public net::Transport {
 public:
  /// `resolver` outlives the connection. Nothing is sent yet.
  static Result<std::unique_ptr<Connection>> make(ConnectionOptions options, net::Resolver& resolver,
                                                  Logger log);

  runtime::Task<Result<net::Response>> send(net::Request request) override;
  /// Puts another certificate or CA in place for connections to come. The server and the token stay. Any
  /// thread.
  Result<> update(net::TlsClientOptions tls);
  /// Aborts all connections and returns when none is left.
  runtime::Task<void> stop() { return http_->stop(); }

 private:
  Connection(std::shared_ptr<net::TlsClientConfig> tls, std::unique_ptr<net::HttpClient> http,
             std::string token)
      : tls_(std::move(tls)), http_(std::move(http)), token_(std::move(token)) {}

  const std::shared_ptr<net::TlsClientConfig> tls_;  // null where the server speaks no TLS
  std::unique_ptr<net::HttpClient> http_;
  const std::string token_;
};

}  // namespace cloudless::client

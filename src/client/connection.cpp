#include "client/connection.hpp"

namespace cloudless::client {

Result<ConnectionOptions> connection_options(const ConnectionConfig& config) {
  if (!config.token_file.empty())
    return fail(Code::kUnimplemented,
                "a user with tokenFile cannot be used here; use token or a certificate");
  ConnectionOptions options{.server = config.server, .tls = {}, .token = config.token};
  if (!config.ca.empty()) options.tls.ca = net::PemSource::inline_text(config.ca);
  if (!config.client_certificate.empty()) {
    options.tls.identity = {net::PemSource::inline_text(config.client_certificate),
                            net::PemSource::inline_text(config.client_key)};
  }
  options.tls.server_name = config.server_name;
  options.tls.insecure_skip_verify = config.insecure;
  return options;
}

Result<std::unique_ptr<Connection>> Connection::make(ConnectionOptions options, net::Resolver& resolver,
                                                     Logger log) {
  net::HttpClientOptions http;
  http.base_url = options.server;
  if (options.server.starts_with("https://"))
    http.tls = TRY(net::TlsClientConfig::make(std::move(options.tls), log));
  auto tls = http.tls;
  auto client = TRY(net::HttpClient::make(std::move(http), resolver, log));
  return std::unique_ptr<Connection>(
      new Connection(std::move(tls), std::move(client), std::move(options.token)));
}

Result<> Connection::update(net::TlsClientOptions tls) {
  return tls_ ? tls_->update(std::move(tls)) : Result<>();
}

runtime::Task<Result<net::Response>> Connection::send(net::Request request) {
  if (!token_.empty()) request.headers.set("authorization", "Bearer " + token_);
  co_return co_await http_->send(std::move(request));
}

}  // namespace cloudless::client

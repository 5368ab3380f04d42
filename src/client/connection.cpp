#include "client/connection.hpp"

#include <algorithm>

namespace cloudless::client {

using runtime::Task;

namespace {

// Nobody is there, or nobody answers in time.
bool is_outage(Code code) { return code == Code::kUnavailable || code == Code::kDeadlineExceeded; }

}  // namespace

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

Connection::Connection(ConnectionOptions options, std::shared_ptr<net::TlsClientConfig> tls,
                       net::Resolver& resolver, Logger log)
    : options_(std::move(options)), tls_(std::move(tls)), resolver_(resolver), log_(std::move(log)) {}

Result<std::unique_ptr<Connection>> Connection::make(ConnectionOptions options, net::Resolver& resolver,
                                                     Logger log) {
  std::shared_ptr<net::TlsClientConfig> tls;
  if (options.server.starts_with("https://")) tls = TRY(net::TlsClientConfig::make(options.tls, log));
  std::unique_ptr<Connection> made(
      new Connection(std::move(options), std::move(tls), resolver, std::move(log)));
  made->servers_.push_back({made->options_.server, TRY(made->make_client(made->options_.server))});
  return made;
}

Result<Connection::HttpPtr> Connection::make_client(const std::string& url) const {
  net::HttpClientOptions http;
  http.base_url = url;
  http.tls = tls_;
  http.ping_after = options_.ping_after;
  http.ping_timeout = options_.ping_timeout;
  return HttpPtr(TRY(net::HttpClient::make(std::move(http), resolver_, log_)));
}

Result<> Connection::update(net::TlsClientOptions tls) {
  return tls_ ? tls_->update(std::move(tls)) : Result<>();
}

Connection::HttpPtr Connection::current() const {
  const std::lock_guard lock(mutex_);
  return servers_[current_].http;
}

std::string Connection::server() const {
  const std::lock_guard lock(mutex_);
  return servers_[current_].url;
}

void Connection::advance(const HttpPtr& tried) {
  const std::lock_guard lock(mutex_);
  if (servers_.size() == 1 || servers_[current_].http != tried) return;
  current_ = (current_ + 1) % servers_.size();
  log_.info("the API server does not answer; going to another", {{"server", servers_[current_].url}});
}

Task<Result<net::Response>> Connection::send(net::Request request) {
  if (!options_.token.empty()) request.headers.set("authorization", "Bearer " + options_.token);
  const HttpPtr http = current();
  auto response = co_await http->send(std::move(request));
  if (!response && is_outage(response.error().code)) advance(http);
  co_return response;
}

void Connection::set_fallbacks(const std::vector<std::string>& servers) {
  const std::lock_guard lock(mutex_);
  const std::string present = servers_[current_].url;
  std::vector<Server> kept{servers_.front()};
  for (const std::string& url : servers) {
    if (kept.size() == kMaxServers) break;
    if (std::ranges::find(kept, url, &Server::url) != kept.end()) continue;
    const auto known = std::ranges::find(servers_, url, &Server::url);
    if (known != servers_.end()) {
      kept.push_back(*known);
    } else if (auto http = make_client(url)) {
      kept.push_back({url, std::move(*http)});
    }
  }
  for (const Server& server : servers_) {
    if (std::ranges::find(kept, server.url, &Server::url) == kept.end()) retired_.push_back(server.http);
  }
  servers_ = std::move(kept);
  const auto at = std::ranges::find(servers_, present, &Server::url);
  current_ = at == servers_.end() ? 0 : static_cast<size_t>(at - servers_.begin());
}

Task<void> Connection::leave() {
  HttpPtr left;
  {
    const std::lock_guard lock(mutex_);
    if (servers_.size() == 1) co_return;
    auto fresh = make_client(servers_[current_].url);
    if (!fresh) co_return;
    left = std::exchange(servers_[current_].http, std::move(*fresh));
    current_ = (current_ + 1) % servers_.size();
    log_.info("the API server's node is gone; going to another", {{"server", servers_[current_].url}});
  }
  co_await left->stop();
}

Task<void> Connection::stop() {
  std::vector<HttpPtr> all;
  {
    const std::lock_guard lock(mutex_);
    all = std::exchange(retired_, {});
    for (const Server& server : servers_) all.push_back(server.http);
  }
  for (const HttpPtr& http : all) co_await http->stop();
}

}  // namespace cloudless::client

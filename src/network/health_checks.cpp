#include "network/health_checks.hpp"

#include <boost/json.hpp>

namespace cloudless::network {

namespace json = boost::json;
using runtime::Task;

namespace {

constexpr Duration kDrain = std::chrono::milliseconds(100);

Task<void> answer(std::shared_ptr<const HealthCheck> check, net::Request, net::ResponseWriter& response) {
  const int status = check->local_endpoints > 0 ? 200 : 503;
  static_cast<void>(co_await response.respond(
      status, {{"content-type", "application/json"}, {"x-content-type-options", "nosniff"}},
      {share(format_health(*check))}));
}

}  // namespace

std::string format_health(const HealthCheck& check) {
  return json::serialize(
      json::object{{"service", json::object{{"namespace", check.ns}, {"name", check.name}}},
                   {"localEndpoints", check.local_endpoints},
                   {"serviceProxyHealthy", true}});
}

void HealthChecks::listen(uint16_t port, const HealthCheck& check) {
  auto shared = std::make_shared<HealthCheck>(check);
  const auto handler = [shared](net::Request request, net::ResponseWriter& response) {
    return answer(shared, std::move(request), response);
  };
  std::unique_ptr<net::Server> server;
  Result<> started;
  // Both families by one socket; a machine without IPv6 has the one.
  for (const net::IpAddress& address : {net::IpAddress::any_v6(), net::IpAddress::any_v4()}) {
    net::ServerOptions options;
    options.address = {address, port};
    server = std::make_unique<net::Server>(std::vector<runtime::EventLoop*>{&loop_}, options, handler, log_);
    started = server->start();
    if (started) break;
  }
  if (!started) {
    log_.error("a health check port is not served",
               {{"service", check.ns + "/" + check.name}, {"port", port}, {"error", started.error()}});
    return;
  }
  listeners_[port] = {std::move(shared), std::move(server)};
}

Task<void> HealthChecks::set(std::map<uint16_t, HealthCheck> checks) {
  std::vector<std::unique_ptr<net::Server>> ended;
  for (auto listener = listeners_.begin(); listener != listeners_.end();) {
    if (checks.contains(listener->first)) {
      ++listener;
      continue;
    }
    ended.push_back(std::move(listener->second.server));
    listener = listeners_.erase(listener);
  }
  for (const auto& server : ended) co_await server->stop(kDrain);
  for (const auto& [port, check] : checks) {
    const auto present = listeners_.find(port);
    if (present == listeners_.end()) {
      listen(port, check);
    } else {
      *present->second.check = check;
    }
  }
}

}  // namespace cloudless::network

#include "cli/node_connector.hpp"

#include "api/core_v1.hpp"
#include "client/codec.hpp"

namespace cloudless::cli {

using runtime::Task;
using TransportPtr = std::shared_ptr<net::Transport>;

HttpNodeConnector::HttpNodeConnector(net::TlsClientOptions tls, runtime::WorkerPool& workers, Logger log)
    : tls_(std::move(tls)), resolver_(workers), log_(std::move(log)) {}

Task<Result<TransportPtr>> HttpNodeConnector::connect(const boost::json::object& node) {
  const auto decoded = CO_TRY(client::decode_object<api::core::v1::Node>(boost::json::value(node)));
  const auto& status = decoded.status;
  for (const auto& address : status.addresses) {
    if (address.type != "InternalIP") continue;
    const auto port = static_cast<uint16_t>(status.daemonEndpoints.kubeletEndpoint.Port);
    co_return client_for("https://" + net::join_host_port(address.address, port), Trust::kClusterCa);
  }
  co_return fail(Code::kUnavailable, "node {} has no InternalIP", decoded.metadata.name);
}

// Pods and Services have certificates of their own making, which upstream does not verify either.
Task<Result<TransportPtr>> HttpNodeConnector::connect(std::string_view scheme, std::string_view host,
                                                      uint16_t port) {
  co_return client_for(fmt::format("{}://{}", scheme, net::join_host_port(host, port)), Trust::kAnything);
}

Result<TransportPtr> HttpNodeConnector::client_for(const std::string& base_url, Trust trust) {
  const std::lock_guard lock(mutex_);
  if (const auto found = kept_.find({base_url, trust}); found != kept_.end()) return found->second;
  net::HttpClientOptions options;
  options.base_url = base_url;
  // Logs that are followed answer when there is something to say.
  options.head_timeout = Duration(0);
  if (base_url.starts_with("https://")) {
    net::TlsClientOptions tls = trust == Trust::kClusterCa ? tls_ : net::TlsClientOptions{};
    tls.insecure_skip_verify = trust == Trust::kAnything;
    options.tls = TRY(net::TlsClientConfig::make(std::move(tls), log_));
  }
  TransportPtr client = TRY(net::HttpClient::make(std::move(options), resolver_, log_));
  if (kept_.size() >= kMaxKept) kept_.clear();
  kept_.emplace(std::pair(base_url, trust), client);
  return client;
}

}  // namespace cloudless::cli

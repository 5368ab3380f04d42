#include "cli/node_connector.hpp"

#include "api/core_v1.hpp"
#include "base/encoding.hpp"
#include "client/codec.hpp"

namespace cloudless::cli {

using runtime::Task;
using TransportPtr = std::shared_ptr<net::Transport>;

HttpNodeConnector::HttpNodeConnector(net::TlsClientOptions tls, net::TlsIdentity front_proxy,
                                     std::vector<std::string> address_types, runtime::WorkerPool& workers,
                                     Logger log)
    : tls_(std::move(tls)),
      front_proxy_(std::move(front_proxy)),
      address_types_(std::move(address_types)),
      resolver_(workers),
      log_(std::move(log)) {}

Task<Result<TransportPtr>> HttpNodeConnector::connect(const boost::json::object& node) {
  const auto decoded = CO_TRY(client::decode_object<api::core::v1::Node>(boost::json::value(node)));
  const auto& status = decoded.status;
  const auto port = static_cast<uint16_t>(status.daemonEndpoints.kubeletEndpoint.Port);
  for (const std::string& type : address_types_) {
    for (const auto& address : status.addresses) {
      if (address.type != type) continue;
      co_return client_for("https://" + net::join_host_port(address.address, port), Trust::kClusterCa);
    }
  }
  co_return fail(Code::kUnavailable,
                 "no preferred addresses found; known addresses of node {} do not include {}",
                 decoded.metadata.name, fmt::join(address_types_, ", "));
}

// Pods and Services have certificates of their own making, which upstream does not verify either.
Task<Result<TransportPtr>> HttpNodeConnector::connect(std::string_view scheme, std::string_view host,
                                                      uint16_t port) {
  co_return client_for(fmt::format("{}://{}", scheme, net::join_host_port(host, port)), Trust::kAnything);
}

// Each CA and name has clients of its own: what one is trusted for, another is not.
Task<Result<TransportPtr>> HttpNodeConnector::connect(const Extension& extension) {
  const std::string base_url = "https://" + net::join_host_port(extension.host, extension.port);
  net::TlsClientOptions tls{.ca = net::PemSource::inline_text(extension.ca_bundle),
                            .identity = front_proxy_,
                            .server_name = extension.server_name,
                            .insecure_skip_verify = !extension.verify};
  std::string key = fmt::format("extension {} {} {} {}", base_url, extension.server_name, extension.verify,
                                hex_encode(sha256(extension.ca_bundle)));
  co_return kept_client(std::move(key), base_url, std::move(tls));
}

Result<TransportPtr> HttpNodeConnector::client_for(const std::string& base_url, Trust trust) {
  std::optional<net::TlsClientOptions> tls;
  if (base_url.starts_with("https://")) {
    tls = trust == Trust::kClusterCa ? tls_ : net::TlsClientOptions{};
    if (trust == Trust::kAnything) tls->insecure_skip_verify = true;
  }
  return kept_client(fmt::format("{} {}", trust == Trust::kClusterCa ? "node" : "any", base_url), base_url,
                     std::move(tls));
}

Result<TransportPtr> HttpNodeConnector::kept_client(std::string key, const std::string& base_url,
                                                    std::optional<net::TlsClientOptions> tls) {
  const std::lock_guard lock(mutex_);
  if (const auto found = kept_.find(key); found != kept_.end()) return found->second;
  net::HttpClientOptions options;
  options.base_url = base_url;
  // Logs that are followed answer when there is something to say.
  options.head_timeout = Duration(0);
  if (tls) options.tls = TRY(net::TlsClientConfig::make(std::move(*tls), log_));
  TransportPtr client = TRY(net::HttpClient::make(std::move(options), resolver_, log_));
  if (kept_.size() >= kMaxKept) kept_.clear();
  kept_.emplace(std::move(key), client);
  return client;
}

}  // namespace cloudless::cli

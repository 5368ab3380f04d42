// The API server's way to node agents, pods and Services: HTTPS to a Node's address and announced kubelet
// port, plain HTTP or HTTPS to addresses.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "apiserver/pipeline.hpp"
#include "net/client.hpp"
#include "net/tcp.hpp"

namespace cloudless::cli {

class HttpNodeConnector final : public apiserver::NodeConnector {
 public:
  /// `tls`: who the API server is to node agents, and the CA that theirs are verified by. `address_types`:
  /// which address of a node to take, the best first ("InternalIP"). `workers` outlives this.
  /// `front_proxy`: as whom extension API servers are reached.
  HttpNodeConnector(net::TlsClientOptions tls, net::TlsIdentity front_proxy,
                    std::vector<std::string> address_types, runtime::WorkerPool& workers, Logger log);

  runtime::Task<Result<std::shared_ptr<net::Transport>>> connect(const boost::json::object& node) override;
  runtime::Task<Result<std::shared_ptr<net::Transport>>> connect(const Extension& extension) override;
  runtime::Task<Result<std::shared_ptr<net::Transport>>> connect(std::string_view scheme,
                                                                 std::string_view host,
                                                                 uint16_t port) override;

 private:
  // Clients that are kept for the next request; beyond it all are forgotten and made anew as they are needed.
  static constexpr size_t kMaxKept = 256;

  enum class Trust { kClusterCa, kAnything };
  Result<std::shared_ptr<net::Transport>> client_for(const std::string& base_url, Trust trust);
  // The client that is kept under `key`, made where there is none.
  Result<std::shared_ptr<net::Transport>> kept_client(std::string key, const std::string& base_url,
                                                      std::optional<net::TlsClientOptions> tls);

  const net::TlsClientOptions tls_;
  const net::TlsIdentity front_proxy_;
  const std::vector<std::string> address_types_;
  net::Resolver resolver_;
  Logger log_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<net::Transport>, std::less<>> kept_;
};

}  // namespace cloudless::cli

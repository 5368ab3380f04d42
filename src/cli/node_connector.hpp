// The API server's way to node agents, pods and Services: HTTPS to a Node's InternalIP and announced kubelet
// port, plain HTTP or HTTPS to addresses.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "apiserver/pipeline.hpp"
#include "net/client.hpp"
#include "net/tcp.hpp"

namespace cloudless::cli {

class HttpNodeConnector final : public apiserver::NodeConnector {
 public:
  /// `tls`: who the API server is to node agents, and the CA that theirs are verified by. `workers` outlives
  /// this.
  HttpNodeConnector(net::TlsClientOptions tls, runtime::WorkerPool& workers, Logger log);

  runtime::Task<Result<std::shared_ptr<net::Transport>>> connect(const boost::json::object& node) override;
  runtime::Task<Result<std::shared_ptr<net::Transport>>> connect(std::string_view scheme,
                                                                 std::string_view host,
                                                                 uint16_t port) override;

 private:
  // Clients that are kept for the next request; beyond it all are forgotten and made anew as they are needed.
  static constexpr size_t kMaxKept = 256;

  enum class Trust { kClusterCa, kAnything };
  Result<std::shared_ptr<net::Transport>> client_for(const std::string& base_url, Trust trust);

  const net::TlsClientOptions tls_;
  net::Resolver resolver_;
  Logger log_;
  std::mutex mutex_;
  std::map<std::pair<std::string, Trust>, std::shared_ptr<net::Transport>> kept_;
};

}  // namespace cloudless::cli

// ServerAddresses: where the kubernetes Service of default points: the API servers that are alive
// (kubernetes/pkg/controlplane/reconcilers/lease.go, upstream's reconciler "lease", and its times).
//
//     <root>/masterleases/<address>    under a lease that its server renews; gone with it
//            |
//     Endpoints and EndpointSlice default/kubernetes: the addresses that are there
//
// A server that is alone on its store points there without a lease: nobody else could write another address,
// and an idle store is not written to.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "apiserver/pipeline.hpp"
#include "apiserver/server.hpp"
#include "runtime/scope.hpp"
#include "store/store.hpp"

namespace cloudless::apiserver {

/// The two objects for these addresses, which are sorted.
boost::json::object kubernetes_endpoints(const std::vector<std::string>& addresses, int64_t port);
boost::json::object kubernetes_slice(const std::vector<std::string>& addresses, int64_t port);

class ServerAddresses {
 public:
  static constexpr std::chrono::seconds kLeaseTtl{15};
  static constexpr Duration kInterval = std::chrono::seconds(10);

  /// All references outlive this.
  ServerAddresses(const ServerOptions& options, Objects& objects, store::Store& store,
                  runtime::Executor& executor, Logger log);

  /// Writes both objects, and goes on keeping them where others share the store.
  runtime::Task<Result<>> start();
  /// Takes this server's address back, so that nobody is sent to it any more.
  runtime::Task<void> stop();

  /// One round: this server's lease, then the objects. What start() repeats.
  runtime::Task<Result<>> reconcile();

 private:
  runtime::Task<void> run();
  runtime::Task<Result<>> renew();
  runtime::Task<Result<std::vector<std::string>>> living() const;
  runtime::Task<Result<>> write(std::vector<std::string> addresses);
  std::string prefix() const;
  bool shares() const { return options_.store_users == ServerOptions::StoreUsers::kSeveralServers; }

  const ServerOptions& options_;
  Objects& objects_;
  store::Store& store_;
  const Logger log_;
  store::LeaseId lease_ = 0;
  runtime::TaskScope scope_;
};

}  // namespace cloudless::apiserver

// BootstrapSigner: keeps cluster-info signed with each bootstrap token that is for signing, and deletes
// tokens when they expire (upstream: pkg/controller/bootstrap, BootstrapSigner and TokenCleaner).
#pragma once

#include "api/core_v1.hpp"
#include "client/reconciler.hpp"

namespace cloudless::bootstrap {

/// What is to be written, from the Secrets and ConfigMaps that there are. Pure. It asks to be called again
/// when the next token expires.
client::Plan plan_signatures(const client::ObjectCache<api::core::v1::Secret>& secrets,
                             const client::ObjectCache<api::core::v1::ConfigMap>& config_maps, WallTime now);

class BootstrapSigner {
 public:
  /// All references outlive this.
  BootstrapSigner(client::Informers& informers, runtime::Executor& executor, Random& random, Logger log);

  void start();
  runtime::Task<void> stop();

 private:
  runtime::TaskScope scope_;
  client::EventRecorder recorder_;
  client::Performer performer_;
  client::Reconciler reconciler_;
};

}  // namespace cloudless::bootstrap

#include "controllers/controller_manager.hpp"

#include "base/ranges.hpp"
#include "controllers/certificates.hpp"
#include "controllers/cluster_role_aggregation.hpp"
#include "controllers/daemon_set.hpp"
#include "controllers/deployment/deployment.hpp"
#include "controllers/disruption.hpp"
#include "controllers/endpoint_slice.hpp"
#include "controllers/endpoints.hpp"
#include "controllers/garbage_collector.hpp"
#include "controllers/job.hpp"
#include "controllers/namespace.hpp"
#include "controllers/node_lifecycle.hpp"
#include "controllers/pod_gc.hpp"
#include "controllers/replica_set.hpp"
#include "controllers/service_account.hpp"
#include "controllers/taint_eviction.hpp"

namespace cloudless::controllers {

namespace {

/// A controller's name and how it is made; null where the options leave it out.
struct Entry {
  const char* name;
  ControllerPtr (*make)(const Deps& deps, const ControllerManagerOptions& options);
};

constexpr Entry kEntries[] = {
    {"namespace-controller", [](const Deps& deps, const auto&) { return make_namespace_controller(deps); }},
    {"serviceaccount-controller",
     [](const Deps& deps, const auto&) { return make_service_account_controller(deps); }},
    {"serviceaccount-token-controller",
     [](const Deps& deps, const auto& options) {
       return options.mint_token ? make_token_secret_controller(deps, options.mint_token, options.root_ca)
                                 : nullptr;
     }},
    {"root-ca-certificate-publisher-controller",
     [](const Deps& deps, const auto& options) {
       return options.root_ca.empty() ? nullptr : make_root_ca_controller(deps, options.root_ca);
     }},
    {"garbage-collector-controller",
     [](const Deps& deps, const auto&) { return make_garbage_collector(deps); }},
    {"deployment-controller", [](const Deps& deps, const auto&) { return make_deployment_controller(deps); }},
    {"replicaset-controller",
     [](const Deps& deps, const auto&) { return make_replica_set_controller(deps); }},
    {"replicationcontroller-controller",
     [](const Deps& deps, const auto&) { return make_replication_controller(deps); }},
    {"daemonset-controller", [](const Deps& deps, const auto&) { return make_daemon_set_controller(deps); }},
    {"job-controller", [](const Deps& deps, const auto&) { return make_job_controller(deps); }},
    {"ttl-after-finished-controller",
     [](const Deps& deps, const auto&) { return make_ttl_after_finished_controller(deps); }},
    {"endpointslice-controller",
     [](const Deps& deps, const auto&) { return make_endpoint_slice_controller(deps); }},
    {"endpoints-controller", [](const Deps& deps, const auto&) { return make_endpoints_controller(deps); }},
    {"node-ipam-controller",
     [](const Deps& deps, const auto& options) {
       return options.node_ipam.cluster_cidrs.empty() ? nullptr
                                                      : make_node_ipam_controller(deps, options.node_ipam);
     }},
    {"node-lifecycle-controller",
     [](const Deps& deps, const auto&) -> ControllerPtr {
       return std::make_unique<NodeLifecycleController>(deps);
     }},
    {"taint-eviction-controller",
     [](const Deps& deps, const auto&) { return make_taint_eviction_controller(deps); }},
    {"disruption-controller", [](const Deps& deps, const auto&) { return make_disruption_controller(deps); }},
    {"pod-garbage-collector-controller",
     [](const Deps& deps, const auto&) { return make_pod_gc_controller(deps); }},
    {"certificatesigningrequest-approving-controller",
     [](const Deps& deps, const auto&) { return make_csr_approving_controller(deps); }},
    {"certificatesigningrequest-signing-controller",
     [](const Deps& deps, const auto& options) {
       return options.cluster_signing_ca ? make_csr_signing_controller(deps, *options.cluster_signing_ca,
                                                                       options.cluster_signing_duration)
                                         : nullptr;
     }},
    {"clusterrole-aggregation-controller",
     [](const Deps& deps, const auto&) { return make_cluster_role_aggregation_controller(deps); }},
    {"certificatesigningrequest-cleaner-controller",
     [](const Deps& deps, const auto&) { return make_csr_cleaner_controller(deps); }},
};

}  // namespace

ControllerManager::ControllerManager(ControllerManagerOptions options, const client::Client& client,
                                     client::Informers& informers, runtime::Executor& executor,
                                     Random& random, Logger log)
    : options_(std::move(options)),
      scope_(executor, log.named("controllers")),
      recorder_(client, scope_, random, "kube-controller-manager", "", log.named("events")),
      deps_{client, informers, recorder_, executor, random, log.named("controllers")} {}

ControllerManager::~ControllerManager() = default;

std::vector<std::string> ControllerManager::known_controllers() {
  std::vector<std::string> names;
  for (const Entry& entry : kEntries) names.emplace_back(entry.name);
  return names;
}

bool ControllerManager::enabled(std::string_view name) const {
  const auto& listed = options_.controllers;
  if (contains(listed, "-" + std::string(name))) return false;
  return contains(listed, std::string(name)) || contains(listed, "*");
}

runtime::Task<Result<>> ControllerManager::start() {
  const std::vector<std::string> known = known_controllers();
  for (const std::string& name : options_.controllers) {
    const std::string plain = name.starts_with('-') ? name.substr(1) : name;
    if (plain != "*" && !contains(known, plain)) {
      co_return fail(Code::kInvalid, "\"{}\" is not in the list of known controllers", plain);
    }
  }
  for (const Entry& entry : kEntries) {
    if (!enabled(entry.name)) continue;
    ControllerPtr controller = entry.make(deps_, options_);
    if (!controller) continue;
    if (entry.name == std::string_view("node-lifecycle-controller")) {
      node_lifecycle_ = static_cast<NodeLifecycleController*>(controller.get());
    }
    controllers_.push_back(std::move(controller));
  }
  for (const ControllerPtr& controller : controllers_) scope_.spawn(controller->run());
  co_return Result<>();
}

runtime::Task<void> ControllerManager::stop() {
  scope_.cancel();
  co_await scope_.join();
}

void ControllerManager::set_dead_nodes(const std::set<std::string>& nodes) {
  if (node_lifecycle_) node_lifecycle_->set_dead(nodes);
}

}  // namespace cloudless::controllers

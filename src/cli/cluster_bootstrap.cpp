#include "cli/cluster_bootstrap.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "api/core_v1.hpp"
#include "bootstrap/cluster_info.hpp"
#include "bootstrap/cluster_objects.hpp"
#include "cli/gossip_secret.hpp"
#include "cli/shared_certificates.hpp"
#include "dns/dns.hpp"
#include "runtime/timer.hpp"

namespace cloudless::cli {

namespace json = boost::json;
namespace kubeadm = api::kubeadm::v1beta4;
using api::core::v1::Node;
using client::Client;
using runtime::Task;

namespace {

Task<Result<>> poll_api(const Client& client, std::shared_ptr<std::string> said) {
  for (;;) {
    const auto answer = co_await client.call({.target = "/readyz", .body = {}});
    if (answer) co_return {};
    *said = answer.error().message;
    CO_TRY(co_await runtime::sleep_for(kControlPlanePoll));
  }
}

std::vector<kubeadm::Taint> taints_of(const Node& node) {
  std::vector<kubeadm::Taint> taints;
  for (const auto& taint : node.spec.taints) {
    auto& out = taints.emplace_back();
    out.key = taint.key;
    out.value = taint.value;
    out.effect = taint.effect;
  }
  return taints;
}

bool same_place(const kubeadm::Taint& a, const kubeadm::Taint& b) {
  return a.key == b.key && a.effect == b.effect;
}

json::object taint_object(const kubeadm::Taint& taint) {
  json::object out{{"key", taint.key}, {"effect", taint.effect}};
  if (!taint.value.empty()) out["value"] = taint.value;
  return out;
}

// The agent registers the node as soon as the API answers.
Task<Result<>> poll_and_mark(const Client& client, const ControlPlaneConfiguration& configuration) {
  const auto& registration = configuration.init.nodeRegistration;
  for (;;) {
    const auto node = co_await client.get<Node>("", registration.name);
    if (node) {
      const std::string patch = control_plane_mark(registration.taints, taints_of(*node));
      CO_TRY(co_await client.patch<Node>("", registration.name, client::PatchType::kMerge, patch));
      co_return {};
    }
    if (node.error().code != Code::kNotFound) co_return std::unexpected(node.error());
    CO_TRY(co_await runtime::sleep_for(kControlPlanePoll));
  }
}

Task<Result<>> make_tokens(const Client& client, const std::vector<bootstrap::BootstrapTokenSpec>& tokens) {
  for (const auto& token : tokens) {
    const auto made = co_await bootstrap::create_token(client, token);
    if (!made && made.error().code != Code::kAlreadyExists) co_return made;
  }
  co_return {};
}

}  // namespace

kubeadm::Taint control_plane_taint() {
  kubeadm::Taint taint;
  taint.key = kControlPlaneLabel;
  taint.effect = "NoSchedule";
  return taint;
}

std::string control_plane_mark(const std::vector<kubeadm::Taint>& taints,
                               const std::vector<kubeadm::Taint>& present) {
  json::object labels{{kControlPlaneLabel, ""}};
  if (!taints.empty()) labels[kExcludeFromLoadBalancers] = "";
  json::array list;
  for (const kubeadm::Taint& taint : taints) list.push_back(taint_object(taint));
  for (const kubeadm::Taint& taint : present) {
    const bool ours =
        std::ranges::any_of(taints, [&](const auto& other) { return same_place(taint, other); });
    if (!ours) list.push_back(taint_object(taint));
  }
  json::object patch{{"metadata", json::object{{"labels", std::move(labels)}}}};
  if (!taints.empty()) patch["spec"] = json::object{{"taints", std::move(list)}};
  return json::serialize(patch);
}

Task<Result<>> wait_for_api(const Client& client, Duration limit) {
  const auto said = std::make_shared<std::string>("nobody answers");
  auto waited = co_await runtime::with_timeout(limit, "the start of the API server", poll_api(client, said));
  if (!waited && waited.error().code == Code::kDeadlineExceeded)
    co_return fail(Code::kDeadlineExceeded, "{}: {}; `crictl ps` and the logs of the static pods tell more",
                   waited.error().message, *said);
  co_return waited;
}

Task<Result<>> mark_control_plane(const Client& client, const ControlPlaneConfiguration& configuration) {
  co_return co_await runtime::with_timeout(kControlPlaneLimit, "the node's registration",
                                           poll_and_mark(client, configuration));
}

Task<Result<>> bootstrap_cluster(const Client& client, const ClusterBootstrap& plan, Logger log) {
  CO_TRY(co_await bootstrap::ensure_objects(client, bootstrap::admin_objects()));
  CO_TRY(co_await bootstrap::ensure_objects(client, bootstrap::join_objects()));
  CO_TRY(co_await bootstrap::ensure_objects(client, bootstrap::node_role_objects()));
  const auto controllers = CO_TRY(co_await bootstrap::list_controller_roles(client));
  CO_TRY(co_await bootstrap::ensure_objects(client, bootstrap::controller_manager_objects(controllers)));
  log.info("[upload-config] storing the configuration in the ConfigMaps kubeadm-config and kubelet-config");
  CO_TRY(co_await bootstrap::ensure_objects(
      client, bootstrap::configuration_objects(published_configuration(plan.configuration.cluster),
                                               plan.kubelet_configuration)));
  CO_TRY(
      co_await bootstrap::ensure_cluster_info(client, "https://" + plan.configuration.endpoint(), plan.ca));
  CO_TRY(co_await ensure_gossip_secret(client, plan.gossip_secret));
  CO_TRY(co_await dns::Dns::install_crd(client));
  CO_TRY(co_await make_tokens(client, plan.tokens));
  CO_TRY(co_await mark_control_plane(client, plan.configuration));
  co_return co_await apply_documents(client, plan.further, plan.file);
}

}  // namespace cloudless::cli

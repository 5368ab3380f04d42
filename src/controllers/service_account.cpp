#include "controllers/service_account.hpp"

namespace cloudless::controllers {

using api::core::v1::ConfigMap;
using api::core::v1::Namespace;
using api::core::v1::ServiceAccount;

namespace {

constexpr const char* kDefaultAccount = "default";
constexpr const char* kRootCaName = "kube-root-ca.crt";
constexpr const char* kRootCaFile = "ca.crt";
constexpr const char* kRootCaNote = "kubernetes.io/description";
constexpr const char* kRootCaNoteText =
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such "
    "as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of "
    "Kubernetes "
    "clusters.";

// A namespace on its way out takes no new objects.
bool is_active(const client::ObjectCache<Namespace>& namespaces, const std::string& name) {
  const auto ns = namespaces.get(name);
  return ns && ns->status.phase != "Terminating" && !ns->metadata.deletionTimestamp;
}

// The namespace of an object with that one name.
auto namespaces_with(std::string name) {
  return [name](const auto& before, const auto& now) -> std::vector<std::string> {
    const auto& object = now ? *now : *before;
    if (object.metadata.name != name) return {};
    return {object.metadata.namespace_};
  };
}

}  // namespace

Plan plan_service_account(const ServiceAccountView& view, const std::string& key) {
  Plan plan;
  if (!is_active(view.namespaces, key) || view.accounts.get(key, kDefaultAccount)) return plan;
  ServiceAccount account;
  account.metadata.namespace_ = key;
  account.metadata.name = kDefaultAccount;
  plan.actions.push_back(client::create(account).accepting_done());
  return plan;
}

Plan plan_root_ca(const RootCaView& view, const std::string& root_ca, const std::string& key) {
  Plan plan;
  if (!is_active(view.namespaces, key)) return plan;
  const auto existing = view.config_maps.get(key, kRootCaName);
  ConfigMap wanted = existing ? *existing : ConfigMap();
  wanted.metadata.namespace_ = key;
  wanted.metadata.name = kRootCaName;
  wanted.metadata.annotations[kRootCaNote] = kRootCaNoteText;
  wanted.data = {{kRootCaFile, root_ca}};
  if (!existing) {
    plan.actions.push_back(client::create(wanted).accepting_done());
  } else if (wanted != *existing) {
    plan.actions.push_back(client::update(wanted));
  }
  return plan;
}

ControllerPtr make_service_account_controller(const Deps& deps) {
  auto& namespaces = deps.informers.of<Namespace>();
  auto& accounts = deps.informers.of<ServiceAccount>();
  const ServiceAccountView view{namespaces.cache(), accounts.cache()};
  auto controller = std::make_unique<Controller>(
      deps, Controller::Options{.name = "serviceaccount-controller"},
      [view](const std::string& key, const PlanContext&) { return plan_service_account(view, key); });
  controller->reconciler().watch(namespaces);
  controller->reconciler().watch(accounts, namespaces_with(kDefaultAccount));
  return controller;
}

ControllerPtr make_root_ca_controller(const Deps& deps, std::string root_ca) {
  auto& namespaces = deps.informers.of<Namespace>();
  auto& config_maps = deps.informers.of<ConfigMap>();
  const RootCaView view{namespaces.cache(), config_maps.cache()};
  auto controller = std::make_unique<Controller>(
      deps, Controller::Options{.name = "root-ca-certificate-publisher-controller"},
      [view, root_ca = std::move(root_ca)](const std::string& key, const PlanContext&) {
        return plan_root_ca(view, root_ca, key);
      });
  controller->reconciler().watch(namespaces);
  controller->reconciler().watch(config_maps, namespaces_with(kRootCaName));
  return controller;
}

}  // namespace cloudless::controllers

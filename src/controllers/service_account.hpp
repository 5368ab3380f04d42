// What every namespace holds: the default ServiceAccount and the kube-root-ca.crt ConfigMap (upstream:
// pkg/controller/serviceaccount, pkg/controller/certificates/rootcacertpublisher).
#pragma once

#include "api/core_v1.hpp"
#include "client/object_cache.hpp"
#include "controllers/controller.hpp"

namespace cloudless::controllers {

struct ServiceAccountView {
  const client::ObjectCache<api::core::v1::Namespace>& namespaces;
  const client::ObjectCache<api::core::v1::ServiceAccount>& accounts;
};
/// `key`: the namespace.
Plan plan_service_account(const ServiceAccountView& view, const std::string& key);
ControllerPtr make_service_account_controller(const Deps& deps);

struct RootCaView {
  const client::ObjectCache<api::core::v1::Namespace>& namespaces;
  const client::ObjectCache<api::core::v1::ConfigMap>& config_maps;
};
/// `root_ca`: the PEM text by which pods know the API server.
Plan plan_root_ca(const RootCaView& view, const std::string& root_ca, const std::string& key);
ControllerPtr make_root_ca_controller(const Deps& deps, std::string root_ca);

}  // namespace cloudless::controllers

#include "apiserver/authz/pod_references.hpp"

#include "apiserver/json_fields.hpp"

namespace cloudless::apiserver::authz {

namespace {

using Visit = std::function<void(Referenced, std::string_view)>;

// Volume sources that name a secret: the member, and where the name stands in it.
struct SecretPlace {
  std::string_view source;
  std::string_view outer;
  std::string_view inner;  // empty: the name is at `outer`
};
constexpr SecretPlace kVolumeSecrets[] = {
    {"secret", "secretName", ""},        {"azureFile", "secretName", ""},
    {"cephfs", "secretRef", "name"},     {"cinder", "secretRef", "name"},
    {"flexVolume", "secretRef", "name"}, {"rbd", "secretRef", "name"},
    {"scaleIO", "secretRef", "name"},    {"iscsi", "secretRef", "name"},
    {"storageos", "secretRef", "name"},  {"csi", "nodePublishSecretRef", "name"},
};

void report(const Visit& visit, Referenced kind, std::string_view name) {
  if (!name.empty()) visit(kind, name);
}

void visit_container(const json::object& container, const Visit& visit) {
  for (const json::value& source : array_at(container, {"envFrom"})) {
    if (!source.is_object()) continue;
    report(visit, Referenced::kConfigMap, text_at(source.get_object(), {"configMapRef", "name"}));
    report(visit, Referenced::kSecret, text_at(source.get_object(), {"secretRef", "name"}));
  }
  for (const json::value& variable : array_at(container, {"env"})) {
    if (!variable.is_object()) continue;
    report(visit, Referenced::kConfigMap,
           text_at(variable.get_object(), {"valueFrom", "configMapKeyRef", "name"}));
    report(visit, Referenced::kSecret, text_at(variable.get_object(), {"valueFrom", "secretKeyRef", "name"}));
  }
}

void visit_volume(const json::object& volume, std::string_view pod_name, const Visit& visit) {
  for (const SecretPlace& place : kVolumeSecrets) {
    report(visit, Referenced::kSecret,
           place.inner.empty() ? text_at(volume, {place.source, place.outer})
                               : text_at(volume, {place.source, place.outer, place.inner}));
  }
  report(visit, Referenced::kConfigMap, text_at(volume, {"configMap", "name"}));
  report(visit, Referenced::kClaim, text_at(volume, {"persistentVolumeClaim", "claimName"}));
  if (object_at(volume, {"ephemeral"})) {
    std::string claim(pod_name);
    claim += "-";
    claim += text_at(volume, {"name"});
    visit(Referenced::kClaim, claim);
  }
  for (const json::value& source : array_at(volume, {"projected", "sources"})) {
    if (!source.is_object()) continue;
    report(visit, Referenced::kSecret, text_at(source.get_object(), {"secret", "name"}));
    report(visit, Referenced::kConfigMap, text_at(source.get_object(), {"configMap", "name"}));
  }
}

}  // namespace

void visit_references(const json::object& pod, const Visit& visit) {
  const json::object* spec = object_at(pod, {"spec"});
  if (!spec) return;
  report(visit, Referenced::kServiceAccount, text_at(*spec, {"serviceAccountName"}));
  for (const json::value& secret : array_at(*spec, {"imagePullSecrets"})) {
    if (secret.is_object()) report(visit, Referenced::kSecret, text_at(secret.get_object(), {"name"}));
  }
  for (const std::string_view list : {"initContainers", "containers", "ephemeralContainers"}) {
    for (const json::value& container : array_at(*spec, {list})) {
      if (container.is_object()) visit_container(container.get_object(), visit);
    }
  }
  for (const json::value& volume : array_at(*spec, {"volumes"})) {
    if (volume.is_object()) visit_volume(volume.get_object(), name_of(pod), visit);
  }
  for (const json::value& claim : array_at(pod, {"status", "resourceClaimStatuses"})) {
    if (claim.is_object())
      report(visit, Referenced::kResourceClaim, text_at(claim.get_object(), {"resourceClaimName"}));
  }
  for (const json::value& claim : array_at(*spec, {"resourceClaims"})) {
    if (claim.is_object())
      report(visit, Referenced::kResourceClaim, text_at(claim.get_object(), {"resourceClaimName"}));
  }
}

}  // namespace cloudless::apiserver::authz

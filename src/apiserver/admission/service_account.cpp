#include "apiserver/admission/service_account.hpp"

#include "apiserver/admission/pod_edits.hpp"
#include "runtime/timer.hpp"

namespace cloudless::apiserver::admission {

using runtime::Task;

namespace {

constexpr std::string_view kMountPath = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr std::string_view kVolumePrefix = "kube-api-access-";
constexpr size_t kVolumeSuffixLength = 5;
constexpr int kTokenSeconds = 3607;
constexpr int kTokenMode = 0644;

bool mounts_token(const json::object& container) {
  for (const json::value& mount : array_at(container, {"volumeMounts"})) {
    if (mount.is_object() && text_at(mount.get_object(), {"mountPath"}) == kMountPath) return true;
  }
  return false;
}

// The token volume that a client has put there already, from an earlier copy of the pod.
std::string existing_volume(const json::object& spec) {
  for (const json::value& volume : array_at(spec, {"volumes"})) {
    if (!volume.is_object()) continue;
    const std::string_view name = text_at(volume.get_object(), {"name"});
    if (name.starts_with(kVolumePrefix)) return std::string(name);
  }
  return {};
}

json::object token_volume(std::string_view name) {
  const json::array sources{
      {{"serviceAccountToken", {{"expirationSeconds", kTokenSeconds}, {"path", "token"}}}},
      {{"configMap",
        {{"name", "kube-root-ca.crt"}, {"items", json::array{{{"key", "ca.crt"}, {"path", "ca.crt"}}}}}}},
      {{"downwardAPI",
        {{"items",
          json::array{{{"path", "namespace"},
                       {"fieldRef", {{"apiVersion", "v1"}, {"fieldPath", "metadata.namespace"}}}}}}}}}};
  return {{"name", name}, {"projected", {{"sources", sources}, {"defaultMode", kTokenMode}}}};
}

void mount_token(json::object& spec, Random& random) {
  std::string volume = existing_volume(spec);
  const bool is_new = volume.empty();
  if (is_new) volume = std::string(kVolumePrefix) + random.text(kVolumeSuffixLength, kNameAlphabet);
  bool needed = false;
  for_each_container(spec, [&](json::object& container) {
    if (mounts_token(container)) return;
    needed = true;
    make_array(container, "volumeMounts")
        .push_back({{"name", volume}, {"readOnly", true}, {"mountPath", kMountPath}});
  });
  if (is_new && needed) make_array(spec, "volumes").push_back(token_volume(volume));
}

bool wants_token(const json::object& spec, const json::object& account) {
  const json::value* of_pod = spec.if_contains("automountServiceAccountToken");
  if (of_pod && of_pod->is_bool()) return of_pod->get_bool();
  const json::value* of_account = account.if_contains("automountServiceAccountToken");
  return !of_account || !of_account->is_bool() || of_account->get_bool();
}

ApiResult<> check_mirror_pod(const AdmissionRequest& request) {
  const json::object& pod = *request.object;
  if (!text_at(pod, {"spec", "serviceAccountName"}).empty())
    return refuse(request, "a mirror pod may not reference service accounts");
  for (const json::value& item : array_at(pod, {"spec", "volumes"})) {
    if (!item.is_object()) continue;
    const json::object& volume = item.get_object();
    if (find(volume, {"secret"})) return refuse(request, "a mirror pod may not reference secrets");
    for (const json::value& source : array_at(volume, {"projected", "sources"})) {
      if (source.is_object() && find(source.get_object(), {"serviceAccountToken"}))
        return refuse(request, "a mirror pod may not use ServiceAccountToken volume projections");
    }
  }
  return {};
}

}  // namespace

Task<ApiResult<ObjectPtr>> ServiceAccount::find_account(std::string namespace_, std::string name) {
  const GroupResource accounts{"", "serviceaccounts"};
  auto account = co_await objects_.get(accounts, namespace_, name);
  for (int attempt = 1; !account && name == "default" && attempt < kServiceAccountAttempts; ++attempt) {
    if (account.error().code != 404) break;
    CO_TRY(co_await runtime::sleep_for(kServiceAccountRetry));
    account = co_await objects_.get(accounts, namespace_, name);
  }
  co_return account;
}

Task<ApiResult<>> ServiceAccount::admit(AdmissionRequest& request) {
  if (!is_on(request, "", "pods")) co_return ApiResult<>();
  if (is_mirror_pod(*request.object)) co_return check_mirror_pod(request);
  json::object& spec = make_object(*request.object, {"spec"});
  std::string name(text_at(spec, {"serviceAccountName"}));
  if (name.empty()) name = text_at(spec, {"serviceAccount"});
  if (name.empty()) name = "default";
  spec["serviceAccountName"] = name;
  spec["serviceAccount"] = name;
  const auto account = co_await find_account(request.namespace_, name);
  if (!account)
    co_return refuse(request, fmt::format("error looking up service account {}/{}: {}", request.namespace_,
                                          name, account.error().message));
  if (wants_token(spec, **account)) mount_token(spec, random_);
  const json::array& pull_secrets = array_at(**account, {"imagePullSecrets"});
  if (array_at(spec, {"imagePullSecrets"}).empty() && !pull_secrets.empty())
    spec["imagePullSecrets"] = pull_secrets;
  co_return ApiResult<>();
}

}  // namespace cloudless::apiserver::admission

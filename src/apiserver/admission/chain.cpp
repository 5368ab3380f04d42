#include "apiserver/admission/chain.hpp"

#include <algorithm>

#include "apiserver/admission/certificates.hpp"
#include "apiserver/admission/limit_ranger.hpp"
#include "apiserver/admission/namespace_lifecycle.hpp"
#include "apiserver/admission/node_restriction.hpp"
#include "apiserver/admission/priority.hpp"
#include "apiserver/admission/resource_quota.hpp"
#include "apiserver/admission/service_account.hpp"
#include "apiserver/admission/small_plugins.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver::admission {

namespace {

std::vector<std::shared_ptr<AdmissionPlugin>> all_plugins(const ChainParts& parts,
                                                          const ChainOptions& options) {
  using Step = CertificatePermission::Step;
  return {
      std::make_shared<NamespaceLifecycle>(parts.objects),
      std::make_shared<LimitRanger>(parts.objects),
      std::make_shared<ServiceAccount>(parts.objects, parts.random),
      std::make_shared<NodeRestriction>(parts.objects),
      std::make_shared<TaintNodesByCondition>(),
      std::make_shared<PodSecurity>(parts.objects, options.pod_security),
      std::make_shared<Priority>(parts.objects),
      std::make_shared<DefaultTolerationSeconds>(),
      std::make_shared<DefaultClass>(DefaultClass::storage_class(), parts.objects),
      std::make_shared<StorageObjectInUseProtection>(),
      std::make_shared<PersistentVolumeClaimResize>(parts.objects),
      std::make_shared<RuntimeClass>(parts.objects),
      std::make_shared<CertificatePermission>(Step::kApproval, parts.authorizer),
      std::make_shared<CertificatePermission>(Step::kSigning, parts.authorizer),
      std::make_shared<CertificateSubjectRestriction>(),
      std::make_shared<DefaultClass>(DefaultClass::ingress_class(), parts.objects),
      std::make_shared<ResourceQuota>(parts.objects, parts.clock),
      std::make_shared<authz::RbacEscalationCheck>(parts.rbac, parts.authorizer),
  };
}

// Upstream's plugins (pkg/kubeapiserver/options/plugins.go) that have no counterpart here.
constexpr std::string_view kOnlyUpstream[] = {"AlwaysAdmit",
                                              "AlwaysDeny",
                                              "AlwaysPullImages",
                                              "ClusterTrustBundleAttest",
                                              "DefaultNodeSelector",
                                              "DenyServiceExternalIPs",
                                              "EventRateLimit",
                                              "ExtendedResourceToleration",
                                              "ImagePolicyWebhook",
                                              "LimitPodHardAntiAffinityTopology",
                                              "MutatingAdmissionPolicy",
                                              "MutatingAdmissionWebhook",
                                              "NamespaceAutoProvision",
                                              "NamespaceExists",
                                              "OwnerReferencesPermissionEnforcement",
                                              "PodNodeSelector",
                                              "PodTolerationRestriction",
                                              "PodTopologyLabels",
                                              "ValidatingAdmissionPolicy",
                                              "ValidatingAdmissionWebhook"};
constexpr std::string_view kOwn[] = {"CertificateApproval",
                                     "CertificateSigning",
                                     "CertificateSubjectRestriction",
                                     "DefaultIngressClass",
                                     "DefaultStorageClass",
                                     "DefaultTolerationSeconds",
                                     "LimitRanger",
                                     "NamespaceLifecycle",
                                     "NodeRestriction",
                                     "PersistentVolumeClaimResize",
                                     "PodSecurity",
                                     "Priority",
                                     "ResourceQuota",
                                     "RuntimeClass",
                                     "ServiceAccount",
                                     "StorageObjectInUseProtection",
                                     "TaintNodesByCondition"};

template <class Names>
bool has(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != std::end(names);
}

Result<> check_names(const std::vector<std::string>& names, std::string_view flag) {
  for (const std::string& name : names) {
    if (!has(kOwn, name) && !has(kOnlyUpstream, name))
      return fail(Code::kInvalid, "{} plugin {} is unknown", flag, quote(name));
  }
  return {};
}

}  // namespace

std::vector<std::shared_ptr<AdmissionPlugin>> default_chain(const ChainParts& parts,
                                                            const ChainOptions& options) {
  std::vector<std::shared_ptr<AdmissionPlugin>> chain = all_plugins(parts, options);
  std::erase_if(chain, [&](const auto& plugin) { return options.disabled.contains(plugin->name()); });
  if (options.privileged == Privileged::kRefused) chain.push_back(std::make_shared<PrivilegedContainers>());
  return chain;
}

Result<std::set<std::string, std::less<>>> disabled_plugins(const std::vector<std::string>& enable,
                                                            const std::vector<std::string>& disable) {
  TRY(check_names(enable, "enable-admission-plugins"));
  TRY(check_names(disable, "disable-admission-plugins"));
  for (const std::string& name : enable) {
    if (has(disable, name))
      return fail(Code::kInvalid, "{} in enable-admission-plugins and disable-admission-plugins overlapped",
                  quote(name));
  }
  std::set<std::string, std::less<>> disabled(disable.begin(), disable.end());
  if (!has(enable, "NodeRestriction")) disabled.insert("NodeRestriction");
  return disabled;
}

std::vector<std::string> missing_plugins(const std::vector<std::string>& names) {
  std::vector<std::string> missing;
  std::ranges::copy_if(names, std::back_inserter(missing),
                       [](const std::string& name) { return has(kOnlyUpstream, name); });
  return missing;
}

}  // namespace cloudless::apiserver::admission

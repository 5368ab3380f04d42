#include "apiserver/admission/chain.hpp"

#include "apiserver/admission/certificates.hpp"
#include "apiserver/admission/limit_ranger.hpp"
#include "apiserver/admission/namespace_lifecycle.hpp"
#include "apiserver/admission/node_restriction.hpp"
#include "apiserver/admission/pod_security.hpp"
#include "apiserver/admission/priority.hpp"
#include "apiserver/admission/resource_quota.hpp"
#include "apiserver/admission/service_account.hpp"
#include "apiserver/admission/small_plugins.hpp"

namespace cloudless::apiserver::admission {

std::vector<std::shared_ptr<AdmissionPlugin>> default_chain(const ChainParts& parts) {
  using Step = CertificatePermission::Step;
  return {
      std::make_shared<NamespaceLifecycle>(parts.objects),
      std::make_shared<LimitRanger>(parts.objects),
      std::make_shared<ServiceAccount>(parts.objects, parts.random),
      std::make_shared<NodeRestriction>(parts.objects),
      std::make_shared<TaintNodesByCondition>(),
      std::make_shared<PodSecurity>(parts.objects),
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

}  // namespace cloudless::apiserver::admission

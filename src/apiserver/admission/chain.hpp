// The admission chain in upstream's order (pkg/kubeapiserver/options/plugins.go). Webhooks and policies, when
// they come, stand before ResourceQuota.
#pragma once

#include <memory>
#include <vector>

#include "apiserver/authz/rbac.hpp"
#include "apiserver/pipeline.hpp"
#include "base/random.hpp"

namespace cloudless::apiserver::admission {

/// What the plugins use; all of it outlives them.
struct ChainParts {
  Objects& objects;
  Authorizer& authorizer;
  authz::RbacIndexCache& rbac;
  const Clock& clock;
  Random& random;
};

/// The plugins that upstream enables by default, and NodeRestriction as kubeadm does; the escalation check of
/// RBAC, which upstream has in its registry, comes last.
std::vector<std::shared_ptr<AdmissionPlugin>> default_chain(const ChainParts& parts);

}  // namespace cloudless::apiserver::admission

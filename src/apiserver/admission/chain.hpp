// The admission chain in upstream's order (pkg/kubeapiserver/options/plugins.go). Webhooks and policies, when
// they come, stand before ResourceQuota.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "apiserver/admission/pod_security.hpp"
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

enum class Privileged { kRefused, kAllowed };

struct ChainOptions {
  /// Names of plugins to leave out.
  std::set<std::string, std::less<>> disabled;
  /// Upstream's --allow-privileged: whether pods may have privileged containers at all.
  Privileged privileged = Privileged::kAllowed;
  PodSecurityOptions pod_security;
};

/// The plugins that upstream enables by default, and NodeRestriction as kubeadm does; the escalation check of
/// RBAC, which upstream has in its registry, comes last.
std::vector<std::shared_ptr<AdmissionPlugin>> default_chain(const ChainParts& parts,
                                                            const ChainOptions& options = {});

/// What upstream's --enable-admission-plugins and --disable-admission-plugins leave out of the chain, where
/// NodeRestriction has to be asked for. kInvalid for a name that upstream does not know either.
Result<std::set<std::string, std::less<>>> disabled_plugins(const std::vector<std::string>& enable,
                                                            const std::vector<std::string>& disable);
/// Takes in the text of upstream's --admission-control-config-file: an AdmissionConfiguration of
/// apiserver.config.k8s.io/v1 whose plugins have their configuration in it. Only PodSecurity can be
/// configured; kInvalid for others.
Result<> apply_configuration(std::string_view text, ChainOptions& options);
/// Those of `names` that upstream has and this chain has not.
std::vector<std::string> missing_plugins(const std::vector<std::string>& names);

}  // namespace cloudless::apiserver::admission

// The Pod Security Standards (KEP-2579; k8s.io/pod-security-admission/policy): what the levels "baseline" and
// "restricted" forbid. Pure; the texts are upstream's, since people search for them.
#pragma once

#include <boost/json/fwd.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cloudless::apiserver::admission {

enum class PodSecurityLevel { kPrivileged, kBaseline, kRestricted };

std::string_view to_string(PodSecurityLevel level);
std::optional<PodSecurityLevel> parse_pod_security_level(std::string_view text);

/// A broken rule: what is forbidden, and where in the pod.
struct PodSecurityViolation {
  std::string reason;  // "privileged"
  std::string detail;  // `container "a" must not set securityContext.privileged=true`
};

/// All violations of `level` by a pod's metadata and spec, in the order of the rules' names.
std::vector<PodSecurityViolation> check_pod_security(PodSecurityLevel level,
                                                     const boost::json::object& metadata,
                                                     const boost::json::object& spec);

/// `privileged (container "a" must not set securityContext.privileged=true), ...`
std::string to_text(const std::vector<PodSecurityViolation>& violations);

}  // namespace cloudless::apiserver::admission

// PodSecurity: pods have to meet the level that their namespace's labels ask for
// (pod-security.kubernetes.io/enforce, -audit, -warn), or the configured default. Only enforce refuses, and
// only pods; what makes pods is warned about.
#pragma once

#include "apiserver/admission/plugin.hpp"
#include "apiserver/admission/pod_security_checks.hpp"

namespace cloudless::apiserver::admission {

/// A level as of a version of Kubernetes.
struct PodSecurityMode {
  PodSecurityLevel level = PodSecurityLevel::kPrivileged;
  std::string version = "latest";

  std::string text() const { return fmt::format("{}:{}", to_string(level), version); }
  friend bool operator==(const PodSecurityMode&, const PodSecurityMode&) = default;
};

/// pod-security.admission.config.k8s.io/v1 PodSecurityConfiguration.
struct PodSecurityOptions {
  // Where a namespace has no label of the mode.
  PodSecurityMode enforce;
  PodSecurityMode audit;
  PodSecurityMode warn;
  // Whose pods are not looked at.
  std::vector<std::string> exempt_users;
  std::vector<std::string> exempt_runtime_classes;
  std::vector<std::string> exempt_namespaces;
};

class PodSecurity final : public Plugin {
 public:
  explicit PodSecurity(Objects& objects, PodSecurityOptions options = {})
      : Plugin("PodSecurity", {Operation::kCreate, Operation::kUpdate}),
        objects_(objects),
        options_(std::move(options)) {}
  runtime::Task<ApiResult<>> validate(const AdmissionRequest& request) override;

 private:
  Objects& objects_;
  const PodSecurityOptions options_;
};

}  // namespace cloudless::apiserver::admission

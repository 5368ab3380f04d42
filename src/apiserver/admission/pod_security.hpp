// PodSecurity: pods have to meet the level that their namespace's labels ask for
// (pod-security.kubernetes.io/enforce, -audit, -warn). Only enforce refuses, and only pods; what makes pods
// is warned about.
#pragma once

#include "apiserver/admission/plugin.hpp"
#include "apiserver/admission/pod_security_checks.hpp"

namespace cloudless::apiserver::admission {

class PodSecurity final : public Plugin {
 public:
  explicit PodSecurity(Objects& objects)
      : Plugin("PodSecurity", {Operation::kCreate, Operation::kUpdate}), objects_(objects) {}
  runtime::Task<ApiResult<>> validate(const AdmissionRequest& request) override;

 private:
  Objects& objects_;
};

}  // namespace cloudless::apiserver::admission

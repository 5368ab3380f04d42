// NamespaceLifecycle: nothing is made in a namespace that is not there or is going, and the first namespaces
// stay (k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle).
#pragma once

#include "apiserver/admission/plugin.hpp"

namespace cloudless::apiserver::admission {

class NamespaceLifecycle final : public Plugin {
 public:
  explicit NamespaceLifecycle(Objects& objects)
      : Plugin("NamespaceLifecycle", {Operation::kCreate, Operation::kUpdate, Operation::kDelete}),
        objects_(objects) {}
  runtime::Task<ApiResult<>> admit(AdmissionRequest& request) override;

 private:
  Objects& objects_;
};

}  // namespace cloudless::apiserver::admission

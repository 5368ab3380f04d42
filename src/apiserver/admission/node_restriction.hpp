// NodeRestriction: what a node's agent writes is about its own node and the pods on it
// (plugin/pkg/admission/noderestriction). The Node authorizer says what it may touch; this says how.
#pragma once

#include "apiserver/admission/plugin.hpp"

namespace cloudless::apiserver::admission {

class NodeRestriction final : public Plugin {
 public:
  explicit NodeRestriction(Objects& objects)
      : Plugin("NodeRestriction", {Operation::kCreate, Operation::kUpdate, Operation::kDelete}),
        objects_(objects) {}
  runtime::Task<ApiResult<>> admit(AdmissionRequest& request) override;

 private:
  runtime::Task<ApiResult<>> admit_token(const AdmissionRequest& request, std::string node);
  runtime::Task<ApiResult<>> admit_eviction(const AdmissionRequest& request, std::string node);

  Objects& objects_;
};

}  // namespace cloudless::apiserver::admission

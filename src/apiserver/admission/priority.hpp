// Priority: a pod's number from its PriorityClass (plugin/pkg/admission/priority), and one global default at
// most.
#pragma once

#include "apiserver/admission/plugin.hpp"

namespace cloudless::apiserver::admission {

class Priority final : public Plugin {
 public:
  explicit Priority(Objects& objects)
      : Plugin("Priority", {Operation::kCreate, Operation::kUpdate}), objects_(objects) {}
  runtime::Task<ApiResult<>> admit(AdmissionRequest& request) override;
  runtime::Task<ApiResult<>> validate(const AdmissionRequest& request) override;

 private:
  struct Chosen {
    std::string name;
    int64_t value = 0;
    std::string preemption_policy;
  };
  runtime::Task<ApiResult<Chosen>> choose(const AdmissionRequest& request, std::string class_name);

  Objects& objects_;
};

/// The two classes that every cluster has, as objects to create at start.
std::vector<boost::json::object> system_priority_classes();

}  // namespace cloudless::apiserver::admission

// What admission plugins have in common. A plugin says which operations on which resource it looks at, and
// overrides admit() or validate() or both.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "apiserver/pipeline.hpp"

namespace cloudless::apiserver::admission {

class Plugin : public AdmissionPlugin {
 public:
  Plugin(std::string_view name, std::initializer_list<Operation> operations)
      : name_(name), operations_(operations) {}

  std::string_view name() const override { return name_; }
  bool handles(Operation operation) const override;
  runtime::Task<ApiResult<>> admit(AdmissionRequest& request) override;
  runtime::Task<ApiResult<>> validate(const AdmissionRequest& request) override;

 private:
  const std::string_view name_;
  const std::vector<Operation> operations_;
};

/// Whether the request is for the resource itself ("pods", "persistentvolumeclaims", "nodes.x" has a group)
/// and not for a subresource.
bool is_on(const AdmissionRequest& request, std::string_view group, std::string_view resource);

/// 403 about the request's object.
std::unexpected<ApiStatus> refuse(const AdmissionRequest& request, std::string_view why);

}  // namespace cloudless::apiserver::admission

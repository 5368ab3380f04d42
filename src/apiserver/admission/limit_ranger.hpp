// LimitRanger: what containers ask for by default, and the bounds of what containers, pods and claims may ask
// for (plugin/pkg/admission/limitranger).
#pragma once

#include "apiserver/admission/plugin.hpp"

namespace cloudless::apiserver::admission {

class LimitRanger final : public Plugin {
 public:
  explicit LimitRanger(Objects& objects)
      : Plugin("LimitRanger", {Operation::kCreate, Operation::kUpdate}), objects_(objects) {}
  runtime::Task<ApiResult<>> admit(AdmissionRequest& request) override;
  runtime::Task<ApiResult<>> validate(const AdmissionRequest& request) override;

 private:
  Objects& objects_;
};

/// Fills in defaults of one LimitRange; notes what it set, for the annotation.
void apply_default_limits(const boost::json::object& limit_range, boost::json::object& pod,
                          std::vector<std::string>& notes);
/// The bounds of one LimitRange that a pod or a claim breaks, in upstream's words.
std::vector<std::string> check_pod_limits(const boost::json::object& limit_range,
                                          const boost::json::object& pod);
std::vector<std::string> check_claim_limits(const boost::json::object& limit_range,
                                            const boost::json::object& claim);

}  // namespace cloudless::apiserver::admission

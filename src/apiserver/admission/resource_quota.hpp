// ResourceQuota: the sums that a namespace may reach (plugin/pkg/admission/resourcequota).
//
// What is used is counted from the registry's objects when something is about to be made, so that it is never
// stale. Objects that are admitted and not yet stored are kept as reservations, by name, for kReservationLife
// at the most: two requests at once on this server cannot both take the last place. Servers that share a
// store see each other's objects, but not each other's reservations.
#pragma once

#include <boost/json/object.hpp>

#include <mutex>

#include "apiserver/admission/plugin.hpp"
#include "apiserver/admission/pod_resources.hpp"

namespace cloudless::apiserver::admission {

inline constexpr std::chrono::seconds kReservationLife{5};

/// What an object counts for: "pods", "requests.cpu", "count/deployments.apps", ... A pod that has ended
/// counts as nothing but an object.
Amounts quota_usage(const GroupResource& resource, const boost::json::object& object);
/// Whether a quota is about the object, by its scopes and scope selector.
bool quota_covers(const boost::json::object& quota, const GroupResource& resource,
                  const boost::json::object& object);
/// `limits.cpu for: a,b` of each thing that the quota limits and a pod leaves open.
std::vector<std::string> unspecified(const boost::json::object& quota, const boost::json::object& pod);

class ResourceQuota final : public Plugin {
 public:
  ResourceQuota(Objects& objects, const Clock& clock)
      : Plugin("ResourceQuota", {Operation::kCreate, Operation::kUpdate}), objects_(objects), clock_(clock) {}
  runtime::Task<ApiResult<>> validate(const AdmissionRequest& request) override;

 private:
  struct Reservation {
    std::string namespace_;
    GroupResource resource;
    boost::json::object object;
    SteadyTime until;
  };
  runtime::Task<ApiResult<>> check(const AdmissionRequest& request, const boost::json::object& quota);
  runtime::Task<ApiResult<Amounts>> used(const AdmissionRequest& request, const boost::json::object& quota);
  void reserve(const AdmissionRequest& request);

  Objects& objects_;
  const Clock& clock_;
  std::mutex mutex_;
  std::vector<Reservation> reservations_;  // with mutex_
};

}  // namespace cloudless::apiserver::admission

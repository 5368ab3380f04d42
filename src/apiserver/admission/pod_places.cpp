#include "apiserver/admission/pod_places.hpp"

#include "apiserver/json_fields.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver::admission {

const json::object* PodPlace::in(const json::object& object) const {
  const json::object* at = &object;
  for (const std::string_view step : path) at = at ? object_at(*at, {step}) : nullptr;
  return at;
}

std::string PodPlace::field(std::string_view of_pod) const {
  std::string out;
  for (const std::string_view step : path) out.append(step).append(".");
  return out.append(of_pod);
}

const PodPlace* pod_place(std::string_view group, std::string_view resource) {
  static const std::vector<PodPlace> kPlaces{
      {"", "pods", {}},
      {"", "replicationcontrollers", {"spec", "template"}},
      {"", "podtemplates", {"template"}},
      {"apps", "replicasets", {"spec", "template"}},
      {"apps", "deployments", {"spec", "template"}},
      {"apps", "statefulsets", {"spec", "template"}},
      {"apps", "daemonsets", {"spec", "template"}},
      {"batch", "jobs", {"spec", "template"}},
      {"batch", "cronjobs", {"spec", "jobTemplate", "spec", "template"}},
  };
  for (const PodPlace& place : kPlaces) {
    if (place.group == group && place.resource == resource) return &place;
  }
  return nullptr;
}

}  // namespace cloudless::apiserver::admission

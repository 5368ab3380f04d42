// Where resources describe pods: the pod itself, or the template of what makes pods.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace cloudless::apiserver::admission {

struct PodPlace {
  std::string_view group;
  std::string_view resource;
  std::vector<std::string_view> path;  // to the object with metadata and spec; empty for pods

  /// The pod or template in `object`; null where there is none.
  const boost::json::object* in(const boost::json::object& object) const;
  /// "spec.template.spec.containers" for "spec.containers".
  std::string field(std::string_view of_pod) const;
};

/// Null where the resource describes no pods.
const PodPlace* pod_place(std::string_view group, std::string_view resource);

}  // namespace cloudless::apiserver::admission

// Strategy: what the server itself does to the objects of a resource before they are stored, besides what the
// schema says: which fields belong to it, what a new object starts with, how deletion goes
// (kubernetes/pkg/registry/*/strategy.go). Data and pure functions.
#pragma once

#include <boost/json/fwd.hpp>

#include <string_view>

#include "apiserver/pipeline.hpp"
#include "apiserver/request/options.hpp"

namespace cloudless::apiserver {

struct Strategy {
  std::string_view group;
  std::string_view resource;
  /// metadata.generation starts at 1 and grows with every change outside metadata and status.
  bool generation = false;
  /// PUT of an object that does not exist creates it.
  bool create_on_update = false;
  /// An update must name the resourceVersion that it replaces.
  bool needs_version = false;
  /// Deletion first sets deletionTimestamp and waits for the agent (pods).
  bool graceful = false;
  /// What deletion without a propagation policy does to dependents.
  Propagation default_propagation = Propagation::kBackground;
  /// Called with uid and creationTimestamp set. May be null.
  void (*prepare_for_create)(boost::json::object& object, const UserInfo& user) = nullptr;
  /// Called for the main resource, status carried over already. May be null.
  void (*prepare_for_update)(boost::json::object& object, const boost::json::object& old_object) = nullptr;
};

/// The strategy of a built-in resource; a plain one where nothing special is known.
const Strategy& builtin_strategy(std::string_view group, std::string_view resource);
/// Of custom resources.
const Strategy& custom_strategy();

/// Pod QoS class by the resources of its containers: "Guaranteed", "Burstable", "BestEffort".
std::string_view pod_qos_class(const boost::json::object& pod);

}  // namespace cloudless::apiserver

// ReplicaSet: keeps as many pods of a template as asked for (upstream: pkg/controller/replicaset). The same
// plan serves ReplicationControllers, which differ in their selector alone.
#pragma once

#include "api/apps_v1.hpp"
#include "client/object_cache.hpp"
#include "controllers/controller.hpp"
#include "controllers/support/pod_set.hpp"

namespace cloudless::controllers {

struct ReplicaSetView {
  const client::ObjectCache<api::apps::v1::ReplicaSet>& sets;
  const client::ObjectCache<Pod>& pods;  // with the owner index
  const Departures& departures;
};

Plan plan_replica_set(const ReplicaSetView& view, const std::string& key, const PlanContext& context);
ControllerPtr make_replica_set_controller(const Deps& deps);

struct ReplicationControllerView {
  const client::ObjectCache<api::core::v1::ReplicationController>& controllers;
  const client::ObjectCache<Pod>& pods;
  const Departures& departures;
};

Plan plan_replication_controller(const ReplicationControllerView& view, const std::string& key,
                                 const PlanContext& context);
ControllerPtr make_replication_controller(const Deps& deps);

}  // namespace cloudless::controllers

// DaemonSet: one pod on every node that its template may run on (upstream: pkg/controller/daemon). Pods are
// pinned to their node by affinity and placed by the scheduler.
#pragma once

#include "api/apps_v1.hpp"
#include "client/object_cache.hpp"
#include "controllers/controller.hpp"
#include "controllers/support/pod_set.hpp"

namespace cloudless::controllers {

struct DaemonSetView {
  const client::ObjectCache<api::apps::v1::DaemonSet>& sets;
  const client::ObjectCache<api::core::v1::Node>& nodes;
  const client::ObjectCache<Pod>& pods;  // with the owner index
  const Departures& departures;
};

/// The template as its pods have it: with the tolerations that every daemon has.
PodTemplateSpec daemon_template(const api::apps::v1::DaemonSet& set);

struct DaemonFit {
  bool should_run = false;
  bool should_stay = false;  // what runs already may go on
};
DaemonFit fit_of(const PodTemplateSpec& daemon, const api::core::v1::Node& node);

Plan plan_daemon_set(const DaemonSetView& view, const std::string& key, const PlanContext& context);
ControllerPtr make_daemon_set_controller(const Deps& deps);

}  // namespace cloudless::controllers

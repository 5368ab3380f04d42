// Columns of what runs: pods, the controllers that make them, and what scales and protects them.
#include <algorithm>

#include "apiserver/printers/columns.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver {

namespace {

// What a container's state adds to the pod's one word of status.
struct ContainerTally {
  int ready = 0;
  int64_t restarts = 0;
  std::string last_restart;
  std::string reason;
  bool has_running = false;
};

const json::object* condition_of(const json::object& object, std::string_view type) {
  for (const json::value& value : array_at(object, {"status", "conditions"})) {
    const json::object* condition = value.if_object();
    if (condition && text_at(*condition, {"type"}) == type) return condition;
  }
  return nullptr;
}

std::string terminated_reason(const json::object& state, std::string_view prefix) {
  const std::string_view reason = text_at(state, {"terminated", "reason"});
  if (!reason.empty()) return fmt::format("{}{}", prefix, reason);
  const int64_t signal = number_at(state, {"terminated", "signal"});
  if (signal != 0) return fmt::format("{}Signal:{}", prefix, signal);
  return fmt::format("{}ExitCode:{}", prefix, number_at(state, {"terminated", "exitCode"}));
}

void note_restarts(const json::object& status, ContainerTally& tally) {
  tally.restarts += number_at(status, {"restartCount"});
  const std::string finished(text_at(status, {"lastState", "terminated", "finishedAt"}));
  tally.last_restart = std::max(tally.last_restart, finished);
}

bool is_sidecar(const json::object& pod, std::string_view name) {
  for (const json::value& value : array_at(pod, {"spec", "initContainers"})) {
    const json::object* container = value.if_object();
    if (container && text_at(*container, {"name"}) == name)
      return text_at(*container, {"restartPolicy"}) == "Always";
  }
  return false;
}

// The first init container that is not done says what the pod waits for; empty once all are.
std::string init_reason(const json::object& pod, ContainerTally& tally) {
  const size_t total = array_at(pod, {"spec", "initContainers"}).size();
  size_t index = 0;
  for (const json::value& value : array_at(pod, {"status", "initContainerStatuses"})) {
    const size_t position = index++;
    const json::object* status = value.if_object();
    if (!status) continue;
    note_restarts(*status, tally);
    const bool sidecar = is_sidecar(pod, text_at(*status, {"name"}));
    const json::object* state = object_at(*status, {"state"});
    if (sidecar && truth_at(*status, {"ready"})) ++tally.ready;
    if (sidecar && truth_at(*status, {"started"})) continue;
    if (state && state->contains("terminated")) {
      if (number_at(*state, {"terminated", "exitCode"}) == 0) continue;
      return terminated_reason(*state, "Init:");
    }
    const std::string_view waiting = state ? text_at(*state, {"waiting", "reason"}) : "";
    if (!waiting.empty() && waiting != "PodInitializing") return fmt::format("Init:{}", waiting);
    return fmt::format("Init:{}/{}", position, total);
  }
  return "";
}

std::string container_reason(const json::object& pod, std::string reason, ContainerTally& tally) {
  const json::array& statuses = array_at(pod, {"status", "containerStatuses"});
  for (auto it = statuses.rbegin(); it != statuses.rend(); ++it) {
    const json::object* status = it->if_object();
    if (!status) continue;
    note_restarts(*status, tally);
    const json::object* state = object_at(*status, {"state"});
    if (!state) continue;
    if (const std::string_view waiting = text_at(*state, {"waiting", "reason"}); !waiting.empty()) {
      reason = waiting;
    } else if (state->contains("terminated")) {
      reason = terminated_reason(*state, "");
    } else if (truth_at(*status, {"ready"}) && state->contains("running")) {
      tally.has_running = true;
      ++tally.ready;
    }
  }
  if (reason == "Completed" && tally.has_running) {
    const json::object* ready = condition_of(pod, "Ready");
    reason = ready && text_at(*ready, {"status"}) == "True" ? "Running" : "NotReady";
  }
  return reason;
}

std::string pod_status(const json::object& pod, ContainerTally& tally) {
  std::string reason(text_at(pod, {"status", "phase"}));
  if (const std::string_view given = text_at(pod, {"status", "reason"}); !given.empty()) reason = given;
  if (const json::object* scheduled = condition_of(pod, "PodScheduled");
      scheduled && text_at(*scheduled, {"reason"}) == "SchedulingGated") {
    reason = "SchedulingGated";
  }
  const std::string init = init_reason(pod, tally);
  const json::object* initialized = condition_of(pod, "Initialized");
  if (init.empty() || (initialized && text_at(*initialized, {"status"}) == "True")) {
    reason = container_reason(pod, std::move(reason), tally);
  } else {
    reason = init;
  }
  if (text_at(pod, {"metadata", "deletionTimestamp"}).empty()) return reason;
  if (text_at(pod, {"status", "reason"}) == "NodeLost") return "Unknown";
  const std::string_view phase = text_at(pod, {"status", "phase"});
  return phase == "Succeeded" || phase == "Failed" ? reason : "Terminating";
}

size_t ready_total(const json::object& pod) {
  size_t total = array_at(pod, {"spec", "containers"}).size();
  for (const json::value& value : array_at(pod, {"spec", "initContainers"})) {
    if (value.is_object() && text_at(value.get_object(), {"restartPolicy"}) == "Always") ++total;
  }
  return total;
}

std::string readiness_gates(const json::object& pod) {
  const json::array& gates = array_at(pod, {"spec", "readinessGates"});
  if (gates.empty()) return "<none>";
  size_t met = 0;
  for (const json::value& gate : gates) {
    const json::object* condition =
        gate.is_object() ? condition_of(pod, text_at(gate.get_object(), {"conditionType"})) : nullptr;
    if (condition && text_at(*condition, {"status"}) == "True") ++met;
  }
  return fmt::format("{}/{}", met, gates.size());
}

json::array pod_row(const json::object& pod, WallTime now) {
  ContainerTally tally;
  const std::string status = pod_status(pod, tally);
  std::string restarts = std::to_string(tally.restarts);
  if (tally.restarts != 0 && !tally.last_restart.empty()) {
    restarts += fmt::format(" ({} ago)", human_age(tally.last_restart, now));
  }
  return {name_of(pod),
          json::string(fmt::format("{}/{}", tally.ready, ready_total(pod))),
          json::string(status),
          json::string(restarts),
          age_cell(pod, now),
          text_cell(text_at(pod, {"status", "podIP"})),
          text_cell(text_at(pod, {"spec", "nodeName"})),
          text_cell(text_at(pod, {"status", "nominatedNodeName"})),
          json::string(readiness_gates(pod))};
}

const json::array& template_containers(const json::object& object) {
  return array_at(object, {"spec", "template", "spec", "containers"});
}

json::string names_cell(const json::object& object) {
  return json::string(container_names(template_containers(object)));
}
json::string images_cell(const json::object& object) {
  return json::string(container_images(template_containers(object)));
}
json::string selector_cell(const json::object& object) {
  return json::string(format_selector(object_at(object, {"spec", "selector"})));
}

std::string of_total(const json::object& object, std::string_view ready) {
  return fmt::format("{}/{}", number_at(object, {"status", ready}), number_at(object, {"spec", "replicas"}));
}

json::array deployment_row(const json::object& object, WallTime now) {
  return {name_of(object),
          json::string(of_total(object, "readyReplicas")),
          number_at(object, {"status", "updatedReplicas"}),
          number_at(object, {"status", "availableReplicas"}),
          age_cell(object, now),
          names_cell(object),
          images_cell(object),
          selector_cell(object)};
}

json::array replica_set_row(const json::object& object, WallTime now) {
  return {name_of(object),
          number_at(object, {"spec", "replicas"}),
          number_at(object, {"status", "replicas"}),
          number_at(object, {"status", "readyReplicas"}),
          age_cell(object, now),
          names_cell(object),
          images_cell(object),
          selector_cell(object)};
}

json::array replication_controller_row(const json::object& object, WallTime now) {
  json::array row = replica_set_row(object, now);
  row.back() = json::string(format_labels(object_at(object, {"spec", "selector"})));
  return row;
}

json::array stateful_set_row(const json::object& object, WallTime now) {
  return {name_of(object), json::string(of_total(object, "readyReplicas")), age_cell(object, now),
          names_cell(object), images_cell(object)};
}

json::array daemon_set_row(const json::object& object, WallTime now) {
  return {name_of(object),
          number_at(object, {"status", "desiredNumberScheduled"}),
          number_at(object, {"status", "currentNumberScheduled"}),
          number_at(object, {"status", "numberReady"}),
          number_at(object, {"status", "updatedNumberScheduled"}),
          number_at(object, {"status", "numberAvailable"}),
          json::string(format_labels(object_at(object, {"spec", "template", "spec", "nodeSelector"}))),
          age_cell(object, now),
          names_cell(object),
          images_cell(object),
          selector_cell(object)};
}

std::string job_status(const json::object& job) {
  const auto is_true = [&](std::string_view type) {
    const json::object* condition = condition_of(job, type);
    return condition && text_at(*condition, {"status"}) == "True";
  };
  if (is_true("Complete")) return "Complete";
  if (is_true("Failed")) return "Failed";
  if (!text_at(job, {"metadata", "deletionTimestamp"}).empty()) return "Terminating";
  if (is_true("Suspended")) return "Suspended";
  if (is_true("FailureTarget")) return "FailureTarget";
  if (is_true("SuccessCriteriaMet")) return "SuccessCriteriaMet";
  return "Running";
}

std::string job_completions(const json::object& job) {
  const int64_t succeeded = number_at(job, {"status", "succeeded"});
  if (find(job, {"spec", "completions"})) {
    return fmt::format("{}/{}", succeeded, number_at(job, {"spec", "completions"}));
  }
  const int64_t parallelism = number_at(job, {"spec", "parallelism"});
  return parallelism > 1 ? fmt::format("{}/1 of {}", succeeded, parallelism) : fmt::format("{}/1", succeeded);
}

std::string job_duration(const json::object& job, WallTime now) {
  const std::string_view start = text_at(job, {"status", "startTime"});
  if (start.empty()) return "";
  const Result<WallTime> end = parse_rfc3339(text_at(job, {"status", "completionTime"}));
  return human_age(start, end ? *end : now);
}

json::array job_row(const json::object& job, WallTime now) {
  return {name_of(job),
          json::string(job_status(job)),
          json::string(job_completions(job)),
          json::string(job_duration(job, now)),
          age_cell(job, now),
          names_cell(job),
          images_cell(job),
          selector_cell(job)};
}

json::array cron_job_row(const json::object& object, WallTime now) {
  const json::array& containers =
      array_at(object, {"spec", "jobTemplate", "spec", "template", "spec", "containers"});
  const std::string_view last = text_at(object, {"status", "lastScheduleTime"});
  return {name_of(object),
          text_cell(text_at(object, {"spec", "schedule"}), ""),
          text_cell(text_at(object, {"spec", "timeZone"})),
          truth_at(object, {"spec", "suspend"}) ? "True" : "False",
          array_at(object, {"status", "active"}).size(),
          last.empty() ? json::string("<none>") : json::string(human_age(last, now)),
          age_cell(object, now),
          json::string(container_names(containers)),
          json::string(container_images(containers)),
          json::string(format_selector(object_at(object, {"spec", "jobTemplate", "spec", "selector"})))};
}

json::array pod_template_row(const json::object& object, WallTime) {
  const json::array& containers = array_at(object, {"template", "spec", "containers"});
  return {name_of(object), json::string(container_names(containers)),
          json::string(container_images(containers)),
          json::string(format_labels(object_at(object, {"template", "metadata", "labels"})))};
}

json::array controller_revision_row(const json::object& object, WallTime now) {
  std::string owner = "<none>";
  for (const json::value& value : array_at(object, {"metadata", "ownerReferences"})) {
    const json::object* reference = value.if_object();
    if (reference && truth_at(*reference, {"controller"})) {
      const std::string_view version = text_at(*reference, {"apiVersion"});
      const size_t slash = version.find('/');
      owner = to_lower(text_at(*reference, {"kind"}));
      if (slash != std::string_view::npos) owner += fmt::format(".{}", version.substr(0, slash));
      owner += fmt::format("/{}", text_at(*reference, {"name"}));
    }
  }
  return {name_of(object), json::string(owner), number_at(object, {"revision"}), age_cell(object, now)};
}

// One metric as "<current>/<target>".
std::string metric_target(const json::object& object, const json::object& metric) {
  const json::object* target = object_at(metric, {"resource", "target"});
  if (!target) return "<unknown>/<auto>";
  const std::string_view name = text_at(metric, {"resource", "name"});
  const bool utilization = target->contains("averageUtilization");
  std::string current = "<unknown>";
  for (const json::value& value : array_at(object, {"status", "currentMetrics"})) {
    const json::object* known = value.if_object();
    if (!known || text_at(*known, {"resource", "name"}) != name) continue;
    current = utilization
                  ? fmt::format("{}%", number_at(*known, {"resource", "current", "averageUtilization"}))
                  : std::string(text_at(*known, {"resource", "current", "averageValue"}));
  }
  const std::string wanted = utilization ? fmt::format("{}%", number_at(*target, {"averageUtilization"}))
                                         : std::string(text_at(*target, {"averageValue"}));
  return fmt::format("{}: {}/{}", name, current, wanted);
}

json::array autoscaler_row(const json::object& object, WallTime now) {
  std::vector<std::string> targets;
  for (const json::value& metric : array_at(object, {"spec", "metrics"})) {
    if (metric.is_object()) targets.push_back(metric_target(object, metric.get_object()));
  }
  const json::value* min = find(object, {"spec", "minReplicas"});
  return {name_of(object),
          json::string(fmt::format("{}/{}", text_at(object, {"spec", "scaleTargetRef", "kind"}),
                                   text_at(object, {"spec", "scaleTargetRef", "name"}))),
          json::string(targets.empty() ? "<none>" : join(targets, ", ")),
          json::string(min ? json::serialize(*min) : "<unset>"),
          number_at(object, {"spec", "maxReplicas"}),
          number_at(object, {"status", "currentReplicas"}),
          age_cell(object, now)};
}

json::string int_or_percent(const json::object& object, std::string_view name) {
  const json::value* value = find(object, {"spec", name});
  if (!value) return json::string("N/A");
  return value->is_string() ? value->get_string() : json::string(json::serialize(*value));
}

json::array disruption_budget_row(const json::object& object, WallTime now) {
  return {name_of(object), int_or_percent(object, "minAvailable"), int_or_percent(object, "maxUnavailable"),
          number_at(object, {"status", "disruptionsAllowed"}), age_cell(object, now)};
}

// The subresource that several kinds have.
json::array scale_row(const json::object& object, WallTime now) {
  return {name_of(object), number_at(object, {"spec", "replicas"}), number_at(object, {"status", "replicas"}),
          age_cell(object, now)};
}

constexpr BuiltinPrinter kPrinters[] = {
    {"autoscaling", "scale", "Name,Desired,Available,Age", scale_row},
    {"", "pods", "Name,Ready,Status,Restarts,Age,IP*,Node*,Nominated Node*,Readiness Gates*", pod_row},
    {"", "podtemplates", "Name,Containers,Images,Pod Labels", pod_template_row},
    {"", "replicationcontrollers", "Name,Desired,Current,Ready,Age,Containers*,Images*,Selector*",
     replication_controller_row},
    {"apps", "replicasets", "Name,Desired,Current,Ready,Age,Containers*,Images*,Selector*", replica_set_row},
    {"apps", "deployments", "Name,Ready,Up-to-date,Available,Age,Containers*,Images*,Selector*",
     deployment_row},
    {"apps", "statefulsets", "Name,Ready,Age,Containers*,Images*", stateful_set_row},
    {"apps", "daemonsets",
     "Name,Desired,Current,Ready,Up-to-date,Available,Node Selector,Age,Containers*,Images*,Selector*",
     daemon_set_row},
    {"apps", "controllerrevisions", "Name,Controller,Revision,Age", controller_revision_row},
    {"batch", "jobs", "Name,Status,Completions,Duration,Age,Containers*,Images*,Selector*", job_row},
    {"batch", "cronjobs",
     "Name,Schedule,Timezone,Suspend,Active,Last Schedule,Age,Containers*,Images*,Selector*", cron_job_row},
    {"autoscaling", "horizontalpodautoscalers", "Name,Reference,Targets,MinPods,MaxPods,Replicas,Age",
     autoscaler_row},
    {"policy", "poddisruptionbudgets", "Name,Min Available,Max Unavailable,Allowed Disruptions,Age",
     disruption_budget_row},
};

}  // namespace

std::span<const BuiltinPrinter> workload_printers() { return kPrinters; }

}  // namespace cloudless::apiserver

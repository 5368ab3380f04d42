#include "controllers/daemon_set.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "client/placement.hpp"
#include "client/selector.hpp"
#include "schema/types.hpp"

namespace cloudless::controllers {

using api::apps::v1::DaemonSet;
using api::apps::v1::DaemonSetStatus;
using api::core::v1::Node;
using api::core::v1::Toleration;
using client::EventLevel;
using PodsByNode = std::map<std::string, std::vector<PodPtr>>;

namespace {

constexpr const char* kRevisionHash = "controller-revision-hash";

// The node that a pod runs on, or is pinned to while it waits.
std::string node_of(const Pod& pod) {
  if (!pod.spec.nodeName.empty() || !pod.spec.affinity || !pod.spec.affinity->nodeAffinity)
    return pod.spec.nodeName;
  const auto& required = pod.spec.affinity->nodeAffinity->requiredDuringSchedulingIgnoredDuringExecution;
  if (!required) return {};
  for (const auto& term : required->nodeSelectorTerms) {
    for (const auto& field : term.matchFields) {
      if (field.key == "metadata.name" && field.values.size() == 1) return field.values.front();
    }
  }
  return {};
}

// Every term of the template's affinity, on this node alone.
void pin(Pod& pod, const std::string& node) {
  auto& affinity = pod.spec.affinity.get_or_emplace().nodeAffinity.get_or_emplace();
  auto& required = affinity.requiredDuringSchedulingIgnoredDuringExecution.get_or_emplace();
  if (required.nodeSelectorTerms.empty()) required.nodeSelectorTerms.emplace_back();
  for (auto& term : required.nodeSelectorTerms) {
    term.matchFields = {{.key = "metadata.name", .operator_ = "In", .values = {node}}};
  }
}

std::string revision_of(const Pod& pod) {
  const auto label = pod.metadata.labels.find(kRevisionHash);
  return label == pod.metadata.labels.end() ? std::string() : label->second;
}

/// One plan of one set.
class Step {
 public:
  Step(const DaemonSetView& view, std::shared_ptr<const DaemonSet> set, const PlanContext& context)
      : view_(view),
        set_(std::move(set)),
        context_(context),
        daemon_(daemon_template(*set_)),
        hash_(template_hash(set_->spec.template_, set_->status.collisionCount)) {}

  Plan run() {
    const auto is_match = [this](const Pod& pod) {
      return client::matches(*set_->spec.selector, pod.metadata.labels);
    };
    Claimed<Pod> claimed = claim<Pod>(view_.pods, *set_, is_match);
    plan_.actions = std::move(claimed.actions);
    pods_ = std::move(claimed.objects);
    if (!plan_.actions.empty()) return std::move(plan_);
    for (const PodPtr& pod : pods_) by_node_[node_of(*pod)].push_back(pod);
    if (!set_->metadata.deletionTimestamp) {
      for (const auto& [name, node] : view_.nodes.all()) plan_node(*node);
      plan_strays();
      if (set_->spec.updateStrategy.type != "OnDelete") plan_update();
    }
    write_status();
    look_again_when_available(pods_, set_->spec.minReadySeconds, context_.now, plan_);
    return std::move(plan_);
  }

 private:
  void plan_node(const Node& node) {
    const DaemonFit fit = fit_of(daemon_, node);
    std::vector<PodPtr>& pods = by_node_[node.metadata.name];
    std::vector<PodPtr> running;
    for (const PodPtr& pod : pods) {
      if (pod->metadata.deletionTimestamp) continue;
      if (is_finished(*pod)) {
        replace_finished(*pod, node.metadata.name);
      } else if (fit.should_stay) {
        running.push_back(pod);
      } else {
        plan_.actions.push_back(delete_pod(*pod, client::ref_to(*set_)));
      }
    }
    keep_oldest(running);
    // One that is on its way out still holds its ports and files.
    const bool leaving = std::ranges::any_of(pods, [](const PodPtr& pod) { return is_terminating(*pod); });
    if (fit.should_run && running.empty() && !leaving) create_on(node.metadata.name);
  }

  void replace_finished(const Pod& pod, const std::string& node) {
    const bool failed = pod.status.phase == "Failed";
    plan_.events.push_back({client::ref_to(*set_), failed ? EventLevel::kWarning : EventLevel::kNormal,
                            failed ? "FailedDaemonPod" : "SucceededDaemonPod",
                            fmt::format("Found {} daemon pod {}/{} on node {}, will try to {} it",
                                        failed ? "failed" : "succeeded", pod.metadata.namespace_,
                                        pod.metadata.name, node, failed ? "kill" : "delete")});
    plan_.actions.push_back(delete_pod(pod, client::ref_to(*set_)));
  }

  void keep_oldest(std::vector<PodPtr>& running) {
    std::ranges::sort(running, {}, [](const PodPtr& pod) {
      return std::tuple(pod->spec.nodeName.empty(), pod->metadata.creationTimestamp, pod->metadata.name);
    });
    for (size_t i = 1; i < running.size(); ++i) {
      plan_.actions.push_back(delete_pod(*running[i], client::ref_to(*set_)));
    }
  }

  void create_on(const std::string& node) {
    const std::string seed = name_seed(set_->metadata, view_.departures, context_.now) + node + "/";
    Pod pod = pod_from_template(daemon_, *set_, new_names(set_->metadata.name, seed, 1, pods_).front());
    pod.metadata.labels[kRevisionHash] = hash_;
    pin(pod, node);
    plan_.actions.push_back(create_pod(pod, client::ref_to(*set_)));
    plan_.look_again(kNameSeedSpan);
  }

  // Pods pinned to nodes that are gone can never run.
  void plan_strays() {
    for (const auto& [node, pods] : by_node_) {
      if (view_.nodes.get(node)) continue;
      for (const PodPtr& pod : pods) {
        if (is_active(*pod)) plan_.actions.push_back(delete_pod(*pod, client::ref_to(*set_)));
      }
    }
  }

  // Deletes pods of older templates: those that do not serve at once, others as far as maxUnavailable goes.
  void plan_update() {
    int32_t wanted = 0;
    int32_t unavailable = 0;
    std::vector<PodPtr> old_available;
    for (const auto& [name, node] : view_.nodes.all()) {
      if (!fit_of(daemon_, *node).should_run) continue;
      ++wanted;
      bool available = false;
      for (const PodPtr& pod : by_node_[name]) {
        if (!is_active(*pod)) continue;
        const bool serves = is_available(*pod, set_->spec.minReadySeconds, context_.now);
        available = available || serves;
        if (revision_of(*pod) == hash_) continue;
        if (serves) {
          old_available.push_back(pod);
        } else {
          plan_.actions.push_back(delete_pod(*pod, client::ref_to(*set_)));
        }
      }
      if (!available) ++unavailable;
    }
    int32_t room = max_unavailable(wanted) - unavailable;
    for (const PodPtr& pod : old_available) {
      if (room-- <= 0) break;
      plan_.actions.push_back(delete_pod(*pod, client::ref_to(*set_)));
    }
  }

  int32_t max_unavailable(int32_t wanted) const {
    const auto& rolling = set_->spec.updateStrategy.rollingUpdate;
    const schema::IntOrString limit = rolling ? rolling->maxUnavailable.value_or(1) : schema::IntOrString(1);
    return std::max(schema::scaled_value(limit, wanted, schema::Rounding::kUp).value_or(1), 1);
  }

  void write_status() {
    DaemonSet updated = *set_;
    DaemonSetStatus& status = updated.status;
    status.desiredNumberScheduled = status.currentNumberScheduled = status.numberMisscheduled = 0;
    status.numberReady = status.numberAvailable = status.updatedNumberScheduled = 0;
    for (const auto& [name, node] : view_.nodes.all())
      count_node(name, fit_of(daemon_, *node).should_run, status);
    status.numberUnavailable = status.desiredNumberScheduled - status.numberAvailable;
    status.observedGeneration = set_->metadata.generation;
    if (status != set_->status) plan_.actions.push_back(client::update_status(updated));
  }

  void count_node(const std::string& node, bool should_run, DaemonSetStatus& status) {
    if (should_run) ++status.desiredNumberScheduled;
    const auto& pods = by_node_[node];
    const auto running = std::ranges::find_if(pods, [](const PodPtr& pod) { return is_active(*pod); });
    if (running == pods.end()) return;
    if (!should_run) {
      ++status.numberMisscheduled;
      return;
    }
    ++status.currentNumberScheduled;
    if (is_ready(**running)) ++status.numberReady;
    if (is_available(**running, set_->spec.minReadySeconds, context_.now)) ++status.numberAvailable;
    if (revision_of(**running) == hash_) ++status.updatedNumberScheduled;
  }

  const DaemonSetView& view_;
  const std::shared_ptr<const DaemonSet> set_;
  const PlanContext& context_;
  const PodTemplateSpec daemon_;
  const std::string hash_;
  std::vector<PodPtr> pods_;
  PodsByNode by_node_;
  Plan plan_;
};

}  // namespace

PodTemplateSpec daemon_template(const DaemonSet& set) {
  PodTemplateSpec daemon = set.spec.template_;
  const auto add = [&daemon](const char* key, const char* effect) {
    Toleration toleration;
    toleration.key = key;
    toleration.operator_ = "Exists";
    toleration.effect = effect;
    daemon.spec.tolerations.push_back(std::move(toleration));
  };
  add("node.kubernetes.io/not-ready", "NoExecute");
  add("node.kubernetes.io/unreachable", "NoExecute");
  add("node.kubernetes.io/disk-pressure", "NoSchedule");
  add("node.kubernetes.io/memory-pressure", "NoSchedule");
  add("node.kubernetes.io/pid-pressure", "NoSchedule");
  add("node.kubernetes.io/unschedulable", "NoSchedule");
  if (daemon.spec.hostNetwork) add("node.kubernetes.io/network-unavailable", "NoSchedule");
  return daemon;
}

DaemonFit fit_of(const PodTemplateSpec& daemon, const Node& node) {
  const bool named = daemon.spec.nodeName.empty() || daemon.spec.nodeName == node.metadata.name;
  if (!named || !client::matches_node_selection(daemon.spec, node)) return {};
  const auto& tolerations = daemon.spec.tolerations;
  const bool stays = !client::untolerated_taint(node.spec.taints, tolerations, {"NoExecute"});
  const bool runs = stays && !client::untolerated_taint(node.spec.taints, tolerations, {"NoSchedule"});
  return {.should_run = runs, .should_stay = stays};
}

Plan plan_daemon_set(const DaemonSetView& view, const std::string& key, const PlanContext& context) {
  auto set = view.sets.get(key);
  if (!set || !set->spec.selector || client::is_empty(*set->spec.selector)) return {};
  return Step(view, std::move(set), context).run();
}

ControllerPtr make_daemon_set_controller(const Deps& deps) {
  auto& sets = deps.informers.of<DaemonSet>();
  auto& nodes = deps.informers.of<Node>();
  auto& pods = deps.informers.of<Pod>();
  add_owner_index<Pod>(pods);
  const auto departures = std::make_shared<Departures>();
  const DaemonSetView view{sets.cache(), nodes.cache(), pods.cache(), *departures};
  auto controller = std::make_unique<Controller>(deps, Controller::Options{.name = "daemonset-controller"},
                                                 [view](const std::string& key, const PlanContext& context) {
                                                   return plan_daemon_set(view, key, context);
                                                 });
  client::Reconciler& reconciler = controller->reconciler();
  follow_with_pods(reconciler, sets, pods, departures);
  reconciler.watch(nodes, [view](const auto& before, const auto& now) {
    std::vector<std::string> keys;
    const bool matters = !before || !now || before->metadata.labels != now->metadata.labels ||
                         before->spec.taints != now->spec.taints;
    if (!matters) return keys;
    for (const auto& [key, set] : view.sets.all()) keys.push_back(key);
    return keys;
  });
  return controller;
}

}  // namespace cloudless::controllers

#include "scheduler/scheduler.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "runtime/timer.hpp"

namespace cloudless::scheduler {

namespace json = boost::json;
using api::core::v1::Namespace;
using api::core::v1::PersistentVolume;
using api::core::v1::PersistentVolumeClaim;
using api::storage::v1::StorageClass;
using client::EventLevel;
using client::EventText;

namespace {

// Whether a change of a node may let a pod in that did not fit before.
bool may_make_room(const Node& before, const Node& now) {
  return before.status.allocatable != now.status.allocatable || before.spec.taints != now.spec.taints ||
         before.spec.unschedulable != now.spec.unschedulable || before.metadata.labels != now.metadata.labels;
}

const api::core::v1::PodCondition* scheduled_condition(const Pod& pod) {
  for (const auto& condition : pod.status.conditions) {
    if (condition.type == "PodScheduled") return &condition;
  }
  return nullptr;
}

// Victims of an earlier preemption are still going: more need not die.
bool awaits_victims(const Snapshot& snapshot, const Pod& pod) {
  const auto on = snapshot.all().find(pod.status.nominatedNodeName);
  if (on == snapshot.all().end()) return false;
  return std::ranges::any_of(on->second.pods, [&pod](const auto& entry) {
    return entry.second->metadata.deletionTimestamp && priority_of(*entry.second) < priority_of(pod);
  });
}

std::string binding_body(const Pod& pod, const std::string& node) {
  api::core::v1::Binding binding;
  binding.metadata.name = pod.metadata.name;
  binding.metadata.namespace_ = pod.metadata.namespace_;
  binding.metadata.uid = pod.metadata.uid;
  binding.target.kind = "Node";
  binding.target.name = node;
  return client::encode_object(binding);
}

}  // namespace

Scheduler::Scheduler(SchedulerOptions options, const client::Client& client, client::Informers& informers,
                     runtime::Executor& executor, Random& random, Logger log)
    : options_(std::move(options)),
      informers_(informers),
      executor_(executor),
      random_(random),
      log_(log.named("scheduler")),
      scope_(executor, log_),
      recorder_(client, scope_, random, options_.name, "", log_),
      performer_(client, informers, recorder_, options_.name),
      pods_(informers.of<Pod>()),
      nodes_(informers.of<Node>()),
      namespaces_(informers.of<Namespace>()),
      volumes_{informers.of<PersistentVolumeClaim>().cache(), informers.of<PersistentVolume>().cache(),
               informers.of<StorageClass>().cache()} {}

Scheduler::~Scheduler() {
  if (timer_ != 0) executor_.cancel(timer_);
}

runtime::Task<Result<>> Scheduler::start() {
  watch();
  scope_.spawn(run());
  co_return Result<>();
}

runtime::Task<void> Scheduler::stop() {
  scope_.cancel();
  co_await scope_.join();
}

bool Scheduler::is_ours(const Pod& pod) const {
  const bool ended = pod.status.phase == "Succeeded" || pod.status.phase == "Failed";
  return pod.spec.nodeName.empty() && pod.spec.schedulerName == options_.name && !ended &&
         !pod.metadata.deletionTimestamp && pod.spec.schedulingGates.empty();
}

void Scheduler::note_event() {
  queue_.wake();
  wake_.notify();
}

void Scheduler::watch() {
  pods_.add_handler([this](const PodPtr& before, const PodPtr& now) { on_pod(before, now); });
  nodes_.add_handler([this](const NodePtr& before, const NodePtr& now) { on_node(before, now); });
  namespaces_.add_handler([this](const auto& before, const auto& now) {
    if (now) {
      snapshot_.put_namespace(now->metadata.name, now->metadata.labels);
    } else {
      snapshot_.remove_namespace(before->metadata.name);
    }
  });
  const auto any_change = [this](const auto&, const auto&) { note_event(); };
  informers_.of<PersistentVolumeClaim>().add_handler(any_change);
  informers_.of<PersistentVolume>().add_handler(any_change);
  informers_.of<StorageClass>().add_handler(any_change);
}

void Scheduler::on_pod(const PodPtr& before, const PodPtr& now) {
  const Pod& pod = now ? *now : *before;
  const std::string key = client::key_of(pod);
  // Another pod of the same name came between two of our looks.
  if (before && now && before->metadata.uid != now->metadata.uid) forget(*before);
  if (now && is_ours(*now)) {
    if (assumed_.contains(now->metadata.uid)) return;
    const bool unchanged = before && before->metadata.uid == now->metadata.uid && before->spec == now->spec &&
                           before->metadata.labels == now->metadata.labels;
    if (unchanged && before != now) return;
    queue_.put(key, priority_of(*now), executor_.clock().steady_now());
    wake_.notify();
    return;
  }
  queue_.remove(key);
  if (!now) {
    forget(*before);
    note_event();
    return;
  }
  assumed_.erase(now->metadata.uid);
  const bool was_there = before && before->spec.nodeName == now->spec.nodeName;
  const bool ended = now->status.phase == "Succeeded" || now->status.phase == "Failed";
  snapshot_.put_pod(now);
  if (!was_there || ended) note_event();
}

void Scheduler::on_node(const NodePtr& before, const NodePtr& now) {
  if (!now) {
    snapshot_.remove_node(before->metadata.name);
    return;
  }
  snapshot_.put_node(now);
  if (!before || may_make_room(*before, *now)) note_event();
}

void Scheduler::forget(const Pod& pod) {
  assumed_.erase(pod.metadata.uid);
  snapshot_.remove_pod(pod.metadata.uid);
}

runtime::Task<void> Scheduler::run() {
  if (!co_await informers_.wait_synced()) co_return;
  for (;;) {
    const auto now = executor_.clock().steady_now();
    std::optional<std::string> key;
    if (bindings_ < kMaxBindings) key = queue_.pop(now);
    if (key) {
      co_await place(std::move(*key));
      continue;
    }
    const auto next = bindings_ < kMaxBindings ? queue_.next_time() : std::nullopt;
    if (timer_ != 0) executor_.cancel(std::exchange(timer_, 0));
    if (next) {
      timer_ = executor_.call_after(std::max(*next - now, Duration(0)), [this] {
        timer_ = 0;
        wake_.notify();
      });
    }
    if (!co_await wake_.wait()) co_return;
  }
}

runtime::Task<void> Scheduler::place(std::string key) {
  const PodPtr pod = pods_.cache().get(key);
  if (!pod || !is_ours(*pod) || assumed_.contains(pod->metadata.uid)) {
    queue_.remove(key);
    co_return;
  }
  ClaimedVolumes volumes = volumes_of(volumes_, *pod);
  Decision decision = schedule(snapshot_, *pod, volumes.needs, random_);
  if (decision.node.empty()) {
    co_await refuse(pod, std::move(decision.diagnosis), std::move(volumes.needs));
  } else {
    co_await place_on(pod, std::move(decision.node), std::move(volumes));
  }
}

runtime::Task<void> Scheduler::place_on(PodPtr pod, std::string node, ClaimedVolumes volumes) {
  const std::string key = client::key_of(*pod);
  if (!volumes.waiting.empty()) {
    for (const auto& claim : volumes.waiting) {
      const auto chosen = claim->metadata.annotations.find(kSelectedNode);
      if (chosen != claim->metadata.annotations.end() && chosen->second == node) continue;
      const json::object patch{{"metadata", {{"annotations", {{kSelectedNode, node}}}}}};
      const auto chosen_now = co_await performer_.perform(
          client::patch(*claim, client::PatchType::kMerge, json::serialize(patch)));
      if (!chosen_now) log_.debug("a claim could not be given its node", {{"error", chosen_now.error()}});
    }
    // The bound claim's event brings the pod back, its volume then says where it must go.
    queue_.failed(key, executor_.clock().steady_now());
    co_return;
  }
  Pod assumed = *pod;
  assumed.spec.nodeName = node;
  const auto shared = std::make_shared<const Pod>(std::move(assumed));
  assumed_[pod->metadata.uid] = shared;
  snapshot_.put_pod(shared);
  ++bindings_;
  scope_.spawn(bind(std::move(pod), std::move(node)));
}

runtime::Task<void> Scheduler::bind(PodPtr pod, std::string node) {
  client::Action action = client::create_subresource<Pod>(pod->metadata.namespace_, pod->metadata.name,
                                                          "binding", binding_body(*pod, node));
  const std::string name = client::object_key(pod->metadata.namespace_, pod->metadata.name);
  action.on_success = EventText{client::ref_to(*pod), EventLevel::kNormal, "Scheduled",
                                fmt::format("Successfully assigned {} to {}", name, node)};
  const Result<> bound = co_await performer_.perform(std::move(action));
  --bindings_;
  wake_.notify();
  if (bound) co_return;
  // The informer may have seen the pod on its node although the answer was lost.
  if (!assumed_.contains(pod->metadata.uid)) co_return;
  forget(*pod);
  const std::string key = client::key_of(*pod);
  const PodPtr latest = pods_.cache().get(key);
  if (!latest || !is_ours(*latest)) {
    queue_.remove(key);
    co_return;
  }
  queue_.retry(key, executor_.clock().steady_now());
  if (bound.error().code == Code::kCancelled) co_return;
  recorder_.record({client::ref_to(*pod), EventLevel::kWarning, "FailedScheduling",
                    fmt::format("binding rejected: {}", bound.error().message)});
}

runtime::Task<void> Scheduler::refuse(PodPtr pod, Diagnosis diagnosis, VolumeNeeds volumes) {
  queue_.failed(client::key_of(*pod), executor_.clock().steady_now());
  std::string message = volumes.blocked.empty() ? diagnosis.message()
                                                : fmt::format("0/{} nodes are available: {}.",
                                                              diagnosis.node_count, volumes.blocked);
  Preemption preemption;
  if (awaits_victims(snapshot_, *pod)) {
    preemption.message = "preemption: not eligible due to a terminating pod on the nominated node.";
  } else if (diagnosis.node_count > 0) {
    preemption = preempt(snapshot_, *pod, volumes, diagnosis);
  }
  if (!preemption.message.empty()) message += " " + preemption.message;
  recorder_.record({client::ref_to(*pod), EventLevel::kWarning, "FailedScheduling", message});
  co_await write_condition(pod, message, preemption.node);
  if (!preemption.node.empty()) co_await evict(pod, std::move(preemption));
}

runtime::Task<void> Scheduler::evict(PodPtr pod, Preemption preemption) {
  for (const PodPtr& victim : preemption.victims) {
    if (victim->metadata.deletionTimestamp) continue;
    api::core::v1::PodCondition condition;
    condition.type = "DisruptionTarget";
    condition.status = "True";
    condition.reason = "PreemptionByScheduler";
    condition.message = options_.name + ": preempting to accommodate a higher priority pod";
    const json::object patch{
        {"status",
         {{"conditions", json::array{json::object{
                             {"type", condition.type},
                             {"status", condition.status},
                             {"reason", condition.reason},
                             {"message", condition.message},
                             {"lastTransitionTime", format_rfc3339(executor_.clock().wall_now())}}}}}}};
    client::Plan plan;
    plan.actions.push_back(
        client::patch(*victim, client::PatchType::kStrategicMerge, json::serialize(patch), "status")
            .accepting_done());
    plan.actions.push_back(client::remove(*victim));
    plan.events.push_back(
        {client::ref_to(*victim), EventLevel::kNormal, "Preempted",
         fmt::format("Preempted by pod {} on node {}", pod->metadata.uid, victim->spec.nodeName)});
    const Result<> evicted = co_await performer_.perform(std::move(plan));
    if (!evicted) log_.debug("a pod could not be preempted", {{"error", evicted.error()}});
  }
}

runtime::Task<void> Scheduler::write_condition(PodPtr pod, std::string message, std::string nominated) {
  const auto* condition = scheduled_condition(*pod);
  const bool known = condition && condition->status == "False" && condition->message == message;
  if (known && (nominated.empty() || pod->status.nominatedNodeName == nominated)) co_return;
  json::object written{{"type", "PodScheduled"},
                       {"status", "False"},
                       {"reason", "Unschedulable"},
                       {"message", message},
                       {"observedGeneration", pod->metadata.generation}};
  const bool moves = !condition || condition->status != "False";
  if (moves) written["lastTransitionTime"] = format_rfc3339(executor_.clock().wall_now());
  json::object status{{"conditions", json::array{std::move(written)}}};
  if (!nominated.empty()) status["nominatedNodeName"] = nominated;
  const std::string patch = json::serialize(json::object{{"status", std::move(status)}});
  const Result<> done = co_await performer_.perform(
      client::patch(*pod, client::PatchType::kStrategicMerge, patch, "status").accepting_done());
  if (!done) log_.debug("a pod's condition could not be written", {{"error", done.error()}});
}

}  // namespace cloudless::scheduler

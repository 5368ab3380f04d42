#include "controllers/job.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "base/ranges.hpp"
#include "base/strings.hpp"
#include "client/selector.hpp"

namespace cloudless::controllers {

namespace json = boost::json;
using api::batch::v1::Job;
using api::batch::v1::JobCondition;
using api::batch::v1::JobStatus;
using client::EventLevel;

namespace {

constexpr const char* kIndexEnv = "JOB_COMPLETION_INDEX";
constexpr Duration kFirstBackoff = std::chrono::seconds(10);
constexpr Duration kMaxBackoff = std::chrono::minutes(10);

bool is_indexed(const Job& job) { return job.spec.completionMode.value_or("NonIndexed") == "Indexed"; }
bool is_tracked(const Pod& pod) { return contains(pod.metadata.finalizers, std::string(kJobTracking)); }

int32_t index_of(const Pod& pod) {
  const auto found = pod.metadata.annotations.find(kCompletionIndex);
  int32_t index = -1;
  if (found == pod.metadata.annotations.end()) return index;
  std::from_chars(found->second.data(), found->second.data() + found->second.size(), index);
  return index;
}

client::Action untrack(const Pod& pod) {
  json::array left;
  for (const std::string& finalizer : pod.metadata.finalizers) {
    if (finalizer != kJobTracking) left.emplace_back(finalizer);
  }
  const json::object patch{{"metadata", {{"uid", pod.metadata.uid}, {"finalizers", std::move(left)}}}};
  return client::patch(pod, client::PatchType::kMerge, json::serialize(patch)).accepting_done();
}

WallTime end_of(const Pod& pod, WallTime now) {
  std::optional<WallTime> last;
  for (const auto& status : pod.status.containerStatuses) {
    if (!status.state.terminated || !status.state.terminated->finishedAt) continue;
    last = std::max(last, status.state.terminated->finishedAt);
  }
  return last.value_or(pod.metadata.creationTimestamp.value_or(now));
}

/// One plan of one job.
class Step {
 public:
  Step(const JobView& view, std::shared_ptr<const Job> job, const PlanContext& context)
      : view_(view), job_(std::move(job)), context_(context), status_(job_->status) {}

  Plan run() {
    pods_ = view_.pods.by_index(kOwnerIndex, job_->metadata.uid);
    count();
    if (is_job_finished(*job_)) {
      for (const PodPtr& pod : pods_) {
        if (is_active(*pod)) plan_.actions.push_back(delete_pod(*pod, client::ref_to(*job_)));
      }
    } else if (!job_->metadata.deletionTimestamp) {
      if (!status_.startTime && !suspended()) status_.startTime = context_.now;
      decide();
    }
    write_status();
    return std::move(plan_);
  }

 private:
  bool suspended() const { return job_->spec.suspend.value_or(false); }
  std::optional<int32_t> completions() const { return job_->spec.completions; }

  // Moves pods through uncountedTerminatedPods, and sums up what is known of all pods.
  void count() {
    auto& uncounted = status_.uncountedTerminatedPods.get_or_emplace();
    fold(uncounted.succeeded, status_.succeeded);
    fold(uncounted.failed, status_.failed);
    std::set<int32_t> indexes = parse_indexes(status_.completedIndexes);
    int32_t ready = 0;
    for (const PodPtr& pod : pods_) {
      if (is_active(*pod)) {
        active_.push_back(pod);
        if (is_ready(*pod)) ++ready;
        continue;
      }
      if (is_terminating(*pod)) ++terminating_;
      if (pod->status.phase == "Succeeded" && index_of(*pod) >= 0) indexes.insert(index_of(*pod));
      if (is_tracked(*pod)) track(*pod);
      if (pod->status.phase == "Failed")
        last_failure_ = std::max(last_failure_, std::optional(end_of(*pod, context_.now)));
    }
    if (is_indexed(*job_)) status_.completedIndexes = format_indexes(indexes);
    succeeded_ = is_indexed(*job_) ? static_cast<int32_t>(indexes.size())
                                   : status_.succeeded + static_cast<int32_t>(uncounted.succeeded.size());
    failed_ = status_.failed + static_cast<int32_t>(uncounted.failed.size());
    status_.active = static_cast<int32_t>(active_.size());
    status_.ready = ready;
    status_.terminating = terminating_;
    if (uncounted.succeeded.empty() && uncounted.failed.empty()) uncounted = {};
  }

  // Uids whose pods have lost the finalizer become numbers.
  void fold(std::vector<std::string>& uids, int32_t& counter) {
    std::erase_if(uids, [&](const std::string& uid) {
      const auto found = std::ranges::find(pods_, uid, [](const PodPtr& pod) { return pod->metadata.uid; });
      if (found != pods_.end() && is_tracked(**found)) return false;
      ++counter;
      return true;
    });
  }

  void track(const Pod& pod) {
    const auto& written = job_->status.uncountedTerminatedPods;
    const std::string& uid = pod.metadata.uid;
    if (written && (contains(written->succeeded, uid) || contains(written->failed, uid))) {
      plan_.actions.push_back(untrack(pod));
      return;
    }
    auto& uncounted = *status_.uncountedTerminatedPods;
    // A pod that is being deleted counts as failed once it ends, not before.
    if (pod.status.phase == "Succeeded") uncounted.succeeded.push_back(uid);
    if (pod.status.phase == "Failed") uncounted.failed.push_back(uid);
    const bool never_ran = is_terminating(pod) && pod.spec.nodeName.empty();
    if (never_ran) plan_.actions.push_back(untrack(pod));
  }

  void decide() {
    if (const auto failure = failure_reason())
      return finish("FailureTarget", "Failed", failure->first, failure->second);
    const bool enough = completions() ? succeeded_ >= *completions() : succeeded_ > 0 && active_.empty();
    if (enough) {
      return finish("SuccessCriteriaMet", "Complete", "CompletionsReached",
                    "Reached expected number of succeeded pods");
    }
    if (set_suspended()) return stop_active();
    plan_pods();
    if (job_->spec.activeDeadlineSeconds && status_.startTime) {
      const Duration left =
          *status_.startTime + std::chrono::seconds(*job_->spec.activeDeadlineSeconds) - context_.now;
      plan_.look_again(std::max(left, Duration(0)));
    }
  }

  std::optional<std::pair<std::string, std::string>> failure_reason() const {
    const auto* target = find_condition(status_.conditions, "FailureTarget");
    if (target && target->status == "True") return std::pair(target->reason, target->message);
    int32_t restarts = 0;
    if (job_->spec.template_.spec.restartPolicy == "OnFailure") {
      for (const PodPtr& pod : active_) restarts += restarts_of(*pod);
    }
    const int32_t limit = job_->spec.backoffLimit.value_or(6);
    if (failed_ > limit || (restarts > 0 && restarts >= std::max(limit, 1))) {
      return std::pair("BackoffLimitExceeded", "Job has reached the specified backoff limit");
    }
    const auto deadline = job_->spec.activeDeadlineSeconds;
    if (deadline && status_.startTime &&
        context_.now - *status_.startTime >= std::chrono::seconds(*deadline)) {
      return std::pair("DeadlineExceeded", "Job was active longer than specified deadline");
    }
    return std::nullopt;
  }

  void add_condition(const char* type, const std::string& reason, const std::string& message) {
    JobCondition condition;
    condition.type = type;
    condition.status = "True";
    condition.reason = reason;
    condition.message = message;
    condition.lastProbeTime = context_.now;
    set_condition(status_.conditions, std::move(condition), context_.now);
  }

  // The outcome is settled at once; the job is finished when its last pod has ended and is counted.
  void finish(const char* target, const char* final, const std::string& reason, const std::string& message) {
    add_condition(target, reason, message);
    stop_active();
    const auto& uncounted = status_.uncountedTerminatedPods;
    const bool all_counted = !uncounted || (uncounted->succeeded.empty() && uncounted->failed.empty());
    if (!active_.empty() || terminating_ > 0 || !all_counted) return;
    const bool complete = std::string_view(final) == "Complete";
    add_condition(final, reason, message);
    if (complete) status_.completionTime = context_.now;
    plan_.events.push_back({client::ref_to(*job_), complete ? EventLevel::kNormal : EventLevel::kWarning,
                            complete ? "Completed" : reason, complete ? "Job completed" : message});
  }

  bool set_suspended() {
    const bool said = is_true(status_.conditions, "Suspended");
    if (suspended()) {
      add_condition("Suspended", "JobSuspended", "Job suspended");
      status_.startTime.reset();
      if (!said)
        plan_.events.push_back({client::ref_to(*job_), EventLevel::kNormal, "Suspended", "Job suspended"});
    } else if (said) {
      JobCondition resumed;
      resumed.type = "Suspended";
      resumed.status = "False";
      resumed.reason = "JobResumed";
      resumed.message = "Job resumed";
      set_condition(status_.conditions, std::move(resumed), context_.now);
      plan_.events.push_back({client::ref_to(*job_), EventLevel::kNormal, "Resumed", "Job resumed"});
    }
    return suspended();
  }

  void stop_active() {
    for (const PodPtr& pod : active_) plan_.actions.push_back(delete_pod(*pod, client::ref_to(*job_)));
  }

  void plan_pods() {
    const int32_t parallelism = job_->spec.parallelism.value_or(1);
    const auto active = static_cast<int32_t>(active_.size());
    int32_t wanted = parallelism;
    if (completions()) wanted = std::min(parallelism, *completions() - succeeded_);
    // A work queue without a goal takes no new workers once one has found it empty.
    if (!completions() && succeeded_ > 0) wanted = std::min(parallelism, active);
    if (active > wanted) {
      std::vector<PodPtr> surplus = active_;
      sort_for_deletion(surplus, surplus);
      surplus.resize(static_cast<size_t>(active - wanted));
      for (const PodPtr& pod : surplus) plan_.actions.push_back(delete_pod(*pod, client::ref_to(*job_)));
      return;
    }
    const bool replace_late = job_->spec.podReplacementPolicy.value_or("TerminatingOrFailed") == "Failed";
    const int32_t missing = std::min(wanted - active - (replace_late ? terminating_ : 0), kBurstReplicas);
    if (missing <= 0 || must_back_off()) return;
    is_indexed(*job_) ? create_indexed(missing) : create_plain(missing);
  }

  bool must_back_off() {
    if (failed_ == 0 || !last_failure_) return false;
    Duration delay = kFirstBackoff;
    for (int32_t i = 1; i < failed_ && delay < kMaxBackoff; ++i) delay *= 2;
    const Duration left = *last_failure_ + std::min(delay, kMaxBackoff) - context_.now;
    if (left <= Duration(0)) return false;
    plan_.look_again(left);
    return true;
  }

  Pod new_pod(std::string name) const {
    Pod pod = pod_from_template(job_->spec.template_, *job_, std::move(name));
    pod.metadata.finalizers.emplace_back(kJobTracking);
    return pod;
  }

  void create_plain(int32_t missing) {
    const std::string seed =
        name_seed(job_->metadata, view_.departures, context_.now) + std::to_string(failed_) + "/";
    for (std::string& name : new_names(job_->metadata.name, seed, missing, pods_)) {
      plan_.actions.push_back(create_pod(new_pod(std::move(name)), client::ref_to(*job_)));
    }
    plan_.look_again(kNameSeedSpan);
  }

  void create_indexed(int32_t missing) {
    std::set<int32_t> taken = parse_indexes(status_.completedIndexes);
    for (const PodPtr& pod : active_) taken.insert(index_of(*pod));
    const std::string seed =
        name_seed(job_->metadata, view_.departures, context_.now) + std::to_string(failed_) + "/";
    for (int32_t index = 0; index < completions().value_or(0) && missing > 0; ++index) {
      if (taken.contains(index)) continue;
      --missing;
      const std::string text = std::to_string(index);
      const std::string prefix = job_->metadata.name + "-" + text;
      Pod pod = new_pod(new_names(prefix, seed + text + "/", 1, pods_).front());
      pod.metadata.annotations[kCompletionIndex] = text;
      pod.metadata.labels[kCompletionIndex] = text;
      pod.spec.hostname = prefix;
      for (auto* containers : {&pod.spec.containers, &pod.spec.initContainers}) {
        for (auto& container : *containers) container.env.push_back({.name = kIndexEnv, .value = text});
      }
      plan_.actions.push_back(create_pod(pod, client::ref_to(*job_)));
    }
    plan_.look_again(kNameSeedSpan);
  }

  void write_status() {
    if (status_ == job_->status) return;
    Job updated = *job_;
    updated.status = std::move(status_);
    // Before the pods: uids must be on record before finalizers go.
    plan_.actions.insert(plan_.actions.begin(), client::update_status(updated));
  }

  const JobView& view_;
  const std::shared_ptr<const Job> job_;
  const PlanContext& context_;
  JobStatus status_;
  std::vector<PodPtr> pods_;
  std::vector<PodPtr> active_;
  int32_t terminating_ = 0;
  int32_t succeeded_ = 0;
  int32_t failed_ = 0;
  std::optional<WallTime> last_failure_;
  Plan plan_;
};

// Pods of a job that is gone must not wait for being counted.
Plan release_pods(const JobView& view, const std::string& key) {
  Plan plan;
  const auto [ns, name] = client::split_key(key);
  for (const PodPtr& pod : view.pods.in_namespace(ns)) {
    const OwnerReference* owner = controller_of(pod->metadata);
    if (owner && owner->kind == "Job" && owner->name == name && is_tracked(*pod))
      plan.actions.push_back(untrack(*pod));
  }
  return plan;
}

}  // namespace

bool is_job_finished(const Job& job) {
  return is_true(job.status.conditions, "Complete") || is_true(job.status.conditions, "Failed");
}

std::string format_indexes(const std::set<int32_t>& indexes) {
  std::vector<std::string> parts;
  for (auto it = indexes.begin(); it != indexes.end();) {
    const int32_t first = *it;
    int32_t last = first;
    while (++it != indexes.end() && *it == last + 1) last = *it;
    if (first == last) {
      parts.push_back(std::to_string(first));
    } else {
      parts.push_back(fmt::format("{}{}{}", first, last == first + 1 ? ',' : '-', last));
    }
  }
  return join(parts, ",");
}

std::set<int32_t> parse_indexes(const std::string& text) {
  std::set<int32_t> indexes;
  for (const std::string_view part : split(text, ',')) {
    int32_t first = 0;
    const auto [middle, error] = std::from_chars(part.data(), part.data() + part.size(), first);
    if (error != std::errc()) break;
    int32_t last = first;
    if (middle != part.data() + part.size()) std::from_chars(middle + 1, part.data() + part.size(), last);
    for (int32_t i = first; i <= last; ++i) indexes.insert(i);
  }
  return indexes;
}

Plan plan_job(const JobView& view, const std::string& key, const PlanContext& context) {
  auto job = view.jobs.get(key);
  if (!job) return release_pods(view, key);
  if (job->spec.managedBy.value_or("kubernetes.io/job-controller") != "kubernetes.io/job-controller")
    return {};
  return Step(view, std::move(job), context).run();
}

ControllerPtr make_job_controller(const Deps& deps) {
  auto& jobs = deps.informers.of<Job>();
  auto& pods = deps.informers.of<Pod>();
  add_owner_index<Pod>(pods);
  const auto departures = std::make_shared<Departures>();
  const JobView view{jobs.cache(), pods.cache(), *departures};
  auto controller = std::make_unique<Controller>(
      deps, Controller::Options{.name = "job-controller"},
      [view](const std::string& key, const PlanContext& context) { return plan_job(view, key, context); });
  follow_with_pods(controller->reconciler(), jobs, pods, departures);
  return controller;
}

Plan plan_ttl_after_finished(const client::ObjectCache<Job>& jobs, const std::string& key,
                             const PlanContext& context) {
  Plan plan;
  const auto job = jobs.get(key);
  if (!job || job->metadata.deletionTimestamp || !job->spec.ttlSecondsAfterFinished || !is_job_finished(*job))
    return plan;
  std::optional<WallTime> finished;
  for (const JobCondition& condition : job->status.conditions) {
    const bool final = condition.type == "Complete" || condition.type == "Failed";
    if (final && condition.status == "True") finished = condition.lastTransitionTime;
  }
  const Duration left =
      finished.value_or(context.now) + std::chrono::seconds(*job->spec.ttlSecondsAfterFinished) - context.now;
  if (left > Duration(0)) {
    plan.look_again(left);
  } else {
    plan.actions.push_back(client::remove(*job, {.propagation_policy = "Foreground"}));
  }
  return plan;
}

ControllerPtr make_ttl_after_finished_controller(const Deps& deps) {
  auto& jobs = deps.informers.of<Job>();
  const auto& cache = jobs.cache();
  auto controller =
      std::make_unique<Controller>(deps, Controller::Options{.name = "ttl-after-finished-controller"},
                                   [&cache](const std::string& key, const PlanContext& context) {
                                     return plan_ttl_after_finished(cache, key, context);
                                   });
  controller->reconciler().watch(jobs);
  return controller;
}

}  // namespace cloudless::controllers

// What makes pods: Deployment, ReplicaSet, StatefulSet, DaemonSet, Job, CronJob (pkg/apis/apps,
// pkg/apis/batch).
#include <boost/json.hpp>
#include <charconv>

#include "base/strings.hpp"
#include "schema/selector.hpp"
#include "schema/validation/rules.hpp"

namespace cloudless::schema::validation {
namespace {

const Object kEmpty;

const Object& spec_of(const Object& object) {
  const auto* spec = get_object(object, "spec");
  return spec ? *spec : kEmpty;
}

void check_restart_policy(Checker& out, const Object& spec, std::vector<std::string_view> allowed,
                          const Path& path) {
  const auto policy = text_of(dig(spec, {"template", "spec", "restartPolicy"}));
  if (!policy.empty())
    out.require_one_of(policy, path.child("template").child("spec").child("restartPolicy"),
                       std::move(allowed));
}

/// The selector is there, is not empty, and matches the template's labels.
void check_selector(Checker& out, const Object& spec, std::string_view kind, const Path& path) {
  const auto* selector = get_object(spec, "selector");
  if (!selector) {
    out.add(required(path.child("selector")));
    return;
  }
  out.label_selector(selector, path.child("selector"));
  auto parsed = LabelSelector::from_value(*selector);
  if (!parsed) return;
  if (parsed->empty()) {
    out.add(invalid(path.child("selector"), Value(*selector),
                    fmt::format("empty selector is invalid for {}", kind)));
    return;
  }
  const auto* labels = dig(spec, {"template", "metadata", "labels"});
  if (!parsed->matches(labels)) {
    out.add(invalid(path.child("template").child("metadata").child("labels"), labels ? *labels : Value(),
                    "`selector` does not match template `labels`"));
  }
}

void check_template(Checker& out, const Object& spec, const Path& path) {
  const auto* pod_template = get_object(spec, "template");
  check_pod_template(out, pod_template ? pod_template : &kEmpty, path.child("template"));
}

bool is_zero_share(const Value* value) {
  return value && ((value->is_int64() && value->get_int64() == 0) || text_of(value) == "0%");
}

/// maxUnavailable and maxSurge of a rolling update.
void check_rolling(Checker& out, const Object& rolling, const Path& path, std::string_view rule) {
  const auto* unavailable = get(rolling, "maxUnavailable");
  const auto* surge = get(rolling, "maxSurge");
  out.int_or_percent(unavailable, path.child("maxUnavailable"));
  out.int_or_percent(surge, path.child("maxSurge"));
  if (is_zero_share(unavailable) && (!surge || is_zero_share(surge))) {
    out.add(invalid(path.child("maxUnavailable"), *unavailable, rule));
  }
}

}  // namespace

void deployment(Checker& out, const Object& object, const Object* old_object) {
  const Object& spec = spec_of(object);
  const Path path("spec");
  out.not_negative(spec, "replicas", path);
  check_selector(out, spec, "deployment", path);
  check_template(out, spec, path);
  check_restart_policy(out, spec, {"Always"}, path);
  if (const auto* strategy = get_object(spec, "strategy")) {
    const auto* rolling = get_object(*strategy, "rollingUpdate");
    const Path at = path.child("strategy").child("rollingUpdate");
    if (rolling && get_text(*strategy, "type") == "Recreate") {
      out.add(forbidden(at, "may not be specified when strategy `type` is 'Recreate'"));
    } else if (rolling) {
      check_rolling(out, *rolling, at, "may not be 0 when `maxSurge` is 0");
    }
  }
  for (const auto number : {"minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"})
    out.not_negative(spec, number, path);
  const auto* deadline = get(spec, "progressDeadlineSeconds");
  if (deadline && get_int(spec, "progressDeadlineSeconds") <= get_int(spec, "minReadySeconds")) {
    out.add(
        invalid(path.child("progressDeadlineSeconds"), *deadline, "must be greater than minReadySeconds"));
  }
  if (old_object) out.immutable(spec, spec_of(*old_object), "selector", path);
}

void replica_set(Checker& out, const Object& object, const Object* old_object) {
  const Object& spec = spec_of(object);
  const Path path("spec");
  out.not_negative(spec, "replicas", path);
  out.not_negative(spec, "minReadySeconds", path);
  check_selector(out, spec, "deployment", path);
  check_template(out, spec, path);
  check_restart_policy(out, spec, {"Always"}, path);
  if (old_object) out.immutable(spec, spec_of(*old_object), "selector", path);
}

void replication_controller(Checker& out, const Object& object, const Object*) {
  const Object& spec = spec_of(object);
  const Path path("spec");
  out.not_negative(spec, "replicas", path);
  const auto* selector = get_object(spec, "selector");
  if (!selector || selector->empty()) out.add(required(path.child("selector")));
  check_template(out, spec, path);
  check_restart_policy(out, spec, {"Always"}, path);
}

void daemon_set(Checker& out, const Object& object, const Object* old_object) {
  const Object& spec = spec_of(object);
  const Path path("spec");
  check_selector(out, spec, "daemonset", path);
  check_template(out, spec, path);
  check_restart_policy(out, spec, {"Always"}, path);
  out.not_negative(spec, "minReadySeconds", path);
  out.not_negative(spec, "revisionHistoryLimit", path);
  const auto* rolling = dig(spec, {"updateStrategy", "rollingUpdate"});
  if (rolling && rolling->is_object()) {
    check_rolling(out, rolling->get_object(), path.child("updateStrategy").child("rollingUpdate"),
                  "cannot be 0 when maxSurge is 0");
  }
  if (old_object) out.immutable(spec, spec_of(*old_object), "selector", path);
}

void stateful_set(Checker& out, const Object& object, const Object* old_object) {
  const Object& spec = spec_of(object);
  const Path path("spec");
  out.not_negative(spec, "replicas", path);
  out.not_negative(spec, "minReadySeconds", path);
  out.not_negative(spec, "revisionHistoryLimit", path);
  check_selector(out, spec, "statefulset", path);
  check_template(out, spec, path);
  check_restart_policy(out, spec, {"Always"}, path);
  if (!old_object) return;
  // Names of what may change, as upstream's message lists them.
  Object now = spec, before = spec_of(*old_object);
  for (const auto name : {"replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
                          "persistentVolumeClaimRetentionPolicy", "minReadySeconds"}) {
    for (Object* part : {&now, &before}) {
      if (part->contains(name)) part->stable_erase(name);
    }
  }
  if (!equal_json(now, before)) {
    out.add(forbidden(path,
                      "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
                      "'updateStrategy', "
                      "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' "
                      "are forbidden"));
  }
}

namespace {

void check_job_spec(Checker& out, const Object& spec, const Path& path) {
  for (const auto number : {"parallelism", "completions", "activeDeadlineSeconds", "backoffLimit",
                            "ttlSecondsAfterFinished", "backoffLimitPerIndex", "maxFailedIndexes"}) {
    out.not_negative(spec, number, path);
  }
  if (get_text(spec, "completionMode") == "Indexed" && !get(spec, "completions")) {
    out.add(required(path.child("completions"), "when completion mode is Indexed"));
  }
  check_template(out, spec, path);
  check_restart_policy(out, spec, {"OnFailure", "Never"}, path);
}

/// One of the five fields of a cron schedule: lists of ranges with steps, names for months and days.
bool is_cron_field(std::string_view field, int least, int most, std::string_view names) {
  const auto number = [&](std::string_view text) -> int {
    int value = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size())
      return value >= least && value <= most ? value : -1;
    const size_t at = text.size() == 3 ? names.find(to_lower(text)) : std::string_view::npos;
    return at == std::string_view::npos || at % 3 != 0 ? -1 : static_cast<int>(at / 3) + least;
  };
  for (const auto part : split(field, ',')) {
    const size_t slash = part.find('/');
    const auto range = part.substr(0, slash);
    if (slash != std::string_view::npos) {
      int step = 0;
      const auto text = part.substr(slash + 1);
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
      if (error != std::errc() || end != text.data() + text.size() || step <= 0) return false;
    }
    if (range == "*" || range == "?") continue;
    const size_t dash = range.find('-');
    const int first = number(range.substr(0, dash));
    const int last = dash == std::string_view::npos ? first : number(range.substr(dash + 1));
    if (first < 0 || last < first) return false;
  }
  return true;
}

std::string schedule_complaint(std::string_view schedule) {
  if (schedule.starts_with("TZ") || schedule.starts_with("CRON_TZ")) {
    return "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
  }
  if (schedule.starts_with('@')) {
    for (const auto word :
         {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}) {
      if (schedule == word) return {};
    }
    if (schedule.starts_with("@every ") && parse_duration(schedule.substr(7))) return {};
    return fmt::format("unrecognized descriptor: {}", schedule);
  }
  std::vector<std::string_view> fields;
  for (const auto field : split(schedule, ' ')) {
    if (!field.empty()) fields.push_back(field);
  }
  if (fields.size() != 5) {
    return fmt::format("expected exactly 5 fields, found {}: [{}]", fields.size(), join(fields, " "));
  }
  struct Bounds {
    int least, most;
    std::string_view names;
  };
  constexpr Bounds kBounds[] = {{0, 59, ""},
                                {0, 23, ""},
                                {1, 31, ""},
                                {1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
                                {0, 7, "sunmontuewedthufrisat"}};
  for (size_t i = 0; i < fields.size(); ++i) {
    if (!is_cron_field(fields[i], kBounds[i].least, kBounds[i].most, kBounds[i].names)) {
      return fmt::format("failed to parse int from {}: invalid or out of range", fields[i]);
    }
  }
  return {};
}

}  // namespace

void job(Checker& out, const Object& object, const Object* old_object) {
  const Object& spec = spec_of(object);
  const Path path("spec");
  check_job_spec(out, spec, path);
  if (!old_object) {
    out.label_selector(get_object(spec, "selector"), path.child("selector"));
    return;
  }
  const Object& old_spec = spec_of(*old_object);
  out.immutable(spec, old_spec, "selector", path);
  out.immutable(spec, old_spec, "completionMode", path);
  out.immutable(spec, old_spec, "podFailurePolicy", path);
  out.immutable(spec, old_spec, "backoffLimitPerIndex", path);
  // Indexed jobs may grow and shrink together with their parallelism.
  const bool elastic = get_text(spec, "completionMode") == "Indexed" &&
                       same_member(spec, Object{{"completions", member(spec, "parallelism")}}, "completions");
  if (!elastic) out.immutable(spec, old_spec, "completions", path);
  // A suspended job that has not started may get other scheduling directives (KEP-2926).
  const bool suspended = get_bool(old_spec, "suspend") && !dig(*old_object, {"status", "startTime"});
  if (!suspended) out.immutable(spec, old_spec, "template", path);
}

void cron_job(Checker& out, const Object& object, const Object*) {
  constexpr size_t kMaxCronJobName = 52;
  const Object& spec = spec_of(object);
  const Path path("spec");
  const auto name = text_of(dig(object, {"metadata", "name"}));
  if (name.size() > kMaxCronJobName) {
    out.add(invalid(Path("metadata.name"), name,
                    fmt::format("must be no more than {} characters", kMaxCronJobName)));
  }
  const auto schedule = out.require_text(spec, "schedule", path);
  if (!schedule.empty()) {
    const std::string complaint = schedule_complaint(schedule);
    if (!complaint.empty()) out.add(invalid(path.child("schedule"), schedule, complaint));
  }
  for (const auto number :
       {"startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"}) {
    out.not_negative(spec, number, path);
  }
  const auto* job_spec = dig(spec, {"jobTemplate", "spec"});
  check_job_spec(out, job_spec && job_spec->is_object() ? job_spec->get_object() : kEmpty,
                 path.child("jobTemplate").child("spec"));
}

}  // namespace cloudless::schema::validation

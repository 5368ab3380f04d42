#include "apiserver/custom/definitions.hpp"

#include <algorithm>

#include "apiserver/json_fields.hpp"
#include "base/strings.hpp"
#include "runtime/timer.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

const GroupResource kDefinitions{"apiextensions.k8s.io", "customresourcedefinitions"};
/// Between two looks at definitions that could not be settled: instances that wait for finalizers, conflicts.
constexpr Duration kRetryDelay = std::chrono::seconds(1);

// Names of a definition that no other of its group may have.
std::vector<std::string> resource_names(const json::object& names) {
  std::vector<std::string> out;
  for (const char* member : {"plural", "singular"}) {
    if (const std::string_view name = text_at(names, {member}); !name.empty()) out.emplace_back(name);
  }
  for (const json::value& name : array_at(names, {"shortNames"})) {
    if (name.is_string()) out.emplace_back(name.get_string());
  }
  return out;
}

// The first name that another definition of the group has been given; empty where all are free.
std::string conflicting_name(const json::object& definition, const std::vector<ObjectPtr>& all) {
  const json::object& names = definition.at("spec").at("names").as_object();
  for (const ObjectPtr& other : all) {
    if (name_of(*other) == name_of(definition)) continue;
    if (text_at(*other, {"spec", "group"}) != text_at(definition, {"spec", "group"})) continue;
    const json::object* accepted = object_at(*other, {"status", "acceptedNames"});
    if (!accepted) continue;
    const std::vector<std::string> taken = resource_names(*accepted);
    for (const std::string& name : resource_names(names)) {
      if (std::ranges::find(taken, name) != taken.end()) return name;
    }
    if (text_at(names, {"kind"}) == text_at(*accepted, {"kind"}))
      return std::string(text_at(names, {"kind"}));
  }
  return "";
}

void set_condition(json::object& status, std::string_view type, std::string_view value,
                   std::string_view reason, std::string_view message, WallTime now) {
  json::value& list = status["conditions"];
  if (!list.is_array()) list.emplace_array();
  json::object condition{{"type", type},
                         {"status", value},
                         {"lastTransitionTime", format_rfc3339(now)},
                         {"reason", reason},
                         {"message", message}};
  for (json::value& present : list.get_array()) {
    if (!present.is_object() || text_at(present.get_object(), {"type"}) != type) continue;
    if (text_at(present.get_object(), {"status"}) == value) {
      copy_member(present.get_object(), condition, "lastTransitionTime");
    }
    present = std::move(condition);
    return;
  }
  list.get_array().push_back(std::move(condition));
}

std::string storage_version(const json::object& definition) {
  for (const json::value& version : array_at(definition, {"spec", "versions"})) {
    if (version.is_object() && truth_at(version.get_object(), {"storage"})) {
      return std::string(text_at(version.get_object(), {"name"}));
    }
  }
  return "";
}

// What stands against the schemas of a definition that another server has let pass; empty where all is well.
std::string structural_violations(const json::object& definition) {
  std::vector<std::string> messages;
  size_t index = 0;
  for (const json::value& version : array_at(definition, {"spec", "versions"})) {
    const schema::Path path =
        schema::Path("spec").child("versions").index(index++).child("schema").child("openAPIV3Schema");
    const json::value* open_api =
        version.is_object() ? find(version.get_object(), {"schema", "openAPIV3Schema"}) : nullptr;
    if (!open_api) continue;
    for (const auto& error : schema::validate_structural(*open_api, path))
      messages.push_back(error.message());
  }
  if (messages.size() < 2) return join(messages, "");
  return "[" + join(messages, ", ") + "]";
}

bool is_deleting(const json::object& definition) {
  return !text_at(definition, {"metadata", "deletionTimestamp"}).empty();
}

}  // namespace

bool has_condition(const json::object& definition, std::string_view type) {
  for (const json::value& condition : array_at(definition, {"status", "conditions"})) {
    if (condition.is_object() && text_at(condition.get_object(), {"type"}) == type) {
      return text_at(condition.get_object(), {"status"}) == "True";
    }
  }
  return false;
}

json::object plan_status(const json::object& definition, const std::vector<ObjectPtr>& all, WallTime now) {
  json::object status;
  if (const json::object* present = object_at(definition, {"status"})) status = *present;
  const std::string taken = conflicting_name(definition, all);
  if (taken.empty()) {
    status["acceptedNames"] = definition.at("spec").at("names");
    set_condition(status, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now);
    if (!has_condition(definition, "Established")) {
      set_condition(status, "Established", "True", "InitialNamesAccepted",
                    "the initial names have been accepted", now);
    }
  } else {
    set_condition(status, "NamesAccepted", "False", "NameConflict",
                  fmt::format("\"{}\" is already in use", taken), now);
    if (!has_condition(definition, "Established")) {
      set_condition(status, "Established", "False", "NotAccepted", "not all names are accepted", now);
    }
  }
  if (const std::string violations = structural_violations(definition); !violations.empty()) {
    set_condition(status, "NonStructuralSchema", "True", "Violations", violations, now);
  }
  if (is_deleting(definition)) {
    set_condition(status, "Terminating", "True", "InstanceDeletionInProgress",
                  "CustomResource deletion is in progress", now);
  }
  json::value& stored = status["storedVersions"];
  if (!stored.is_array()) stored.emplace_array();
  const std::string version = storage_version(definition);
  const auto is_version = [&](const json::value& value) { return value == json::string_view(version); };
  if (std::ranges::none_of(stored.get_array(), is_version)) stored.get_array().emplace_back(version);
  return status;
}

Definitions::Definitions(Registry& registry, runtime::Executor& executor, Logger log,
                         std::function<void()> on_change)
    : registry_(registry), log_(std::move(log)), on_change_(std::move(on_change)), scope_(executor, log_) {}

Task<Result<>> Definitions::start() {
  co_await sync_all();
  scope_.spawn(run());
  co_return Result<>();
}

Task<void> Definitions::stop() {
  scope_.cancel();
  co_await scope_.join();
}

Task<void> Definitions::run() {
  const ResourceTypePtr type = registry_.catalog()->find(kDefinitions);
  while (!scope_.cancelled()) {
    ApiResult<WatchCache::Subscribed> subscribed = type->cache->subscribe({.key = type->prefix});
    if (!subscribed) co_return;
    co_await follow(std::move(*subscribed));
  }
}

Task<void> Definitions::follow(WatchCache::Subscribed subscribed) {
  Subscription& subscription = *subscribed.subscription;
  for (;;) {
    co_await sync_all();
    Result<std::optional<WatchEventPtr>> event;
    if (retry_) {
      event = co_await runtime::with_timeout(kRetryDelay, "a definition", subscription.next());
      if (!event && event.error().code == Code::kDeadlineExceeded) continue;
    } else {
      event = co_await subscription.next();
    }
    if (!event || !*event) co_return;
    while (subscription.try_next()) {
    }
  }
}

Task<void> Definitions::sync_all() {
  retry_ = false;
  const ApiResult<std::vector<ObjectPtr>> all = co_await registry_.list(kDefinitions, "");
  if (!all) {
    retry_ = true;
    co_return;
  }
  std::map<std::string, int64_t> gone = served_;
  for (const ObjectPtr& definition : *all) {
    gone.erase(std::string(name_of(*definition)));
    const ApiResult<> synced = co_await sync(*definition, *all);
    if (synced) continue;
    retry_ = true;
    log_.warn("a custom resource definition is not settled",
              {{"name", name_of(*definition)}, {"reason", synced.error().message}});
  }
  for (const auto& [name, generation] : gone) {
    const size_t dot = name.find('.');
    registry_.stop_serving({name.substr(dot + 1), name.substr(0, dot)});
    served_.erase(name);
    on_change_();
  }
}

Task<ApiResult<>> Definitions::sync(const json::object& definition, const std::vector<ObjectPtr>& all) {
  json::object status = plan_status(definition, all, registry_.clock().wall_now());
  const bool established = has_condition(json::object{{"status", status}}, "Established");
  // Served before it says so: who sees Established may use it at once.
  if (established) CO_TRY(co_await serve(definition));
  const json::value* present = definition.if_contains("status");
  if (!present || *present != json::value(status)) {
    json::object updated = definition;
    updated["status"] = std::move(status);
    CO_TRY(co_await write(std::move(updated), "status"));
    co_return ApiResult<>();
  }
  if (is_deleting(definition)) co_return co_await empty(definition);
  co_return ApiResult<>();
}

Task<ApiResult<>> Definitions::serve(const json::object& definition) {
  const std::string name(name_of(definition));
  const int64_t generation = number_at(definition, {"metadata", "generation"});
  const auto served = served_.find(name);
  if (served != served_.end() && served->second == generation) co_return ApiResult<>();
  auto custom = CustomResource::make(definition);
  if (!custom) co_return std::unexpected(ApiStatus(custom.error()));
  const Result<> done =
      co_await registry_.serve(CustomResource::make_type(std::move(*custom), registry_.options().root));
  if (!done) co_return std::unexpected(ApiStatus(done.error()));
  served_[name] = generation;
  on_change_();
  co_return ApiResult<>();
}

// Deletes the instances; once the last one is gone, lets the definition go too.
Task<ApiResult<>> Definitions::empty(const json::object& definition) {
  const GroupResource id{std::string(text_at(definition, {"spec", "group"})),
                         std::string(text_at(definition, {"spec", "names", "plural"}))};
  const ResourceTypePtr type = registry_.catalog()->find(id);
  if (type && type->custom) {
    const std::vector<ObjectPtr> instances = CO_TRY(co_await registry_.list(id, ""));
    for (const ObjectPtr& instance : instances) {
      const ApiResult<> removed = co_await registry_.remove(id, namespace_of(*instance), name_of(*instance));
      if (!removed && removed.error().code != 404) co_return std::unexpected(removed.error());
    }
    if (!CO_TRY(co_await registry_.list(id, "")).empty()) {
      retry_ = true;
      co_return ApiResult<>();
    }
  }
  json::object released = definition;
  json::array kept;
  for (const json::value& value : array_at(definition, {"metadata", "finalizers"})) {
    if (value != json::string_view(kInstancesFinalizer)) kept.push_back(value);
  }
  metadata(released)["finalizers"] = std::move(kept);
  co_return co_await write(std::move(released), "");
}

Task<ApiResult<>> Definitions::write(json::object definition, std::string_view subresource) {
  const ApiResult<ObjectPtr> written =
      co_await registry_.update(kDefinitions, subresource, std::move(definition));
  // A conflict means that a newer event is on its way.
  if (!written && written.error().code != 404 && written.error().code != 409) {
    co_return std::unexpected(written.error());
  }
  co_return ApiResult<>();
}

}  // namespace cloudless::apiserver

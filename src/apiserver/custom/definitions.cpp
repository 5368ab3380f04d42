#include "apiserver/custom/definitions.hpp"

#include <algorithm>
#include <set>

#include "apiserver/json_fields.hpp"
#include "base/strings.hpp"
#include "runtime/timer.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

const GroupResource kDefinitions{"apiextensions.k8s.io", "customresourcedefinitions"};
/// Between two looks at definitions that could not be settled: instances that wait for finalizers, conflicts.
constexpr Duration kRetryDelay = std::chrono::seconds(1);

using Names = std::set<std::string, std::less<>>;

void add_names(const json::object& names, std::initializer_list<const char*> members, Names& out) {
  for (const char* member : members) {
    if (const std::string_view name = text_at(names, {member}); !name.empty()) out.emplace(name);
  }
}

// What other definitions of the group have been given.
struct Taken {
  Names resources;  // plurals, singulars and short names
  Names kinds;      // of objects and of lists
};

Taken taken_by_others(const json::object& definition, const std::vector<ObjectPtr>& all) {
  Taken taken;
  for (const ObjectPtr& other : all) {
    if (name_of(*other) == name_of(definition)) continue;
    if (text_at(*other, {"spec", "group"}) != text_at(definition, {"spec", "group"})) continue;
    const json::object* accepted = object_at(*other, {"status", "acceptedNames"});
    if (!accepted) continue;
    add_names(*accepted, {"plural", "singular"}, taken.resources);
    add_names(*accepted, {"kind", "listKind"}, taken.kinds);
    for (const json::value& name : array_at(*accepted, {"shortNames"})) {
      if (name.is_string()) taken.resources.emplace(std::string_view(name.get_string()));
    }
  }
  return taken;
}

struct Naming {
  json::object accepted;
  std::string reason;  // "KindConflict"; empty where all names are accepted
  std::string message;
};

// Each name is given that was given before or that no other has; the last one that is not gives the reason
// (upstream's calculateNamesAndConditions).
Naming plan_names(const json::object& definition, const std::vector<ObjectPtr>& all) {
  const json::object& names = definition.at("spec").at("names").as_object();
  const Taken taken = taken_by_others(definition, all);
  Naming naming;
  if (const json::object* before = object_at(definition, {"status", "acceptedNames"}))
    naming.accepted = *before;
  const auto refuse = [&](std::string_view reason, std::string_view name) {
    naming.reason = reason;
    naming.message = fmt::format("{} is already in use", quote(name));
  };
  const auto ask = [&](const char* member, const Names& used, std::string_view reason) {
    const std::string_view name = text_at(names, {member});
    if (name == text_at(naming.accepted, {member}) || !used.contains(name)) {
      copy_member(names, naming.accepted, member);
    } else {
      refuse(reason, name);
    }
  };
  ask("plural", taken.resources, "PluralConflict");
  ask("singular", taken.resources, "SingularConflict");
  bool short_names_free = true;
  for (const json::value& name : array_at(names, {"shortNames"})) {
    if (!name.is_string() || !taken.resources.contains(std::string_view(name.get_string()))) continue;
    short_names_free = false;
    refuse("ShortNamesConflict", std::string_view(name.get_string()));
  }
  if (short_names_free) copy_member(names, naming.accepted, "shortNames");
  ask("kind", taken.kinds, "KindConflict");
  ask("listKind", taken.kinds, "ListKindConflict");
  copy_member(names, naming.accepted, "categories");
  return naming;
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
  Naming naming = plan_names(definition, all);
  const bool accepted = naming.reason.empty();
  status["acceptedNames"] = std::move(naming.accepted);
  if (accepted) {
    set_condition(status, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now);
    if (!has_condition(definition, "Established")) {
      set_condition(status, "Established", "True", "InitialNamesAccepted",
                    "the initial names have been accepted", now);
    }
  } else {
    set_condition(status, "NamesAccepted", "False", naming.reason, naming.message, now);
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
  const ApiResult<uint64_t> fresh = co_await registry_.feed().wait_until_fresh();
  if (!fresh)
    co_return fail(Code::kUnavailable, "read the custom resource definitions: {}", fresh.error().message);
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
  read_all();
  forget_gone();
  for (auto& [name, known] : known_) {
    if (known.settled) continue;
    const ApiResult<> synced = co_await sync(known);
    if (synced) continue;
    retry_ = true;
    log_.warn("a custom resource definition is not settled",
              {{"name", name}, {"reason", synced.error().message}});
  }
}

// The present as the cache has it, which is never behind the event that asked for it; what was written here
// may be ahead.
void Definitions::read_all() {
  const ResourceTypePtr type = registry_.catalog()->find(kDefinitions);
  std::map<std::string, Known> present;
  for (const CachedObjectPtr& cached : type->cache->list(type->prefix, 0).objects) {
    const auto before = known_.find(cached->name);
    if (before != known_.end() && before->second.revision >= cached->revision) {
      present.insert(known_.extract(before));
    } else {
      present.emplace(cached->name, Known{cached->revision, cached->decode()});
    }
  }
  known_ = std::move(present);
}

void Definitions::forget_gone() {
  std::vector<std::string> gone;
  for (const auto& [name, generation] : served_) {
    if (!known_.contains(name)) gone.push_back(name);
  }
  for (const std::string& name : gone) {
    const size_t dot = name.find('.');
    registry_.stop_serving({name.substr(dot + 1), name.substr(0, dot)});
    served_.erase(name);
    on_change_();
  }
}

std::vector<ObjectPtr> Definitions::all() const {
  std::vector<ObjectPtr> objects;
  for (const auto& [name, known] : known_) objects.push_back(known.object);
  return objects;
}

Task<ApiResult<>> Definitions::sync(Known& known) {
  const ObjectPtr definition = known.object;
  json::object status = plan_status(*definition, all(), registry_.clock().wall_now());
  const json::object planned{{"status", status}};
  // Served before it says so: who sees Established may use it at once.
  if (has_condition(planned, "Established")) CO_TRY(co_await serve(*definition));
  const json::value* present = definition->if_contains("status");
  if (!present || *present != planned.at("status")) {
    json::object updated = *definition;
    updated["status"] = std::move(status);
    co_return co_await write(known, std::move(updated), "status");
  }
  if (is_deleting(*definition)) co_return co_await empty(known);
  // One that others keep from its names gets them when those go.
  known.settled = has_condition(planned, "NamesAccepted");
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
Task<ApiResult<>> Definitions::empty(Known& known) {
  const ObjectPtr present = known.object;
  const json::object& definition = *present;
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
  co_return co_await write(known, std::move(released), "");
}

Task<ApiResult<>> Definitions::write(Known& known, json::object definition, std::string_view subresource) {
  const ApiResult<ObjectPtr> written =
      co_await registry_.update(kDefinitions, subresource, std::move(definition));
  if (written) {
    // The next one in line sees the names that this one has been given.
    known.object = *written;
    known.revision = resource_version_of(**written);
    co_return ApiResult<>();
  }
  // A conflict means that a newer event is on its way.
  if (written.error().code != 404 && written.error().code != 409) co_return std::unexpected(written.error());
  co_return ApiResult<>();
}

}  // namespace cloudless::apiserver

#include "apiserver/registry/object_rules.hpp"

#include <algorithm>

#include "apiserver/json_fields.hpp"
#include "apiserver/registry/registry.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver {

namespace {

constexpr std::string_view kOrphanFinalizer = "orphan";
constexpr std::string_view kForegroundFinalizer = "foregroundDeletion";

// Members of metadata that belong to the server once the object exists.
constexpr std::string_view kServerMetadata[] = {
    "uid",      "creationTimestamp", "deletionTimestamp", "generation", "deletionGracePeriodSeconds",
    "selfLink", "generateName"};

bool keeps_status_on_create(const ResourceType& type) { return type.id == GroupResource{"", "nodes"}; }

bool is_main_part(std::string_view name) {
  return name != "metadata" && name != "status" && name != "kind" && name != "apiVersion";
}

void set_finalizer(json::object& object, std::string_view name, bool wanted) {
  json::array kept;
  for (const json::value& value : array_at(object, {"metadata", "finalizers"})) {
    if (value != json::string_view(name)) kept.push_back(value);
  }
  if (wanted) kept.emplace_back(name);
  if (kept.empty()) {
    erase_at(object, {"metadata", "finalizers"});
  } else {
    metadata(object)["finalizers"] = std::move(kept);
  }
}

bool has_finalizer(const json::object& object, std::string_view name) {
  const json::array& finalizers = array_at(object, {"metadata", "finalizers"});
  return std::ranges::any_of(finalizers,
                             [&](const json::value& value) { return value == json::string_view(name); });
}

// Which dependents' rule holds: the request's, else the one on the object already, else the resource's.
Propagation effective_propagation(const ResourceType& type, const json::object& object, Propagation asked) {
  if (asked != Propagation::kUnset) return asked;
  if (has_finalizer(object, kOrphanFinalizer)) return Propagation::kOrphan;
  if (has_finalizer(object, kForegroundFinalizer)) return Propagation::kForeground;
  return type.strategy->default_propagation;
}

void set_propagation_finalizers(const ResourceType& type, json::object& object, Propagation asked) {
  const Propagation propagation = effective_propagation(type, object, asked);
  const bool orphan = propagation == Propagation::kOrphan;
  const bool foreground = propagation == Propagation::kForeground;
  if (has_finalizer(object, kOrphanFinalizer) != orphan) set_finalizer(object, kOrphanFinalizer, orphan);
  if (has_finalizer(object, kForegroundFinalizer) != foreground) {
    set_finalizer(object, kForegroundFinalizer, foreground);
  }
}

// podStrategy.CheckGracefulDelete: only a pod that may run somewhere needs its agent's word.
int64_t pod_grace(const json::object& pod, const DeleteOptions& options) {
  int64_t grace =
      options.grace_period_seconds.value_or(number_at(pod, {"spec", "terminationGracePeriodSeconds"}, 30));
  if (grace < 0) grace = 1;
  const std::string_view phase = text_at(pod, {"status", "phase"});
  if (text_at(pod, {"spec", "nodeName"}).empty() || phase == "Succeeded" || phase == "Failed") grace = 0;
  return grace;
}

bool is_deleting(const json::object& object) {
  return !text_at(object, {"metadata", "deletionTimestamp"}).empty();
}

void mark_deleted(json::object& object, WallTime now, int64_t grace_seconds) {
  json::object& meta = metadata(object);
  meta["deletionTimestamp"] = format_rfc3339(now + std::chrono::seconds(grace_seconds));
  meta["deletionGracePeriodSeconds"] = grace_seconds;
  if (const int64_t generation = number_at(object, {"metadata", "generation"}); generation > 0) {
    meta["generation"] = generation + 1;
  }
}

}  // namespace

bool has_finalizers(const ResourceType& type, const json::object& object) {
  if (!array_at(object, {"metadata", "finalizers"}).empty()) return true;
  return type.id == GroupResource{"", "namespaces"} && !array_at(object, {"spec", "finalizers"}).empty();
}

ApiResult<> settle_namespace(const ResourceType& type, std::string_view namespace_, json::object& object) {
  const std::string_view given = namespace_of(object);
  const std::string_view wanted = type.namespaced ? namespace_ : "";
  if (!given.empty() && given != wanted) {
    return std::unexpected(
        bad_request("the namespace of the provided object does not match the namespace sent on the request"));
  }
  if (type.namespaced) metadata(object)["namespace"] = wanted;
  return {};
}

ApiResult<> settle_name(std::string_view name, json::object& object) {
  const std::string_view given = name_of(object);
  if (given.empty()) {
    metadata(object)["name"] = name;
  } else if (given != name) {
    return std::unexpected(bad_request(
        fmt::format("the name of the object ({}) does not match the name on the URL ({})", given, name)));
  }
  return {};
}

ApiResult<> begin_object(const ResourceType& type, json::object& object, std::string uid, WallTime now) {
  if (!text_at(object, {"metadata", "resourceVersion"}).empty()) {
    return std::unexpected(bad_request("resourceVersion should not be set on objects to be created"));
  }
  json::object& meta = metadata(object);
  for (const char* name : {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"}) {
    meta.erase(name);
  }
  meta["uid"] = std::move(uid);
  meta["creationTimestamp"] = format_rfc3339(now);
  if (type.strategy->generation) meta["generation"] = 1;
  if (type.has_subresource("status") && !keeps_status_on_create(type)) object.erase("status");
  return {};
}

namespace {

// Members that `to` has from `from` alone, by path.
void take_over(const json::object& from, json::object& to, std::string_view parent, std::string_view name) {
  const json::object* source = object_at(from, {parent});
  copy_member(source ? *source : json::object(), make_object(to, {parent}), name);
}

// In-place resize changes the resources of containers that are there.
void take_over_resources(const json::object& from, json::object& to) {
  for (const char* list : {"containers", "initContainers"}) {
    json::value* targets = make_object(to, {"spec"}).if_contains(list);
    if (!targets || !targets->is_array()) continue;
    for (json::value& target : targets->get_array()) {
      for (const json::value& source : array_at(from, {"spec", list})) {
        if (!source.is_object() || source.at("name") != target.at("name")) continue;
        for (const char* name : {"resources", "resizePolicy"}) {
          copy_member(source.get_object(), target.get_object(), name);
        }
      }
    }
  }
}

// What a write to a subresource makes of the present object.
json::object with_part(const ResourceType& type, std::string_view subresource, const json::object& present,
                       json::object& object) {
  json::object kept = present;
  if (subresource == "status") {
    copy_member(object, kept, "status");
    // Labels, annotations and finalizers of built-in resources may change with the status.
    if (!type.custom) kept["metadata"] = metadata(object);
  } else if (subresource == "approval") {
    take_over(object, kept, "status", "conditions");
  } else if (subresource == "finalize") {
    take_over(object, kept, "spec", "finalizers");
  } else if (subresource == "ephemeralcontainers") {
    take_over(object, kept, "spec", "ephemeralContainers");
  } else if (subresource == "resize") {
    take_over_resources(object, kept);
  }
  copy_member(metadata(object), metadata(kept), "managedFields");
  return kept;
}

bool is_part(std::string_view subresource) {
  return subresource == "status" || subresource == "approval" || subresource == "finalize" ||
         subresource == "ephemeralcontainers" || subresource == "resize";
}

}  // namespace

void carry_over(const ResourceType& type, std::string_view subresource, const json::object& present,
                json::object& object) {
  if (is_part(subresource)) {
    object = with_part(type, subresource, present, object);
  } else if (type.has_subresource("status") && subresource != "binding") {
    copy_member(present, object, "status");
  }
  const json::object& old_meta = present.at("metadata").as_object();
  for (std::string_view name : kServerMetadata) copy_member(old_meta, metadata(object), name);
}

void bump_generation(const ResourceType& type, const json::object& present, json::object& object) {
  if (!type.strategy->generation) return;
  bool same = true;
  for (const auto& [name, value] : present) {
    if (is_main_part(name)) same = same && same_at(present, object, {name});
  }
  for (const auto& [name, value] : object) {
    if (is_main_part(name)) same = same && same_at(present, object, {name});
  }
  if (!same) metadata(object)["generation"] = number_at(present, {"metadata", "generation"}) + 1;
}

ApiResult<> check_preconditions(const ResourceType& type, const json::object& present,
                                const json::object& object) {
  const std::string_view uid = text_at(object, {"metadata", "uid"});
  const std::string_view present_uid = text_at(present, {"metadata", "uid"});
  if (!uid.empty() && uid != present_uid) {
    return std::unexpected(
        conflict(type.id, name_of(present),
                 fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}", uid,
                             present_uid)));
  }
  const std::string_view version = text_at(object, {"metadata", "resourceVersion"});
  if (version.empty() || version == "0") {
    if (!type.strategy->needs_version) return {};
    return std::unexpected(invalid(type.id.group, type.kind, name_of(present),
                                   {{"FieldValueInvalid", "Invalid value: 0: must be specified for an update",
                                     "metadata.resourceVersion"}}));
  }
  if (resource_version_of(object) == 0) {
    return std::unexpected(invalid(
        type.id.group, type.kind, name_of(present),
        {{"FieldValueInvalid",
          fmt::format("Invalid value: {0}: strconv.ParseUint: parsing {0}: invalid syntax", quote(version)),
          "metadata.resourceVersion"}}));
  }
  if (version != text_at(present, {"metadata", "resourceVersion"})) {
    return std::unexpected(modified_conflict(type.id, name_of(present)));
  }
  return {};
}

ApiResult<> check_preconditions(const ResourceType& type, const json::object& present,
                                const DeleteOptions& options) {
  const std::string_view uid = text_at(present, {"metadata", "uid"});
  const std::string_view version = text_at(present, {"metadata", "resourceVersion"});
  if (options.has_uid_precondition && options.precondition_uid != uid) {
    return std::unexpected(
        conflict(type.id, name_of(present),
                 fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}",
                             options.precondition_uid, uid)));
  }
  if (options.has_version_precondition && options.precondition_resource_version != version) {
    return std::unexpected(conflict(
        type.id, name_of(present),
        fmt::format(
            "Precondition failed: ResourceVersion in precondition: {}, ResourceVersion in object meta: {}",
            options.precondition_resource_version, version)));
  }
  return {};
}

DeletionPlan plan_deletion(const ResourceType& type, json::object& object, const DeleteOptions& options,
                           WallTime now) {
  using Kind = DeletionPlan::Kind;
  const json::array before = array_at(object, {"metadata", "finalizers"});
  set_propagation_finalizers(type, object, options.propagation);
  const bool finalizers_changed = before != array_at(object, {"metadata", "finalizers"});
  const int64_t grace = type.strategy->graceful ? pod_grace(object, options) : 0;
  if (is_deleting(object)) {
    const int64_t present_grace = number_at(object, {"metadata", "deletionGracePeriodSeconds"});
    // A second deletion can only shorten the time.
    if (grace < present_grace) {
      const Result<WallTime> until = parse_rfc3339(text_at(object, {"metadata", "deletionTimestamp"}));
      const WallTime asked = until ? *until - std::chrono::seconds(present_grace) : now;
      if (grace > 0 || has_finalizers(type, object)) {
        mark_deleted(object, asked, grace);
        return {Kind::kUpdate, grace};
      }
    }
    if (grace == 0 && !has_finalizers(type, object)) return {Kind::kErase, 0};
    return {finalizers_changed ? Kind::kUpdate : Kind::kKeep, std::min(grace, present_grace)};
  }
  if (grace == 0 && !has_finalizers(type, object)) return {Kind::kErase, 0};
  mark_deleted(object, now, grace);
  if (type.id == GroupResource{"", "namespaces"}) make_object(object, {"status"})["phase"] = "Terminating";
  return {Kind::kUpdate, grace};
}

}  // namespace cloudless::apiserver

#include "schema/managed_fields.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "base/strings.hpp"
#include "schema/field_set.hpp"
#include "schema/json.hpp"
#include "schema/normalize.hpp"
#include "schema/object_util.hpp"

namespace cloudless::schema {
namespace json = boost::json;
namespace {

/// More managers that update than this are folded into kAncientChanges, oldest first
/// (fieldmanager/capmanagers.go).
constexpr size_t kMaxUpdateManagers = 10;
constexpr std::string_view kAncientChanges = "ancient-changes";
/// Owns what was there before the first apply to an object that nobody tracked.
constexpr std::string_view kBeforeFirstApply = "before-first-apply";

/// One entry of metadata.managedFields.
struct Entry {
  std::string manager;
  bool applied = false;
  std::string api_version;
  std::string subresource;
  std::string time;
  FieldSet fields;

  /// Appliers are the same across versions, updaters are not.
  bool same_manager(const Entry& other) const {
    return manager == other.manager && applied == other.applied && subresource == other.subresource &&
           (applied || api_version == other.api_version);
  }
};

std::string shown(const Entry& entry) {
  std::string out = quote(entry.manager);
  if (!entry.subresource.empty()) out += " with subresource " + quote(entry.subresource);
  if (!entry.applied) out += " using " + entry.api_version;
  return out;
}

const json::array* managed_fields_of(const json::value& object) {
  const auto* list = dig(&object, {"metadata", "managedFields"});
  return list ? list->if_array() : nullptr;
}

/// Damaged entries are dropped, as upstream starts anew when it cannot decode them.
std::vector<Entry> read_entries(const json::value& object) {
  std::vector<Entry> out;
  const auto* list = managed_fields_of(object);
  if (!list) return out;
  for (const json::value& item : *list) {
    const auto* entry = item.if_object();
    const auto* fields = entry ? get(*entry, "fieldsV1") : nullptr;
    if (!fields) continue;
    auto set = parse_field_set(*fields);
    if (!set) continue;
    out.push_back({std::string(get_text(*entry, "manager")), get_text(*entry, "operation") == "Apply",
                   std::string(get_text(*entry, "apiVersion")), std::string(get_text(*entry, "subresource")),
                   std::string(get_text(*entry, "time")), std::move(*set)});
  }
  return out;
}

json::value write_entry(const Entry& entry) {
  json::object out{{"manager", entry.manager},
                   {"operation", entry.applied ? "Apply" : "Update"},
                   {"apiVersion", entry.api_version}};
  if (!entry.time.empty()) out["time"] = entry.time;
  out["fieldsType"] = "FieldsV1";
  out["fieldsV1"] = to_fields_v1(entry.fields);
  if (!entry.subresource.empty()) out["subresource"] = entry.subresource;
  return out;
}

/// Appliers first, then by time, then by name, as upstream sorts them.
void sort_entries(std::vector<Entry>& entries) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    if (a.applied != b.applied) return a.applied;
    return std::tie(a.time, a.manager, a.api_version, a.subresource) <
           std::tie(b.time, b.manager, b.api_version, b.subresource);
  });
}

void cap_updaters(std::vector<Entry>& entries) {
  std::vector<Entry*> updaters;
  for (Entry& entry : entries) {
    if (!entry.applied && entry.subresource.empty() && entry.manager != kAncientChanges)
      updaters.push_back(&entry);
  }
  if (updaters.size() <= kMaxUpdateManagers) return;
  std::sort(updaters.begin(), updaters.end(),
            [](const Entry* a, const Entry* b) { return a->time < b->time; });
  for (size_t i = 0; i + kMaxUpdateManagers < updaters.size(); ++i) {
    Entry folded = *updaters[i];
    *updaters[i] = Entry{};
    folded.manager = kAncientChanges;
    const auto same =
        std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.same_manager(folded); });
    if (same == entries.end()) {
      *updaters[i] = std::move(folded);
    } else {
      same->fields.merge(folded.fields);
      same->time = std::max(same->time, folded.time);
    }
  }
}

void write_entries(json::value& object, std::vector<Entry> entries, const Schema& schema) {
  cap_updaters(entries);
  std::erase_if(entries, [](const Entry& entry) { return entry.fields.empty(); });
  sort_entries(entries);
  auto* metadata = object.is_object() ? get_object(object.get_object(), "metadata") : nullptr;
  if (!metadata) return;
  if (entries.empty()) {
    if (metadata->contains("managedFields")) metadata->stable_erase("managedFields");
    return;
  }
  json::array list;
  for (const Entry& entry : entries) list.push_back(write_entry(entry));
  const Field* field = schema.find("metadata");
  set_field(*metadata, field ? *field->type : kAny, "managedFields", std::move(list));
}

json::value without_managed_fields(json::value object) {
  auto* metadata = object.is_object() ? get_object(object.get_object(), "metadata") : nullptr;
  if (metadata && metadata->contains("managedFields")) metadata->stable_erase("managedFields");
  return object;
}

/// What nobody owns: type, identity, and what the server sets.
const FieldSet& unowned() {
  static const FieldSet set = [] {
    FieldSet out;
    out.insert({"f:apiVersion"});
    out.insert({"f:kind"});
    out.insert({"f:metadata"});
    for (const char* name : {"name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName",
                             "generation", "managedFields", "resourceVersion"}) {
      out.insert({"f:metadata", std::string("f:") + name});
    }
    return out;
  }();
  return set;
}

void drop_child(FieldSet& set, std::string_view element) {
  const auto hit = set.children.find(element);
  if (hit != set.children.end()) set.children.erase(hit);
}

/// What this endpoint cannot set: status through the main resource, the rest through the status subresource.
void drop_reset_fields(FieldSet& set, const FieldManager& manager, const Schema& schema) {
  if (!manager.status_apart || (!schema.custom && !schema.find("status"))) return;
  if (manager.subresource.empty()) {
    drop_child(set, "f:status");
  } else if (manager.subresource == "status") {
    drop_child(set, "f:spec");
  }
}

Entry entry_of(const FieldManager& manager, bool applied) {
  return {manager.name, applied, manager.api_version, manager.subresource, {}, {}};
}

Entry& find_or_add(std::vector<Entry>& entries, const Entry& like) {
  const auto hit =
      std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.same_manager(like); });
  if (hit != entries.end()) return *hit;
  entries.push_back(like);
  return entries.back();
}

bool is_member(const FieldSet& set, const std::vector<std::string>& path) {
  const FieldSet* at = &set;
  for (const auto& element : path) {
    at = at->find(element);
    if (!at) return false;
  }
  return !at->empty();  // owning something inside keeps what is around it
}

/// Members of `set` that `kept` has neither itself nor anything inside.
void collect_gone(const FieldSet& set, const FieldSet& kept, std::vector<std::string>& path, FieldSet& out) {
  if (set.member && !path.empty() && !is_member(kept, path)) out.insert(path);
  for (const auto& [element, child] : set.children) {
    path.push_back(element);
    collect_gone(child, kept, path, out);
    path.pop_back();
  }
}

/// An object of which nothing is set: what a create is compared with.
json::value empty_object(const Schema& schema) {
  if (schema.custom) return json::object{{"metadata", json::object()}};
  return normalize(json::object(), schema).value_or(json::value(json::object()));
}

/// What the writer of `comparison` takes from other managers.
void take_from_others(std::vector<Entry>& entries, const Entry& self, const Comparison& comparison) {
  for (Entry& entry : entries) {
    if (!entry.same_manager(self)) {
      entry.fields.subtract(comparison.modified);
      entry.fields.subtract(comparison.added);
    }
    entry.fields.subtract(comparison.removed);
  }
}

std::vector<Conflict> conflicts_with(const std::vector<Entry>& entries, const Entry& self,
                                     const Comparison& comparison) {
  std::vector<Conflict> out;
  FieldSet changed = comparison.modified;
  changed.merge(comparison.added);
  for (const Entry& entry : entries) {
    if (entry.same_manager(self)) continue;
    for (auto& path : entry.fields.intersection(changed).paths())
      out.push_back({shown(entry), std::move(path)});
  }
  return out;
}

/// `unknown field "spec.foo"` as structured-merge-diff says it.
std::string undeclared(const std::string& complaint) {
  constexpr std::string_view kUnknown = "unknown field \"";
  if (!complaint.starts_with(kUnknown) || !complaint.ends_with('"')) return complaint;
  return fmt::format(".{}: field not declared in schema",
                     complaint.substr(kUnknown.size(), complaint.size() - kUnknown.size() - 1));
}

/// Server-side apply refuses fields that the schema lacks, and values of another type.
Result<> check_declared(const json::value& config, const Schema& schema) {
  std::vector<std::string> strict;
  std::vector<std::string> errors;
  if (const auto normal = normalize(config, schema, {&strict}); !normal)
    errors.push_back(normal.error().message);
  for (const std::string& complaint : strict) errors.push_back(undeclared(complaint));
  if (errors.empty()) return {};
  const auto* metadata = dig(&config, {"metadata"});
  const auto text = [&](std::string_view name) { return text_of(dig(metadata, {name})); };
  std::string version(text_of(dig(&config, {"apiVersion"})));
  if (!version.contains('/')) version.insert(0, "/");
  return fail(Code::kInvalid, "failed to create typed patch object ({}/{}; {}, Kind={}): {}",
              text("namespace"), text("name"), version, text_of(dig(&config, {"kind"})),
              errors.size() == 1 ? errors.front() : "errors:\n  " + join(errors, "\n  "));
}

}  // namespace

std::string conflict_message(const std::vector<Conflict>& conflicts) {
  if (conflicts.size() == 1) {
    return fmt::format("Apply failed with 1 conflict: conflict with {}: {}", conflicts[0].manager,
                       conflicts[0].field);
  }
  std::map<std::string, std::vector<std::string>> by_manager;
  for (const Conflict& conflict : conflicts) by_manager[conflict.manager].push_back(conflict.field);
  std::vector<std::string> lines;
  for (const auto& [manager, fields] : by_manager) {
    lines.push_back(fmt::format("conflicts with {}:", manager));
    for (const auto& field : fields) lines.push_back("- " + field);
  }
  return fmt::format("Apply failed with {} conflicts: {}", conflicts.size(), join(lines, "\n"));
}

json::array conflict_causes(const std::vector<Conflict>& conflicts) {
  json::array out;
  for (const Conflict& conflict : conflicts) {
    out.push_back({{"reason", "FieldManagerConflict"},
                   {"message", "conflict with " + conflict.manager},
                   {"field", conflict.field}});
  }
  return out;
}

Result<json::value> apply(const json::value& live, const json::value& config, const Schema& schema,
                          const FieldManager& manager, Force force, WallTime now,
                          std::vector<Conflict>* conflicts) {
  if (const auto* sent = managed_fields_of(config); sent && !sent->empty()) {
    return fail(Code::kInvalid, "metadata.managedFields must be nil");
  }
  TRY(check_declared(config, schema));
  const Entry self = entry_of(manager, true);
  std::vector<Entry> entries = read_entries(live);
  const json::value base = without_managed_fields(live.is_null() ? empty_object(schema) : live);
  if (!live.is_null() && entries.empty()) {
    Entry before = entry_of({std::string(kBeforeFirstApply), manager.api_version, ""}, false);
    before.fields = fields_of(base, schema);
    before.fields.subtract(unowned());
    before.time = format_rfc3339(now);
    entries.push_back(std::move(before));
  }
  FieldSet config_fields = fields_of(config, schema);
  config_fields.subtract(unowned());
  drop_reset_fields(config_fields, manager, schema);

  Entry& own = find_or_add(entries, self);
  const FieldSet last_fields = std::exchange(own.fields, config_fields);
  own.api_version = manager.api_version;
  json::value next = merge_applied(base, config, schema);
  if (!last_fields.empty()) {
    FieldSet kept, gone;
    for (const Entry& entry : entries) kept.merge(entry.fields);
    std::vector<std::string> path;
    collect_gone(last_fields, kept, path, gone);
    next = remove_fields(next, gone, schema);
  }
  next = TRY(normalize(next, schema));
  Comparison comparison = compare_fields(base, next, schema);
  for (FieldSet* set : {&comparison.added, &comparison.modified, &comparison.removed}) {
    set->subtract(unowned());
    drop_reset_fields(*set, manager, schema);
  }
  std::vector<Conflict> found = conflicts_with(entries, self, comparison);
  if (!found.empty() && force == Force::kNo) {
    const std::string message = conflict_message(found);
    if (conflicts) *conflicts = std::move(found);
    return fail(Code::kConflict, "{}", message);
  }
  take_from_others(entries, self, comparison);
  // What the configuration sets is owned even where it removes an equal older value.
  Entry& mine = find_or_add(entries, self);
  mine.fields = config_fields;
  if (mine.time.empty() || !(mine.fields == last_fields)) mine.time = format_rfc3339(now);
  write_entries(next, std::move(entries), schema);
  return next;
}

Result<json::value> track_update(const json::value& live, const json::value& object, const Schema& schema,
                                 const FieldManager& manager, WallTime now) {
  std::vector<Entry> entries = read_entries(live);
  json::value next = without_managed_fields(object);
  // An explicit empty list resets ownership.
  if (const auto* sent = managed_fields_of(object); sent && sent->empty() && !live.is_null()) return next;
  // Upstream does not begin to track an object that was never tracked.
  if (!live.is_null() && entries.empty()) return next;
  const json::value base = without_managed_fields(live.is_null() ? empty_object(schema) : live);
  Comparison comparison = compare_fields(base, next, schema);
  for (FieldSet* set : {&comparison.added, &comparison.modified, &comparison.removed})
    set->subtract(unowned());
  const Entry self = entry_of(manager, false);
  take_from_others(entries, self, comparison);
  FieldSet changed = comparison.modified;
  changed.merge(comparison.added);
  drop_reset_fields(changed, manager, schema);
  if (!changed.empty()) {
    Entry& own = find_or_add(entries, self);
    const FieldSet before = own.fields;
    own.fields.merge(changed);
    if (own.time.empty() || !(before == own.fields)) own.time = format_rfc3339(now);
  }
  write_entries(next, std::move(entries), schema);
  return next;
}

}  // namespace cloudless::schema

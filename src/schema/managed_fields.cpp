#include "schema/managed_fields.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "base/strings.hpp"
#include "schema/field_set.hpp"
#include "schema/json.hpp"
#include "schema/managed_entries.hpp"
#include "schema/normalize.hpp"
#include "schema/object_util.hpp"

namespace cloudless::schema {
namespace json = boost::json;
namespace {

/// Owns what was there before the first apply to an object that nobody tracked.
constexpr std::string_view kBeforeFirstApply = "before-first-apply";
/// The manager whose applying moves an object from client-side to server-side apply.
constexpr std::string_view kKubectl = "kubectl";
constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

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

ManagedEntry entry_of(const FieldManager& manager, bool applied) {
  return {manager.name, applied, manager.api_version, manager.subresource, {}, {}};
}

ManagedEntry& find_or_add(std::vector<ManagedEntry>& entries, const ManagedEntry& like) {
  const auto hit = std::find_if(entries.begin(), entries.end(),
                                [&](const auto& entry) { return entry.same_manager(like); });
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

FieldSet gone_from(const FieldSet& set, const FieldSet& kept) {
  std::vector<std::string> path;
  FieldSet out;
  collect_gone(set, kept, path, out);
  return out;
}

/// An object of which nothing is set: what a create is compared with.
json::value empty_object(const Schema& schema) {
  if (schema.custom) return json::object{{"metadata", json::object()}};
  return normalize(json::object(), schema).value_or(json::value(json::object()));
}

/// The kind of the object in the version of the request, and its way to the versions of others.
struct Kind {
  const Schema& schema;
  const FieldManager& manager;

  /// Null where the kind is not known in that version.
  const Schema* in(std::string_view version) const {
    return !manager.versions || version == manager.api_version ? &schema : manager.versions->schema(version);
  }
  json::value convert(const json::value& object, std::string_view from, std::string_view to) const {
    return !manager.versions || from == to ? object : manager.versions->convert(object, from, to);
  }
};

/// What a write changed, in each version that somebody has written in.
class Changes {
 public:
  Changes(const json::value& before, const json::value& after, const Kind& kind)
      : before_(before), after_(after), kind_(kind) {}

  /// Null where the kind is not known in that version.
  const Comparison* in(const std::string& version) {
    const Schema* schema = kind_.in(version);
    if (!schema) return nullptr;
    const std::string& own = kind_.manager.api_version;
    const std::string& key = schema == &kind_.schema ? own : version;
    const auto [at, added] = by_version_.try_emplace(key);
    if (!added) return &at->second;
    at->second = key == own ? compare_fields(before_, after_, *schema)
                            : compare_fields(kind_.convert(before_, own, key),
                                             kind_.convert(after_, own, key), *schema);
    for (FieldSet* set : {&at->second.added, &at->second.modified, &at->second.removed}) {
      set->subtract(unowned());
      drop_reset_fields(*set, kind_.manager, *schema);
    }
    return &at->second;
  }
  const Comparison& own() { return *in(kind_.manager.api_version); }

 private:
  const json::value& before_;
  const json::value& after_;
  const Kind& kind_;
  std::map<std::string, Comparison> by_version_;
};

/// Entries of versions that are no more cannot be kept true.
void drop_unknown_versions(std::vector<ManagedEntry>& entries, const Kind& kind) {
  std::erase_if(entries, [&](const ManagedEntry& entry) { return !kind.in(entry.api_version); });
}

/// What the writer takes from other managers.
void take_from_others(std::vector<ManagedEntry>& entries, const ManagedEntry& self, Changes& changes) {
  for (ManagedEntry& entry : entries) {
    const Comparison* comparison = changes.in(entry.api_version);
    if (!comparison) continue;
    if (!entry.same_manager(self)) {
      entry.fields.subtract(comparison->modified);
      entry.fields.subtract(comparison->added);
    }
    entry.fields.subtract(comparison->removed);
  }
}

/// What `self` changes that others own.
struct Dispute {
  const ManagedEntry* entry;
  FieldSet fields;
};

std::vector<Dispute> disputes_with(const std::vector<ManagedEntry>& entries, const ManagedEntry& self,
                                   Changes& changes) {
  std::vector<Dispute> out;
  for (const ManagedEntry& entry : entries) {
    const Comparison* comparison = entry.same_manager(self) ? nullptr : changes.in(entry.api_version);
    if (!comparison) continue;
    FieldSet changed = comparison->modified;
    changed.merge(comparison->added);
    FieldSet disputed = entry.fields.intersection(changed);
    if (!disputed.empty()) out.push_back({&entry, std::move(disputed)});
  }
  return out;
}

/// What client-side apply set and nobody has changed since: that may go over to server-side apply without a
/// conflict (fieldmanager/lastappliedmanager.go).
FieldSet set_by_client_side_apply(const json::value& live, const Schema& schema) {
  const auto* text = dig(&live, {"metadata", "annotations", kLastApplied});
  if (!text || !text->is_string()) return {};
  const auto last = parse_json(std::string_view(text->get_string()));
  if (!last || !last->is_object()) return {};
  const auto typed = normalize(*last, schema);
  if (!typed) return {};
  FieldSet out = fields_of(*last, schema);
  const Comparison since = compare_fields(*typed, live, schema);
  out.subtract(since.modified);
  out.subtract(since.added);
  out.subtract(since.removed);
  return out;
}

void allow_from_client_side_apply(std::vector<Dispute>& disputes, const json::value& live,
                                  const Schema& schema) {
  if (disputes.empty()) return;
  const FieldSet allowed = set_by_client_side_apply(live, schema);
  for (Dispute& dispute : disputes) dispute.fields.subtract(allowed);
  std::erase_if(disputes, [](const Dispute& dispute) { return dispute.fields.empty(); });
}

json::value with_sorted_keys(const json::value& value) {
  if (const auto* list = value.if_array()) {
    json::array out;
    for (const json::value& item : *list) out.push_back(with_sorted_keys(item));
    return out;
  }
  const auto* object = value.if_object();
  if (!object) return value;
  std::map<std::string_view, const json::value*> members;
  for (const auto& entry : *object) members.emplace(entry.key(), &entry.value());
  json::object out;
  for (const auto& [name, member] : members) out.emplace(name, with_sorted_keys(*member));
  return out;
}

/// kubectl's client-side apply may be used again later, and then has to know what was applied meanwhile
/// (fieldmanager/lastappliedupdater.go).
void update_last_applied(json::value& object, json::value config) {
  const auto* metadata = object.is_object() ? get_object(object.get_object(), "metadata") : nullptr;
  const auto* present = metadata ? get_object(*metadata, "annotations") : nullptr;
  if (!present || get_text(*present, kLastApplied).empty()) return;
  if (auto* meta = get_object(config.get_object(), "metadata")) {
    meta->erase("managedFields");
    if (auto* annotations = get_object(*meta, "annotations")) annotations->erase(kLastApplied);
  }
  object.at("metadata").at("annotations").as_object()[kLastApplied] =
      serialize_json(with_sorted_keys(config)) + "\n";
}

/// `merged` without what `last` had applied and nobody owns now.
json::value prune(json::value merged, const ManagedEntry& last, const std::vector<ManagedEntry>& entries,
                  const Kind& kind) {
  const std::string& own = kind.manager.api_version;
  if (last.fields.empty() || !kind.in(last.api_version)) return merged;
  std::map<std::string, FieldSet> kept;
  for (const ManagedEntry& entry : entries) kept[entry.api_version].merge(entry.fields);
  merged = kind.convert(merged, own, last.api_version);
  json::value pruned =
      remove_fields(merged, gone_from(last.fields, kept[last.api_version]), *kind.in(last.api_version));
  std::string at = last.api_version;
  for (const auto& [version, owned] : kept) {
    const Schema* schema = kind.in(version);
    if (version == at || owned.empty() || !schema) continue;
    merged = kind.convert(merged, at, version);
    pruned = kind.convert(pruned, at, version);
    at = version;
    const FieldSet gone = compare_fields(merged, pruned, *schema).removed;
    pruned = remove_fields(merged, gone_from(gone, owned), *schema);
  }
  return kind.convert(pruned, at, own);
}

/// The entries to go on from: those that the writer sent where they can be read, so that clients can move
/// ownership; else the live object's, so that clients that know nothing of them cannot lose them.
std::vector<ManagedEntry> entries_sent(const json::value& live, const json::value& object,
                                       const FieldManager& manager) {
  const json::array* sent = managed_fields_of(object);
  if (!sent || !manager.subresource.empty()) return entries_of(live);
  // A single empty entry resets them.
  const auto* only = sent->size() == 1 ? sent->front().if_object() : nullptr;
  if (only && std::ranges::all_of(*only, [](const auto& member) { return is_zero(member.value()); }))
    return {};
  auto entries = read_entries(*sent);
  return entries && !entries->empty() ? std::move(*entries) : entries_of(live);
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
  const Kind kind{schema, manager};
  const ManagedEntry self = entry_of(manager, true);
  std::vector<ManagedEntry> entries = entries_of(live);
  drop_unknown_versions(entries, kind);
  const json::value empty = empty_object(schema);
  const json::value base = without_managed_fields(live.is_null() ? empty : live);
  if (!live.is_null() && entries.empty()) {
    ManagedEntry before = entry_of({std::string(kBeforeFirstApply), manager.api_version, ""}, false);
    Changes since_nothing(empty, base, kind);
    before.fields = since_nothing.own().added;
    before.fields.merge(since_nothing.own().modified);
    before.time = format_rfc3339(now);
    entries.push_back(std::move(before));
  }
  FieldSet config_fields = fields_of(config, schema);
  config_fields.subtract(unowned());
  drop_reset_fields(config_fields, manager, schema);

  ManagedEntry& own = find_or_add(entries, self);
  const ManagedEntry last = own;
  own.fields = config_fields;
  own.api_version = manager.api_version;
  const json::value merged = prune(merge_applied(base, config, schema), last, entries, kind);
  json::value next = TRY(normalize(merged, schema));
  Changes changes(base, next, kind);
  if (force == Force::kNo) {
    std::vector<Dispute> disputes = disputes_with(entries, self, changes);
    if (manager.name == kKubectl) allow_from_client_side_apply(disputes, base, schema);
    std::vector<Conflict> found;
    for (const Dispute& dispute : disputes) {
      for (auto& path : dispute.fields.paths()) found.push_back({dispute.entry->shown(), std::move(path)});
    }
    if (!found.empty()) {
      const std::string message = conflict_message(found);
      if (conflicts) *conflicts = std::move(found);
      return fail(Code::kConflict, "{}", message);
    }
  }
  take_from_others(entries, self, changes);
  // What the configuration sets is owned even where it removes an equal older value.
  ManagedEntry& mine = find_or_add(entries, self);
  mine.fields = config_fields;
  if (mine.time.empty() || !(mine.fields == last.fields) || mine.api_version != last.api_version)
    mine.time = format_rfc3339(now);
  if (manager.name == kKubectl) update_last_applied(next, config);
  write_entries(next, std::move(entries), schema);
  return next;
}

Result<json::value> track_update(const json::value& live, const json::value& object, const Schema& schema,
                                 const FieldManager& manager, WallTime now) {
  const Kind kind{schema, manager};
  std::vector<ManagedEntry> entries = entries_sent(live, object, manager);
  json::value next = without_managed_fields(object);
  // Upstream does not begin to track an object that was never tracked.
  if (!live.is_null() && entries.empty()) return next;
  drop_unknown_versions(entries, kind);
  const json::value base = without_managed_fields(live.is_null() ? empty_object(schema) : live);
  Changes changes(base, next, kind);
  const ManagedEntry self = entry_of(manager, false);
  take_from_others(entries, self, changes);
  FieldSet changed = changes.own().modified;
  changed.merge(changes.own().added);
  if (!changed.empty()) {
    ManagedEntry& own = find_or_add(entries, self);
    const FieldSet before = own.fields;
    own.fields.merge(changed);
    if (own.time.empty() || !(before == own.fields)) own.time = format_rfc3339(now);
  }
  write_entries(next, std::move(entries), schema);
  return next;
}

}  // namespace cloudless::schema

#include "schema/managed_entries.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <tuple>

#include "base/strings.hpp"
#include "schema/object_util.hpp"

namespace cloudless::schema {
namespace json = boost::json;
namespace {

/// More managers that update than this are folded into kAncientChanges, oldest first
/// (fieldmanager/capmanagers.go).
constexpr size_t kMaxUpdateManagers = 10;
constexpr std::string_view kAncientChanges = "ancient-changes";

std::optional<ManagedEntry> read_entry(const json::value& item) {
  const auto* object = item.if_object();
  if (!object) return std::nullopt;
  const std::string_view operation = get_text(*object, "operation");
  const bool applied = operation == "Apply";
  if ((!applied && operation != "Update") || get_text(*object, "fieldsType") != "FieldsV1" ||
      get_text(*object, "apiVersion").empty()) {
    return std::nullopt;
  }
  ManagedEntry entry{
      std::string(get_text(*object, "manager")),    applied,
      std::string(get_text(*object, "apiVersion")), std::string(get_text(*object, "subresource")),
      std::string(get_text(*object, "time")),       {}};
  const auto* fields = get(*object, "fieldsV1");
  if (!fields) return entry;
  auto set = parse_field_set(*fields);
  if (!set) return std::nullopt;
  entry.fields = std::move(*set);
  return entry;
}

json::value write_entry(const ManagedEntry& entry) {
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
void sort_entries(std::vector<ManagedEntry>& entries) {
  std::sort(entries.begin(), entries.end(), [](const ManagedEntry& a, const ManagedEntry& b) {
    if (a.applied != b.applied) return a.applied;
    return std::tie(a.time, a.manager, a.api_version, a.subresource) <
           std::tie(b.time, b.manager, b.api_version, b.subresource);
  });
}

void cap_updaters(std::vector<ManagedEntry>& entries) {
  std::vector<ManagedEntry*> updaters;
  for (ManagedEntry& entry : entries) {
    if (!entry.applied && entry.subresource.empty() && entry.manager != kAncientChanges)
      updaters.push_back(&entry);
  }
  if (updaters.size() <= kMaxUpdateManagers) return;
  std::sort(updaters.begin(), updaters.end(),
            [](const ManagedEntry* a, const ManagedEntry* b) { return a->time < b->time; });
  for (size_t i = 0; i + kMaxUpdateManagers < updaters.size(); ++i) {
    ManagedEntry folded = *updaters[i];
    *updaters[i] = ManagedEntry{};
    folded.manager = kAncientChanges;
    const auto same = std::find_if(entries.begin(), entries.end(),
                                   [&](const ManagedEntry& e) { return e.same_manager(folded); });
    if (same == entries.end()) {
      *updaters[i] = std::move(folded);
    } else {
      same->fields.merge(folded.fields);
      same->time = std::max(same->time, folded.time);
    }
  }
}

}  // namespace

bool ManagedEntry::same_manager(const ManagedEntry& other) const {
  return manager == other.manager && applied == other.applied && subresource == other.subresource &&
         (applied || api_version == other.api_version);
}

std::string ManagedEntry::shown() const {
  std::string out = quote(manager);
  if (!subresource.empty()) out += " with subresource " + quote(subresource);
  if (!applied) out += " using " + api_version;
  return out;
}

const json::array* managed_fields_of(const json::value& object) {
  const auto* list = dig(&object, {"metadata", "managedFields"});
  return list ? list->if_array() : nullptr;
}

std::optional<std::vector<ManagedEntry>> read_entries(const json::array& list) {
  std::vector<ManagedEntry> out;
  for (const json::value& item : list) {
    std::optional<ManagedEntry> entry = read_entry(item);
    if (!entry) return std::nullopt;
    out.push_back(std::move(*entry));
  }
  return out;
}

std::vector<ManagedEntry> entries_of(const json::value& object) {
  const json::array* list = managed_fields_of(object);
  return list ? read_entries(*list).value_or(std::vector<ManagedEntry>()) : std::vector<ManagedEntry>();
}

void write_entries(json::value& object, std::vector<ManagedEntry> entries, const Schema& schema) {
  cap_updaters(entries);
  std::erase_if(entries, [](const ManagedEntry& entry) { return entry.fields.empty(); });
  sort_entries(entries);
  auto* metadata = object.is_object() ? get_object(object.get_object(), "metadata") : nullptr;
  if (!metadata) return;
  if (entries.empty()) {
    if (metadata->contains("managedFields")) metadata->stable_erase("managedFields");
    return;
  }
  json::array list;
  for (const ManagedEntry& entry : entries) list.push_back(write_entry(entry));
  const Field* field = schema.find("metadata");
  set_field(*metadata, field ? *field->type : kAny, "managedFields", std::move(list));
}

}  // namespace cloudless::schema

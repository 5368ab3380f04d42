#include "client/testing/fake_api.hpp"

#include <algorithm>
#include <charconv>

#include "api/registry.hpp"
#include "base/encoding.hpp"
#include "base/strings.hpp"

namespace cloudless::client::testing {

namespace json = boost::json;

struct FakeApi::Target {
  std::string collection;  // "pods", "deployments.apps"
  std::string api_version;
  std::string ns;
  std::string name;
  std::string subresource;
  std::map<std::string, std::string> query;

  std::string key() const { return ns.empty() ? name : ns + "/" + name; }
  // Whether a list or watch has the object: by its namespace, and by its name where a field selector pins it.
  bool selects(const std::string& object_ns, const std::string& object_name) const {
    if (!ns.empty() && object_ns != ns) return false;
    const auto selector = query.find("fieldSelector");
    constexpr std::string_view kName = "metadata.name=";
    return selector == query.end() || !selector->second.starts_with(kName) ||
           selector->second.substr(kName.size()) == object_name;
  }
};

namespace {

// "/api/v1/namespaces/x/pods/y/status", "/apis/apps/v1/deployments".
bool split_target(const net::Request& request, std::vector<std::string>& parts) {
  for (const std::string_view part : split(request.path(), '/')) {
    if (!part.empty()) parts.emplace_back(part);
  }
  return parts.size() >= 3 && (parts[0] == "api" || (parts[0] == "apis" && parts.size() >= 4));
}

json::object status_body(int code, const char* reason, std::string message) {
  return {{"kind", "Status"}, {"apiVersion", "v1"}, {"status", "Failure"},
          {"code", code},     {"reason", reason},   {"message", std::move(message)}};
}

json::object& metadata_of(json::object& object) {
  json::value& metadata = object["metadata"];
  if (!metadata.is_object()) metadata.emplace_object();
  return metadata.get_object();
}

std::string text(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::string metadata_text(const json::object& object, std::string_view name) {
  const json::value* metadata = object.if_contains("metadata");
  return metadata && metadata->is_object() ? text(metadata->get_object(), name) : std::string();
}

bool has_items(const json::object& object, const char* part, const char* list) {
  const json::value* whole = object.if_contains(part);
  const json::value* items = whole && whole->is_object() ? whole->get_object().if_contains(list) : nullptr;
  return items && items->is_array() && !items->get_array().empty();
}

// Of the object itself, and of a namespace's content.
bool has_finalizers(const json::object& object) {
  return has_items(object, "metadata", "finalizers") || has_items(object, "spec", "finalizers");
}

json::object resource_list(const std::string& group, const std::string& version) {
  json::array resources;
  for (const schema::ResourceInfo& info : api::resources()) {
    if (info.group != group || info.version != version || info.is_subresource()) continue;
    json::array verbs;
    for (const std::string_view verb : info.verbs) verbs.emplace_back(verb);
    resources.push_back(json::object{{"name", info.resource},
                                     {"kind", info.kind},
                                     {"namespaced", info.namespaced},
                                     {"verbs", std::move(verbs)}});
  }
  return {{"kind", "APIResourceList"}, {"groupVersion", version}, {"resources", std::move(resources)}};
}

json::object group_list() {
  std::map<std::string, std::string> versions;
  for (const schema::ResourceInfo& info : api::resources()) {
    if (!info.group.empty()) versions[std::string(info.group)] = info.version;
  }
  json::array groups;
  for (const auto& [group, version] : versions) {
    groups.push_back(json::object{{"name", group}, {"preferredVersion", {{"version", version}}}});
  }
  return {{"kind", "APIGroupList"}, {"groups", std::move(groups)}};
}

// The answer to a discovery request; empty for any other.
json::object discovery(std::string_view path) {
  const auto parts = split(path, '/');
  if (path == "/apis") return group_list();
  if (path == "/api/v1") return resource_list("", "v1");
  if (parts.size() == 4 && parts[1] == "apis")
    return resource_list(std::string(parts[2]), std::string(parts[3]));
  return {};
}

void merge(json::value& into, const json::value& patch, std::string_view field);

// Lists that strategic merge patches merge by a key.
std::string_view merge_key(std::string_view field) {
  if (field == "conditions") return "type";
  if (field == "ownerReferences") return "uid";
  return {};
}

void merge_list(json::array& into, const json::array& patch, std::string_view key) {
  for (const json::value& item : patch) {
    const auto same = [&](const json::value& other) { return other.at(key) == item.at(key); };
    const auto found = std::find_if(into.begin(), into.end(), same);
    if (item.get_object().contains("$patch")) {
      if (found != into.end()) into.erase(found);
    } else if (found != into.end()) {
      merge(*found, item, {});
    } else {
      into.push_back(item);
    }
  }
}

void merge(json::value& into, const json::value& patch, std::string_view field) {
  if (patch.is_array() && into.is_array() && !merge_key(field).empty()) {
    return merge_list(into.get_array(), patch.get_array(), merge_key(field));
  }
  if (!patch.is_object()) {
    into = patch;
    return;
  }
  if (!into.is_object()) into.emplace_object();
  for (const auto& [name, value] : patch.get_object()) {
    if (value.is_null()) {
      into.get_object().erase(name);
    } else {
      json::value& member = into.get_object()[name];
      if (member.is_null() && value.is_array() && !merge_key(name).empty()) member.emplace_array();
      merge(member, value, name);
    }
  }
}

}  // namespace

net::Handler FakeApi::handler() {
  return [this](net::Request request, net::ResponseWriter& response) {
    return serve(std::move(request), response);
  };
}

void FakeApi::compact() {
  events_.clear();
  compacted_ = revision_;
}

void FakeApi::drop_watches() {
  ++watch_generation_;
  for (runtime::Signal* watcher : watchers_) watcher->notify();
}

const json::object* FakeApi::find(const std::string& collection, const std::string& key) const {
  const auto objects = collections_.find(collection);
  if (objects == collections_.end()) return nullptr;
  const auto object = objects->second.find(key);
  return object == objects->second.end() ? nullptr : &object->second;
}

std::vector<const json::object*> FakeApi::all(const std::string& collection) const {
  std::vector<const json::object*> found;
  const auto objects = collections_.find(collection);
  if (objects == collections_.end()) return found;
  for (const auto& [key, object] : objects->second) found.push_back(&object);
  return found;
}

int FakeApi::created(const std::string& collection) const {
  const auto count = created_.find(collection);
  return count == created_.end() ? 0 : count->second;
}

void FakeApi::note(std::string_view what) {
  history_ = sha256(
      fmt::format("{}{}{}", history_, executor_.clock().steady_now().time_since_epoch().count(), what));
}

void FakeApi::publish(const std::string& collection, const char* event, const json::object& object) {
  events_.push_back({revision_, collection,
                     json::serialize(json::object{{"type", event}, {"object", object}}) + "\n",
                     metadata_text(object, "namespace"), metadata_text(object, "name")});
  note(events_.back().line);
  for (runtime::Signal* watcher : watchers_) watcher->notify();
}

json::object FakeApi::store(const std::string& collection, const std::string& key, json::object object,
                            const char* event) {
  metadata_of(object)["resourceVersion"] = std::to_string(++revision_);
  publish(collection, event, object);
  return collections_[collection][key] = std::move(object);
}

json::object FakeApi::put(const std::string& collection, json::object object) {
  const std::string ns = metadata_text(object, "namespace");
  const std::string name = metadata_text(object, "name");
  const std::string key = ns.empty() ? name : ns + "/" + name;
  const json::object* existing = find(collection, key);
  json::object& metadata = metadata_of(object);
  if (!existing) {
    ++created_[collection];
    metadata["uid"] = random_.uuid();
    metadata["creationTimestamp"] = format_rfc3339(executor_.clock().wall_now());
    metadata.emplace("generation", 1);
  } else {
    metadata["uid"] = metadata_text(*existing, "uid");
  }
  return store(collection, key, std::move(object), existing ? "MODIFIED" : "ADDED");
}

bool FakeApi::erase(const std::string& collection, const std::string& key) {
  auto& objects = collections_[collection];
  const auto found = objects.find(key);
  if (found == objects.end()) return false;
  json::object object = std::move(found->second);
  objects.erase(found);
  metadata_of(object)["resourceVersion"] = std::to_string(++revision_);
  publish(collection, "DELETED", object);
  return true;
}

FakeApi::Answer FakeApi::create(const Target& target, json::object object) {
  json::object& metadata = metadata_of(object);
  if (text(metadata, "name").empty())
    metadata["name"] = text(metadata, "generateName") + random_.text(5, kNameAlphabet);
  if (!target.ns.empty()) metadata["namespace"] = target.ns;
  const std::string name = text(metadata, "name");
  if (find(target.collection, target.ns.empty() ? name : target.ns + "/" + name)) {
    return {409, status_body(409, "AlreadyExists",
                             fmt::format("{} \"{}\" already exists", target.collection, name))};
  }
  return {201, put(target.collection, std::move(object))};
}

FakeApi::Answer FakeApi::update(const Target& target, json::object object) {
  const json::object* existing = find(target.collection, target.key());
  if (!existing) return {404, status_body(404, "NotFound", target.name + " not found")};
  const std::string version = metadata_text(object, "resourceVersion");
  if (!version.empty() && version != metadata_text(*existing, "resourceVersion")) {
    return {409, status_body(409, "Conflict", "the object has been modified")};
  }
  json::object next = target.subresource == "status" ? *existing : std::move(object);
  if (target.subresource == "status") {
    next["status"] = object.contains("status") ? object["status"] : json::value();
  } else {
    if (existing->contains("status")) next["status"] = existing->at("status");
    const bool spec_changed = existing->contains("spec") && next["spec"] != existing->at("spec");
    const json::value generation = existing->at("metadata").at("generation");
    metadata_of(next)["generation"] = generation.to_number<int64_t>() + (spec_changed ? 1 : 0);
  }
  if (metadata_of(next).contains("deletionTimestamp") && !has_finalizers(next) &&
      target.collection != "pods") {
    erase(target.collection, target.key());
    return {200, next};
  }
  return {200, store(target.collection, target.key(), std::move(next), "MODIFIED")};
}

FakeApi::Answer FakeApi::patch(const Target& target, const json::object& patch) {
  const json::object* existing = find(target.collection, target.key());
  if (!existing) return {404, status_body(404, "NotFound", target.name + " not found")};
  const std::string uid = metadata_text(patch, "uid");
  if (!uid.empty() && uid != metadata_text(*existing, "uid")) {
    return {409, status_body(409, "Conflict", "uid mismatch")};
  }
  json::value merged = *existing;
  merge(merged, patch, {});
  Target whole = target;
  return update(whole, std::move(merged.get_object()));
}

FakeApi::Answer FakeApi::remove(const Target& target, const json::object& options) {
  const json::object* existing = find(target.collection, target.key());
  if (!existing) return {404, status_body(404, "NotFound", target.name + " not found")};
  const json::value* preconditions = options.if_contains("preconditions");
  const std::string uid = preconditions ? text(preconditions->get_object(), "uid") : "";
  if (!uid.empty() && uid != metadata_text(*existing, "uid")) {
    return {409, status_body(409, "Conflict", "the UID in the precondition does not match")};
  }
  json::object object = *existing;
  const json::value* grace = options.if_contains("gracePeriodSeconds");
  const bool at_once = grace && grace->is_int64() && grace->get_int64() == 0;
  const json::value* spec = object.if_contains("spec");
  const bool runs =
      target.collection == "pods" && spec && !text(spec->get_object(), "nodeName").empty() && !at_once;
  const std::string policy = text(options, "propagationPolicy");
  if (policy == "Foreground") {
    json::value& finalizers = metadata_of(object)["finalizers"];
    if (!finalizers.is_array()) finalizers.emplace_array();
    finalizers.get_array().push_back("foregroundDeletion");
  }
  if (!runs && !has_finalizers(object)) {
    erase(target.collection, target.key());
    return {200, {{"kind", "Status"}, {"apiVersion", "v1"}, {"status", "Success"}}};
  }
  if (!metadata_of(object).contains("deletionTimestamp")) {
    metadata_of(object)["deletionTimestamp"] = format_rfc3339(executor_.clock().wall_now());
    object = store(target.collection, target.key(), std::move(object), "MODIFIED");
  }
  return {200, object};
}

FakeApi::Answer FakeApi::bind(const Target& target, const json::object& binding) {
  const json::object* existing = find(target.collection, target.key());
  if (!existing) return {404, status_body(404, "NotFound", target.name + " not found")};
  json::object object = *existing;
  json::object& spec =
      object["spec"].is_object() ? object["spec"].get_object() : object["spec"].emplace_object();
  if (!text(spec, "nodeName").empty()) {
    return {409, status_body(409, "Conflict", "pod " + target.name + " is already assigned to node")};
  }
  spec["nodeName"] = binding.at("target").at("name");
  store(target.collection, target.key(), std::move(object), "MODIFIED");
  return {201, {{"kind", "Status"}, {"apiVersion", "v1"}, {"status", "Success"}}};
}

FakeApi::Answer FakeApi::list(const Target& target) const {
  json::array items;
  for (const json::object* object : all(target.collection)) {
    if (target.selects(metadata_text(*object, "namespace"), metadata_text(*object, "name")))
      items.push_back(*object);
  }
  return {200,
          {{"kind", "List"},
           {"apiVersion", target.api_version},
           {"metadata", {{"resourceVersion", std::to_string(revision_)}}},
           {"items", std::move(items)}}};
}

FakeApi::Answer FakeApi::remove_all(const Target& target) {
  std::vector<std::string> names;
  for (const json::object* object : all(target.collection)) {
    if (metadata_text(*object, "namespace") == target.ns) names.push_back(metadata_text(*object, "name"));
  }
  for (const std::string& name : names) {
    Target one = target;
    one.name = name;
    remove(one, {});
  }
  return {200, {{"kind", "Status"}, {"apiVersion", "v1"}, {"status", "Success"}}};
}

FakeApi::Answer FakeApi::answer(const std::string& method, const Target& target, const std::string& body) {
  if (hidden_.contains(target.collection)) {
    return {404, status_body(404, "NotFound", "the server could not find the requested resource")};
  }
  if (method == "GET") {
    if (target.name.empty()) return list(target);
    const json::object* found = find(target.collection, target.key());
    return found ? Answer{200, *found}
                 : Answer{404, status_body(404, "NotFound", target.name + " not found")};
  }
  if (happens(faults_.refused)) return {500, status_body(500, "InternalError", "refused by the test")};
  const json::object object = body.empty() ? json::object() : json::parse(body).get_object();
  Answer done;
  if (method == "POST")
    done = target.subresource == "binding" ? bind(target, object) : create(target, object);
  if (method == "PUT") done = update(target, object);
  if (method == "PATCH") done = patch(target, object);
  if (method == "DELETE") done = target.name.empty() ? remove_all(target) : remove(target, object);
  if (happens(faults_.lost_answer)) return {504, status_body(504, "Timeout", "the answer was lost")};
  return done;
}

runtime::Task<void> FakeApi::serve(net::Request request, net::ResponseWriter& response) {
  note(request.method + " " + request.target);
  if (const json::object found = discovery(request.path()); !found.empty()) {
    static_cast<void>(co_await response.respond(200, {}, {share(json::serialize(found))}));
    co_return;
  }
  std::vector<std::string> parts;
  if (!split_target(request, parts)) {
    static_cast<void>(co_await response.respond(404, {}, {}));
    co_return;
  }
  Target target;
  size_t at = parts[0] == "api" ? 2 : 3;
  const std::string group = parts[0] == "api" ? "" : parts[1];
  target.api_version = group.empty() ? parts[1] : group + "/" + parts[2];
  const bool own_part = parts.size() == at + 3 && (parts[at + 2] == "finalize" || parts[at + 2] == "status");
  if (parts.size() > at + 2 && parts[at] == "namespaces" && !own_part) {
    target.ns = parts[at + 1];
    at += 2;
  }
  target.collection = group.empty() ? parts[at] : parts[at] + "." + group;
  if (parts.size() > at + 1) target.name = parts[at + 1];
  if (parts.size() > at + 2) target.subresource = parts[at + 2];
  if (auto query = net::parse_query(request.query())) target.query = {query->begin(), query->end()};
  if (target.query.contains("watch") && !hidden_.contains(target.collection)) {
    co_await serve_watch(target, response);
    co_return;
  }
  std::string body;
  if (request.body) body = (co_await net::read_all(*request.body, size_t{4} << 20)).value_or("");
  const Answer done = answer(request.method, target, body);
  static_cast<void>(co_await response.respond(done.status, {{"Content-Type", "application/json"}},
                                              {share(json::serialize(done.body))}));
}

runtime::Task<void> FakeApi::serve_watch(const Target& target, net::ResponseWriter& response) {
  int64_t from = 0;
  const auto asked = target.query.find("resourceVersion");
  if (asked != target.query.end()) {
    std::from_chars(asked->second.data(), asked->second.data() + asked->second.size(), from);
  }
  if (from < compacted_) {
    const json::object gone = status_body(410, "Expired", "too old resource version");
    static_cast<void>(co_await response.respond(410, {}, {share(json::serialize(gone))}));
    co_return;
  }
  if (!co_await response.start(200, {{"Content-Type", "application/json"}})) co_return;
  runtime::Signal wake;
  watchers_.push_back(&wake);
  const uint64_t generation = watch_generation_;
  bool open = true;
  int64_t seen = from;  // of all collections
  while (open && generation == watch_generation_ && from >= compacted_) {
    // By index: the list of events grows while we write.
    const auto unseen = std::ranges::upper_bound(events_, seen, {}, &Event::revision);
    for (auto i = static_cast<size_t>(unseen - events_.begin()); open && i < events_.size(); ++i) {
      seen = events_[i].revision;
      if (events_[i].collection != target.collection) continue;
      from = events_[i].revision;
      if (!target.selects(events_[i].ns, events_[i].name)) continue;
      if (happens(faults_.dropped_watch)) open = false;
      if (open && !co_await response.write(share(events_[i].line))) open = false;
    }
    if (open && !co_await wake.wait()) open = false;
  }
  std::erase(watchers_, &wake);
  static_cast<void>(co_await response.finish());
}

}  // namespace cloudless::client::testing

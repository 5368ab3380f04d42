// Kinds with every field set go through the server in every format, and come out as they went in.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "api/registry.hpp"
#include "api/testing/filler.hpp"
#include "apiserver/json_fields.hpp"
#include "apiserver/testing/acceptable.hpp"
#include "apiserver/testing/test_server.hpp"
#include "schema/codec.hpp"
#include "schema/json.hpp"
#include "schema/yaml.hpp"

namespace cloudless::apiserver {
namespace {

using api::testing::Filler;
using api::testing::Unions;
using schema::Form;
using schema::Format;
using schema::ResourceInfo;
using schema::Schema;
using testing::TestResponse;
using testing::TestServer;

// Turns through the members that exclude each other, so that each gets its own: the longest list is that of a
// volume's.
constexpr int kTurns = 26;

constexpr Format kFormats[] = {Format::kJson, Format::kYaml, Format::kProtobuf};

std::string media_type(Format format) {
  switch (format) {
    case Format::kJson:
      return "application/json";
    case Format::kYaml:
      return "application/yaml";
    case Format::kProtobuf:
      return "application/vnd.kubernetes.protobuf";
  }
  return "";
}

// Values that no refusal explains well enough, and names that follow from other fields.
struct Known {
  std::string_view resource;
  std::string_view path;
  std::string_view json;
};
constexpr Known kKnown[] = {
    {"certificatesigningrequests", "spec.signerName", R"("example.com/signer")"},
};

// What the server itself decides, as upstream does.
struct Decided {
  std::string_view resource;
  std::string_view path;
};
constexpr Decided kDecided[] = {
    {"certificatesigningrequests", "spec.username"},  // who asks, not what he says
    {"certificatesigningrequests", "spec.uid"},
    {"certificatesigningrequests", "spec.groups"},
    {"certificatesigningrequests", "spec.extra"},
};

// Their rules ask for more than refusals tell (which of many members belong together), or the server writes
// into what they set. Every field of theirs goes through every codec in api/round_trip_test.cpp.
constexpr std::string_view kRulesOfTheirOwn[] = {
    "namespaces",
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "replicationcontrollers",
    "secrets",
    "services",
    "resourcequotas",
    "apiservices",
    "customresourcedefinitions",
    "daemonsets",
    "deployments",
    "replicasets",
    "statefulsets",
    "cronjobs",
    "jobs",
    "ingresses",
    "clusterrolebindings",
    "rolebindings",
};

bool is_round_tripped(const ResourceInfo& info) {
  if (std::ranges::find(kRulesOfTheirOwn, info.resource) != std::end(kRulesOfTheirOwn)) return false;
  const auto has = [&](std::string_view verb) {
    return std::ranges::find(info.verbs, verb) != info.verbs.end();
  };
  return !info.is_subresource() && has("create") && has("update") && has("watch");
}

const ResourceInfo* status_of(const ResourceInfo& info) {
  return api::find_resource(info.group, info.version, std::string(info.resource) + "/status");
}

std::string collection(const ResourceInfo& info) {
  std::string path = info.group.empty() ? "/api/" : "/apis/" + std::string(info.group) + "/";
  path += info.version;
  if (info.namespaced) path += "/namespaces/default";
  return path + "/" + std::string(info.resource);
}

// "spec.containers[].name" of all that is set below `value`.
void collect_leaves(const json::value& value, const std::string& path, std::set<std::string>& leaves) {
  if (const json::object* object = value.if_object(); object && !object->empty()) {
    for (const auto& [key, member] : *object) collect_leaves(member, path + "." + std::string(key), leaves);
  } else if (const json::array* array = value.if_array(); array && !array->empty()) {
    for (const json::value& item : *array) collect_leaves(item, path + "[]", leaves);
  } else {
    leaves.insert(path);
  }
}

// Map keys are not fields.
std::string without_keys(std::string path) {
  for (size_t at = 0; (at = path.find(".key", at)) != std::string::npos;) {
    const size_t digits = path.find_first_not_of("0123456789", at + 4);
    if (digits == at + 4) {
      at += 4;
      continue;
    }
    size_t end = digits == std::string::npos ? path.size() : digits;
    if (end < path.size() && path[end] == 'b') ++end;
    path.replace(at, end - at, ".*");
  }
  return path;
}

std::set<std::string> leaves_of(const json::object& object) {
  std::set<std::string> all;
  for (const auto& [key, member] : object) {
    if (key != "metadata" && key != "kind" && key != "apiVersion" && key != "status")
      collect_leaves(member, std::string(key), all);
  }
  std::set<std::string> leaves;
  for (const std::string& leaf : all) leaves.insert(without_keys(leaf));
  return leaves;
}

// Everything of `part` is in `whole`; the path of the first that is not.
std::string missing_from(const json::value& whole, const json::value& part, const std::string& path = "") {
  if (const json::object* members = part.if_object()) {
    for (const auto& [key, member] : *members) {
      const json::value* found = whole.is_object() ? whole.get_object().if_contains(key) : nullptr;
      const std::string below = path + "." + std::string(key);
      if (!found) return below;
      if (std::string missing = missing_from(*found, member, below); !missing.empty()) return missing;
    }
    return "";
  }
  if (const json::array* items = part.if_array()) {
    if (!whole.is_array() || whole.get_array().size() != items->size()) return path;
    for (size_t i = 0; i < items->size(); ++i) {
      const std::string below = path + "[" + std::to_string(i) + "]";
      if (std::string missing = missing_from(whole.get_array()[i], (*items)[i], below); !missing.empty())
        return missing;
    }
    return "";
  }
  return schema::equal_json(whole, part)
             ? ""
             : path + " is " + json::serialize(whole) + ", not " + json::serialize(part);
}

// One event of a watch, whatever its format.
struct Event {
  std::string type;
  std::string object;  // in the watch's format
};

// A protobuf field of length-delimited bytes, taken from the front of `bytes`.
std::string_view take_field(std::string_view& bytes) {
  size_t at = 1;
  size_t size = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes.at(at++));
    size |= size_t{byte & 0x7fU} << shift;
    if (byte < 0x80) break;
  }
  const std::string_view field = bytes.substr(at, size);
  bytes.remove_prefix(at + size);
  return field;
}

// Frames: four bytes of length, then WatchEvent{1: type, 2: RawExtension{1: object}}.
std::vector<Event> protobuf_events(std::string_view stream) {
  std::vector<Event> events;
  while (stream.size() >= 4) {
    size_t size = 0;
    for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<uint8_t>(stream[static_cast<size_t>(i)]);
    if (stream.size() < 4 + size) break;
    std::string_view frame = stream.substr(4, size);
    stream.remove_prefix(4 + size);
    const std::string_view type = take_field(frame);
    std::string_view extension = take_field(frame);
    events.push_back({std::string(type), std::string(take_field(extension))});
  }
  return events;
}

std::vector<Event> json_events(std::string_view stream) {
  std::vector<Event> events;
  for (size_t end; (end = stream.find('\n')) != std::string_view::npos; stream.remove_prefix(end + 1)) {
    const json::value event = json::parse(stream.substr(0, end));
    events.push_back(
        {std::string(text_at(event.get_object(), {"type"})), json::serialize(event.at("object"))});
  }
  return events;
}

std::vector<Event> events_of(Format format, std::string_view stream) {
  return format == Format::kProtobuf ? protobuf_events(stream) : json_events(stream);
}

runtime::Task<std::string> read_events(net::Transport& transport, std::string target, Format format,
                                       size_t count) {
  net::Request request{.target = std::move(target)};
  request.headers.add("accept", media_type(format) + (format == Format::kProtobuf ? ";stream=watch" : ""));
  Result<net::Response> response = co_await transport.send(std::move(request));
  std::string stream;
  while (response && events_of(format, stream).size() < count) {
    const auto piece = co_await response->body->next();
    if (!piece || !*piece) break;
    stream += ***piece;
  }
  co_return stream;
}

class EveryKind : public ::testing::Test {
 protected:
  EveryKind() : transport_(server_.transport()) {}
  ~EveryKind() override { server_.run(transport_->stop()); }

  // The metadata that a user may set.
  static json::object metadata_of(const ResourceInfo& info) {
    json::object metadata{{"name", "full"},
                          {"labels", {{"example.com/app", "x"}}},
                          {"annotations", {{"example.com/note", "<&> \u2028 \"quoted\" \\ \t"}}},
                          {"ownerReferences",
                           {{{"apiVersion", "v1"},
                             {"kind", "Node"},
                             {"name", "o"},
                             {"uid", "7f1c1e34-5c0e-4a6a-9d0c-2f6f3a1f0001"}}}}};
    if (info.namespaced) metadata["namespace"] = "default";
    return metadata;
  }

  static json::object full(const ResourceInfo& info, int turn) {
    json::object object = Filler(Unions::kOne, turn).object(*info.schema).as_object();
    object["metadata"] = metadata_of(info);
    if (status_of(info)) object.erase("status");
    json::value root(std::move(object));
    for (const Known& known : kKnown) {
      if (known.resource != info.resource) continue;
      if (json::value* value = testing::value_at(root, std::string(known.path)))
        *value = json::parse(known.json);
    }
    return std::move(root.as_object());
  }

  Result<json::object> settle(const ResourceInfo& info, json::object object) {
    return testing::acceptable(std::move(object), *info.schema, [&](const json::object& candidate) {
      return server_.call("POST", collection(info) + "?dryRun=All", schema::serialize_json(candidate));
    });
  }

  std::string encode(const json::value& object, Format format, const Schema& kind) {
    auto body = schema::encode_body(format, object, kind);
    EXPECT_TRUE(body) << body.error().message;
    return body.value_or("");
  }
  // The answer's object, whatever its format; null after a failure.
  json::value decode(const TestResponse& answer, Format format, const Schema& kind) {
    EXPECT_LT(answer.status, 300) << answer.body;
    EXPECT_EQ(answer.headers.get("content-type").value_or("").substr(0, media_type(format).size()),
              media_type(format));
    auto object = schema::decode_body(format, answer.body, kind);
    EXPECT_TRUE(object) << object.error().message;
    return object.value_or(json::value());
  }

  // Creates `object` in one format and reads it back in all of them.
  void round_trip(const ResourceInfo& info, json::object object, Format format, Format answer_format) {
    const Schema& kind = *info.schema;
    const std::string path = collection(info) + "/" + std::string(name_of(object));
    const json::value created = decode(server_.call("POST", collection(info), encode(object, format, kind),
                                                    media_type(format), media_type(answer_format)),
                                       answer_format, kind);
    ASSERT_TRUE(created.is_object());
    json::object wanted = object;
    for (const Decided& decided : kDecided) {
      if (decided.resource != info.resource) continue;
      const size_t dot = decided.path.find('.');
      if (dot == std::string_view::npos) {
        wanted.erase(decided.path);
      } else if (json::value* parent = wanted.if_contains(decided.path.substr(0, dot))) {
        parent->as_object().erase(decided.path.substr(dot + 1));
      }
    }
    EXPECT_EQ(missing_from(created, wanted), "");
    const std::string text = schema::serialize_json(created);
    for (const Format read : kFormats) {
      const TestResponse got = server_.call("GET", path, "", "", media_type(read));
      EXPECT_EQ(schema::serialize_json(decode(got, read, kind)), text);
    }
    json::object changed = created.as_object();
    make_object(changed, {"metadata", "annotations"})["example.com/changed"] = "yes";
    const json::value updated = decode(server_.call("PUT", path, encode(changed, format, kind),
                                                    media_type(format), media_type(answer_format)),
                                       answer_format, kind);
    ASSERT_TRUE(updated.is_object());
    EXPECT_EQ(missing_from(updated, wanted), "");
    EXPECT_EQ(server_.call("DELETE", path).status / 100, 2);
    for (const Format seen : {Format::kJson, Format::kProtobuf}) expect_events(info, created, updated, seen);
  }

  // A watch from before the object's creation brings what its writers were told.
  void expect_events(const ResourceInfo& info, const json::value& created, const json::value& updated,
                     Format format) {
    const uint64_t before = resource_version_of(created.as_object()) - 1;
    const std::string target =
        fmt::format("{}?watch=true&timeoutSeconds=20&fieldSelector=metadata.name%3D{}&resourceVersion={}",
                    collection(info), name_of(created.as_object()), before);
    const std::vector<Event> events =
        events_of(format, server_.run(read_events(*transport_, target, format, 3)));
    ASSERT_EQ(events.size(), 3U);
    const std::string_view types[] = {"ADDED", "MODIFIED", "DELETED"};
    for (size_t i = 0; i < events.size(); ++i) {
      EXPECT_EQ(events[i].type, types[i]);
      auto object = schema::decode_body(format, events[i].object, *info.schema);
      ASSERT_TRUE(object) << object.error().message;
      json::object wanted = (i == 0 ? created : updated).as_object();
      if (i == 2) set_resource_version(wanted, resource_version_of(object->as_object()));
      EXPECT_EQ(schema::serialize_json(*object), schema::serialize_json(wanted));
    }
  }

  TestServer server_;
  std::unique_ptr<net::InProcessTransport> transport_;
};

// Set CLOUDLESS_SHOW_COVERAGE to see which fields the rules never let through.
TEST_F(EveryKind, KeepsEveryFieldThroughTheServerInEveryFormat) {
  size_t all = 0;
  size_t covered = 0;
  for (const ResourceInfo& info : api::resources()) {
    if (!is_round_tripped(info)) continue;
    SCOPED_TRACE(collection(info));
    std::set<std::string> possible;
    std::set<std::string> seen;
    int turn = 0;
    for (bool more = true; more && turn < kTurns; ++turn) {
      const json::object start = full(info, turn);
      possible.merge(leaves_of(start));
      const Result<json::object> accepted = settle(info, start);
      if (!accepted) {
        ADD_FAILURE() << accepted.error().message;
        break;
      }
      std::set<std::string> now = leaves_of(*accepted);
      const size_t before = seen.size();
      seen.merge(now);
      const Format format = kFormats[turn % 3];
      round_trip(info, *accepted, format, kFormats[(turn + turn / 3) % 3]);
      more = turn < 2 || seen.size() > before;
    }
    all += possible.size();
    for (const std::string& leaf : possible) {
      const bool is_covered = seen.contains(leaf);
      covered += is_covered;
      if (!is_covered && std::getenv("CLOUDLESS_SHOW_COVERAGE")) fmt::print("{} {}\n", info.resource, leaf);
    }
  }
  if (std::getenv("CLOUDLESS_SHOW_COVERAGE")) fmt::print("{} of {} fields\n", covered, all);
  EXPECT_GT(all, 1500U);
  EXPECT_GT(covered * 100, all * 98);
}

}  // namespace
}  // namespace cloudless::apiserver

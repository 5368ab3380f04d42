// Every kind goes through the server in every format with every field set, status included, and comes out as
// it went in: created, read, its status put and patched, updated, watched, deleted.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include <algorithm>
#include <cstdlib>

#include "api/registry.hpp"
#include "api/testing/filler.hpp"
#include "apiserver/json_fields.hpp"
#include "apiserver/testing/acceptable.hpp"
#include "apiserver/testing/field_paths.hpp"
#include "apiserver/testing/kind_facts.hpp"
#include "apiserver/testing/test_server.hpp"
#include "apiserver/testing/watch_events.hpp"
#include "schema/codec.hpp"
#include "schema/json.hpp"
#include "schema/yaml.hpp"

namespace cloudless::apiserver {
namespace {

using api::testing::Filler;
using api::testing::Unions;
using schema::Format;
using schema::ResourceInfo;
using schema::Schema;
using testing::events_of;
using testing::FieldPaths;
using testing::SeenEvent;
using testing::TestResponse;
using testing::TestServer;

// Turns through the members that exclude each other, so that each gets its own: the longest list is that of a
// volume's. Fewer do where two turns have brought nothing new.
constexpr int kTurns = 34;
constexpr int kFewestTurns = 3;
// Writes against those of the server itself.
constexpr int kAttempts = 20;

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

std::vector<const ResourceInfo*> kinds() {
  std::vector<const ResourceInfo*> all;
  for (const ResourceInfo& info : api::resources()) {
    const auto has = [&](std::string_view verb) {
      return std::ranges::find(info.verbs, verb) != info.verbs.end();
    };
    if (!info.is_subresource() && has("create") && has("update") && has("watch")) all.push_back(&info);
  }
  return all;
}

bool has_status(const ResourceInfo& info) {
  return api::find_resource(info.group, info.version, std::string(info.resource) + "/status") != nullptr;
}

std::string collection(const ResourceInfo& info) {
  std::string path = info.group.empty() ? "/api/" : "/apis/" + std::string(info.group) + "/";
  path += info.version;
  if (info.namespaced) path += "/namespaces/default";
  return path + "/" + std::string(info.resource);
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

// Up to the object's end.
runtime::Task<std::string> read_events(net::Transport& transport, std::string target, Format format) {
  net::Request request{.target = std::move(target)};
  request.headers.add("accept", media_type(format) + (format == Format::kProtobuf ? ";stream=watch" : ""));
  Result<net::Response> response = co_await transport.send(std::move(request));
  std::string stream;
  while (response) {
    const auto piece = co_await response->body->next();
    if (!piece || !*piece) break;
    stream += ***piece;
    const std::vector<SeenEvent> events = events_of(format, stream);
    if (!events.empty() && events.back().type == "DELETED") break;
  }
  co_return stream;
}

class EveryKind : public ::testing::TestWithParam<const ResourceInfo*> {
 public:
  ~EveryKind() override { server_.run(transport_->stop()); }

 protected:
  EveryKind() : transport_(server_.transport()) {}

  // The metadata that a user may set.
  json::object metadata_for(int turn) const {
    json::object metadata{{"name", "full"},
                          {"generateName", "from-"},
                          {"labels", {{"example.com/app", "x"}}},
                          {"annotations", {{"example.com/note", "<&> \u2028 \"quoted\" \\ \t"}}},
                          {"ownerReferences",
                           {{{"apiVersion", "v1"},
                             {"kind", "Node"},
                             {"name", "o"},
                             {"uid", "7f1c1e34-5c0e-4a6a-9d0c-2f6f3a1f0001"},
                             {"controller", true},
                             {"blockOwnerDeletion", true}}}}};
    if (turn == 0) metadata["finalizers"] = json::array{"example.com/hold"};
    if (info_.namespaced) metadata["namespace"] = "default";
    return metadata;
  }

  json::object full(int turn) const {
    json::object object = Filler(Unions::kOne, turn).object(kind_).as_object();
    object["metadata"] = metadata_for(turn);
    testing::merge_into(object, testing::variant_of(info_.resource, turn));
    if (has_status(info_)) object.erase("status");
    return object;
  }

  std::string encode(const json::value& object, Format format) {
    auto body = schema::encode_body(format, object, kind_);
    EXPECT_TRUE(body) << body.error().message;
    return body.value_or("");
  }

  // The answer's object, whatever its format; null after a failure.
  json::object decode(const TestResponse& answer, Format format) {
    EXPECT_LT(answer.status, 300) << answer.body;
    EXPECT_EQ(answer.headers.get("content-type").value_or("").substr(0, media_type(format).size()),
              media_type(format));
    auto object = schema::decode_body(format, answer.body, kind_);
    EXPECT_TRUE(object) << object.error().message;
    return object && object->is_object() ? std::move(object->as_object()) : json::object();
  }

  json::object get(const std::string& path, Format format = Format::kJson) {
    return decode(server_.call("GET", path, "", "", media_type(format)), format);
  }

  // What is there now with `change` made to it, again where the server itself has written meanwhile.
  template <class Change>
  TestResponse put(const std::string& path, const std::string& target, const Change& change,
                   Format format = Format::kJson, Format answer_format = Format::kJson) {
    TestResponse answer;
    for (int i = 0; i < kAttempts; ++i) {
      answer = server_.call("GET", path);
      if (answer.status != 200) break;
      json::object object = decode(answer, Format::kJson);
      change(object);
      answer =
          server_.call("PUT", target, encode(object, format), media_type(format), media_type(answer_format));
      if (answer.status != 409) break;
    }
    return answer;
  }

  // What of an object nobody but its writers changes.
  json::object comparable(json::object object) const {
    if (!testing::has_other_writers(info_.resource)) return object;
    object.erase("status");
    erase_at(object, {"metadata", "resourceVersion"});
    erase_at(object, {"metadata", "managedFields"});
    return object;
  }

  void expect_same(const json::object& a, const json::object& b) const {
    EXPECT_EQ(schema::serialize_json(comparable(a)), schema::serialize_json(comparable(b)));
  }

  // Every format shows the same.
  void expect_stored(const std::string& path, const json::object& object) {
    for (const Format format : kFormats) expect_same(get(path, format), object);
  }

  json::object settle(int turn) {
    Result<json::object> accepted =
        testing::acceptable(full(turn), kind_, [&](const json::object& candidate) {
          return server_.call("POST", collection(info_) + "?dryRun=All", schema::serialize_json(candidate));
        });
    EXPECT_TRUE(accepted) << accepted.error().message;
    return accepted.value_or(json::object());
  }

  // The object with its status as full as the server takes it.
  json::object settle_status(const std::string& path, int turn) {
    json::object object = get(path);
    json::object filled = Filler(Unions::kOne, turn).object(kind_).as_object();
    testing::merge_into(filled, testing::variant_of(info_.resource, turn));
    object["status"] = filled["status"];
    Result<json::object> accepted = testing::acceptable(object, kind_, [&](const json::object& candidate) {
      return put(path, path + "/status?dryRun=All",
                 [&](json::object& present) { present["status"] = candidate.at("status"); });
    });
    EXPECT_TRUE(accepted) << accepted.error().message;
    return accepted.value_or(json::object());
  }

  // Sets the status by PUT and by PATCH, one as a dry run, and leaves the rest as it was.
  json::object write_status(const std::string& path, int turn, Format format, Format answer_format) {
    const json::object wanted = settle_status(path, turn);
    if (wanted.empty()) return {};
    const json::object before = get(path);
    const bool patches = turn % 2 == 1;
    const json::object patch{{"status", wanted.at("status")}};
    const json::object patched = decode(
        server_.call("PATCH", path + (patches ? "/status" : "/status?dryRun=All"), json::serialize(patch),
                     "application/merge-patch+json", media_type(answer_format)),
        answer_format);
    const json::object put_answer = decode(
        put(
            path, path + (patches ? "/status?dryRun=All" : "/status"),
            [&](json::object& object) { object["status"] = wanted.at("status"); }, format, answer_format),
        answer_format);
    for (const json::object& answer : {patched, put_answer}) {
      json::object expected = wanted;
      testing::erase_decided(info_.resource, expected);
      if (!answer.contains("status") || !expected.contains("status")) {
        ADD_FAILURE() << "no status: " << json::serialize(answer);
        continue;
      }
      EXPECT_EQ(missing_from(answer.at("status"), expected.at("status")), "");
      EXPECT_EQ(missing_from(answer.contains("spec") ? answer.at("spec") : json::value(),
                             before.contains("spec") ? before.at("spec") : json::value()),
                "");
    }
    seen_.merge(testing::set_paths(wanted, kind_));
    return patches ? patched : put_answer;
  }

  // All of one object's life, in the formats of its turn.
  void live(const json::object& object, int turn) {
    const Format format = kFormats[turn % 3];
    const Format answer_format = kFormats[(turn + turn / 3) % 3];
    const std::string path = collection(info_) + "/" + std::string(name_of(object));
    std::vector<json::object> states;
    states.push_back(decode(server_.call("POST", collection(info_), encode(object, format),
                                         media_type(format), media_type(answer_format)),
                            answer_format));
    if (states.front().empty()) return;
    json::object wanted = object;
    testing::erase_decided(info_.resource, wanted);
    EXPECT_EQ(missing_from(states.front(), wanted), "");
    expect_stored(path, states.front());

    if (has_status(info_)) {
      json::object with_status = write_status(path, turn, format, answer_format);
      if (!with_status.empty()) states.push_back(std::move(with_status));
      expect_stored(path, states.back());
    }
    states.push_back(decode(put(
                                path, path,
                                [](json::object& changed) {
                                  make_object(changed, {"metadata", "annotations"})["example.com/changed"] =
                                      "yes";
                                },
                                format, answer_format),
                            answer_format));
    wanted.erase("status");
    EXPECT_EQ(missing_from(states.back(), wanted), "");
    if (has_status(info_) && states.size() > 2 && !testing::has_other_writers(info_.resource)) {
      EXPECT_EQ(missing_from(states.back(), {{"status", states[1].at("status")}}), "");
    }
    remove(path);
    for (const Format seen : {Format::kJson, Format::kProtobuf}) expect_events(states, seen);
  }

  // Deletes it, whatever would hold it.
  void remove(const std::string& path) {
    const TestResponse deleted =
        server_.call("DELETE", path + "?gracePeriodSeconds=0&propagationPolicy=Background");
    EXPECT_EQ(deleted.status / 100, 2) << deleted.body;
    const auto release = [](json::object& object) {
      json::object& metadata = make_object(object, {"metadata"});
      json::value* finalizers = metadata.if_contains("finalizers");
      if (!finalizers) return;
      json::array kept;
      for (const json::value& text : finalizers->as_array()) {
        if (text != "example.com/hold") kept.push_back(text);
      }
      *finalizers = std::move(kept);
    };
    const int released = put(path, path, release).status;
    EXPECT_TRUE(released < 300 || released == 404) << released;
    if (info_.resource == "namespaces") {
      const TestResponse done =
          put(path, path + "/finalize", [](json::object& object) { object["spec"] = json::object(); });
      EXPECT_LT(done.status, 300) << done.body;
    }
  }

  // A watch from before the object's creation brings what its writers were told, under the same revisions.
  void expect_events(const std::vector<json::object>& states, Format format) {
    const std::string target =
        fmt::format("{}?watch=true&timeoutSeconds=60&fieldSelector=metadata.name%3D{}&resourceVersion={}",
                    collection(info_), name_of(states.front()), resource_version_of(states.front()) - 1);
    const std::vector<SeenEvent> events =
        events_of(format, server_.run(read_events(*transport_, target, format)));
    ASSERT_GE(events.size(), 2U);
    EXPECT_EQ(events.front().type, "ADDED");
    EXPECT_EQ(events.back().type, "DELETED");
    std::vector<json::object> objects;
    for (size_t i = 0; i < events.size(); ++i) {
      if (i > 0 && i + 1 < events.size()) EXPECT_EQ(events[i].type, "MODIFIED");
      auto object = schema::decode_body(format, events[i].object, kind_);
      ASSERT_TRUE(object) << object.error().message;
      objects.push_back(object->as_object());
    }
    for (const json::object& state : states) {
      const auto shown = std::ranges::find_if(objects, [&](const json::object& object) {
        return resource_version_of(object) == resource_version_of(state);
      });
      ASSERT_NE(shown, objects.end()) << "revision " << resource_version_of(state);
      EXPECT_EQ(schema::serialize_json(*shown), schema::serialize_json(state));
    }
  }

  const ResourceInfo& info_ = *GetParam();
  const Schema& kind_ = *info_.schema;
  TestServer server_;
  std::unique_ptr<net::InProcessTransport> transport_;
  FieldPaths seen_;
};

TEST_P(EveryKind, KeepsEveryFieldThroughTheServerInEveryFormat) {
  int idle_turns = 0;
  for (int turn = 0; turn < kTurns && idle_turns < kFewestTurns; ++turn) {
    SCOPED_TRACE(fmt::format("turn {}", turn));
    const size_t before = seen_.size();
    const json::object object = settle(turn);
    if (object.empty()) break;
    seen_.merge(testing::set_paths(object, kind_));
    live(object, turn);
    if (HasFailure() && !std::getenv("CLOUDLESS_SHOW_ALL")) break;
    idle_turns = seen_.size() > before ? 0 : idle_turns + 1;
  }
  std::string never;
  std::vector<bool> used(testing::unset_fields().size());
  for (const std::string& path : testing::described_paths(kind_)) {
    if (seen_.contains(path)) continue;
    bool known = false;
    for (size_t i = 0; i < used.size(); ++i) {
      if (!testing::matches(testing::unset_fields()[i], info_.resource, path)) continue;
      known = used[i] = true;
    }
    if (!known) never += path + "\n";
  }
  EXPECT_EQ(never, "") << "these fields were never set";
  for (size_t i = 0; i < used.size(); ++i) {
    const testing::Unset& unset = testing::unset_fields()[i];
    if (unset.resource == info_.resource && !used[i]) ADD_FAILURE() << unset.path << " was set after all";
  }
}

std::string name_of_test(const ::testing::TestParamInfo<const ResourceInfo*>& kind) {
  std::string name(kind.param->resource);
  for (const char c : std::string(kind.param->group) + "_" + std::string(kind.param->version))
    name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryKind, ::testing::ValuesIn(kinds()), name_of_test);

}  // namespace
}  // namespace cloudless::apiserver

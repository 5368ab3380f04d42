// Action: one write that a plan asks for, as data, so that plans are tested by comparing what they return.
// Plan: what a controller wants done about one key.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/codec.hpp"
#include "client/options.hpp"
#include "client/resource.hpp"

namespace cloudless::client {

/// What an event is about.
struct ObjectRef {
  std::string api_version;
  std::string kind;
  std::string ns;
  std::string name;
  std::string uid;
  std::string resource_version;
  std::string field_path;

  friend bool operator==(const ObjectRef&, const ObjectRef&) = default;
};

template <class T>
ObjectRef ref_to(const T& object) {
  const Resource& resource = resource_of<T>();
  return {resource.api_version(), resource.kind,  namespace_of(object),
          name_of(object),        uid_of(object), resource_version_of(object)};
}

enum class EventLevel { kNormal, kWarning };

/// An event to record. In those tied to an action "{name}" stands for the name of the object written and
/// "{error}" for what the server said.
struct EventText {
  ObjectRef about;
  EventLevel level = EventLevel::kNormal;
  std::string reason;
  std::string message;

  friend bool operator==(const EventText&, const EventText&) = default;
};

enum class Verb { kCreate, kUpdate, kPatch, kDelete };

/// What the performer makes of an answer that says the wish is already granted: AlreadyExists to a create,
/// NotFound to a delete or patch.
enum class WhenDone { kAccept, kFail };

struct Action {
  Verb verb = Verb::kCreate;
  Resource resource;
  std::string ns;
  std::string name;
  std::string subresource;
  std::string body;  // JSON: the object, or the patch
  PatchType patch_type = PatchType::kMerge;
  DeleteOptions delete_options;
  WhenDone when_done = WhenDone::kFail;
  std::optional<EventText> on_success;
  std::optional<EventText> on_failure;

  Action&& telling(EventText success, EventText failure) && {
    on_success = std::move(success);
    on_failure = std::move(failure);
    return std::move(*this);
  }
  Action&& accepting_done() && {
    when_done = WhenDone::kAccept;
    return std::move(*this);
  }
};

template <class T>
Action create(const T& object) {
  return {.verb = Verb::kCreate,
          .resource = resource_of<T>(),
          .ns = namespace_of(object),
          .name = name_of(object),
          .body = encode_object(object)};
}
/// A POST to a subresource: binding, eviction.
template <class T>
Action create_subresource(std::string ns, std::string name, std::string subresource, std::string body) {
  return {.verb = Verb::kCreate,
          .resource = resource_of<T>(),
          .ns = std::move(ns),
          .name = std::move(name),
          .subresource = std::move(subresource),
          .body = std::move(body)};
}
/// Fails with a conflict where the object has moved since `object` was read.
template <class T>
Action update(const T& object, std::string subresource = {}) {
  return {.verb = Verb::kUpdate,
          .resource = resource_of<T>(),
          .ns = namespace_of(object),
          .name = name_of(object),
          .subresource = std::move(subresource),
          .body = encode_object(object)};
}
template <class T>
Action update_status(const T& object) {
  return update(object, "status");
}
/// `patch`: a JSON document of `type`.
template <class T>
Action patch(const T& object, PatchType type, std::string patch, std::string subresource = {}) {
  return {.verb = Verb::kPatch,
          .resource = resource_of<T>(),
          .ns = namespace_of(object),
          .name = name_of(object),
          .subresource = std::move(subresource),
          .body = std::move(patch),
          .patch_type = type};
}
/// Of exactly this object: its uid is a precondition. Gone already is as good.
template <class T>
Action remove(const T& object, DeleteOptions options = {}) {
  options.uid = uid_of(object);
  return {.verb = Verb::kDelete,
          .resource = resource_of<T>(),
          .ns = namespace_of(object),
          .name = name_of(object),
          .delete_options = std::move(options),
          .when_done = WhenDone::kAccept};
}

struct Plan {
  std::vector<Action> actions;    // performed in order; the first failure ends the plan
  std::vector<EventText> events;  // recorded after the actions succeeded
  /// Look again after this even if nothing changes.
  std::optional<Duration> again_after;

  void look_again(Duration delay) { again_after = again_after ? std::min(*again_after, delay) : delay; }
};

}  // namespace cloudless::client

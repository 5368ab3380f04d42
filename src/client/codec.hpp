// How the client reaches into objects: the codec of a type and its metadata. Codec<T> covers every generated
// kind; a type of one's own (Dynamic, in dynamic.hpp) specializes it.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "client/resource.hpp"
#include "schema/struct_codec.hpp"

namespace cloudless::client {

/// The built-in resource whose objects are of that kind; the kind must be one of /api's.
Resource resource_of_kind(std::string_view group, std::string_view version, std::string_view kind);

template <class T>
struct Codec {
  static Result<T> decode(std::string_view json) { return schema::decode<T>(json); }
  static Result<T> decode(const boost::json::value& json) { return schema::from_value<T>(json); }
  static std::string encode(const T& object) { return schema::encode(object); }
  static auto& metadata(auto& object) { return object.metadata; }
};

template <class T>
const Resource& resource_of() {
  static const Resource resource =
      resource_of_kind(T::describe().group, T::describe().version, T::describe().name);
  return resource;
}

template <class T>
Result<T> decode_object(std::string_view json) {
  return Codec<T>::decode(json);
}
template <class T>
Result<T> decode_object(const boost::json::value& json) {
  return Codec<T>::decode(json);
}
template <class T>
std::string encode_object(const T& object) {
  return Codec<T>::encode(object);
}

template <class T>
const std::string& namespace_of(const T& object) {
  return Codec<T>::metadata(object).namespace_;
}
template <class T>
const std::string& name_of(const T& object) {
  return Codec<T>::metadata(object).name;
}
template <class T>
const std::string& uid_of(const T& object) {
  return Codec<T>::metadata(object).uid;
}
template <class T>
const std::string& resource_version_of(const T& object) {
  return Codec<T>::metadata(object).resourceVersion;
}
/// "namespace/name", or "name".
template <class T>
std::string key_of(const T& object) {
  return object_key(namespace_of(object), name_of(object));
}
template <class T>
bool is_deleting(const T& object) {
  return Codec<T>::metadata(object).deletionTimestamp.has_value();
}
template <class T>
void mark_deleting(T& object, WallTime now) {
  Codec<T>::metadata(object).deletionTimestamp = now;
}

}  // namespace cloudless::client

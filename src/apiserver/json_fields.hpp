// Reading and writing members of dynamic objects by path, without a check at each step. Values of another
// type than asked for count as absent: decoding has refused them before.
#pragma once

#include <boost/json.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace cloudless::apiserver {

namespace json = boost::json;

using Path = std::initializer_list<std::string_view>;

/// The value at `path`, or null.
const json::value* find(const json::object& object, Path path);
/// "" where absent.
std::string_view text_at(const json::object& object, Path path);
/// `fallback` where absent or no number; the nearest int64 where it is beyond that.
int64_t number_at(const json::object& object, Path path, int64_t fallback = 0);
bool truth_at(const json::object& object, Path path);
/// Null where absent.
const json::object* object_at(const json::object& object, Path path);
/// Empty where absent.
const json::array& array_at(const json::object& object, Path path);

/// The object at `path`, made with its parents where absent or of another type.
json::object& make_object(json::object& object, Path path);
/// Removes the member at the end of `path`.
void erase_at(json::object& object, Path path);

/// metadata, made where absent.
json::object& metadata(json::object& object);
std::string_view name_of(const json::object& object);
std::string_view namespace_of(const json::object& object);
/// metadata.resourceVersion as a number; 0 where absent or no number.
uint64_t resource_version_of(const json::object& object);
void set_resource_version(json::object& object, uint64_t revision);

/// Copies the member `name` of `from` to `to`, or removes it there.
void copy_member(const json::object& from, json::object& to, std::string_view name);
/// Whether both have equal values at `path`, or neither has one. An empty object counts as absent.
bool same_at(const json::object& a, const json::object& b, Path path);

}  // namespace cloudless::apiserver

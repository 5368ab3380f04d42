// Small reads and writes on JSON objects that many rules need. For .cpp files: it includes Boost.JSON.
#pragma once

#include <boost/json.hpp>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "schema/schema.hpp"

namespace cloudless::schema {

/// The member, or null when it is absent or JSON null.
inline const boost::json::value* get(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value && !value->is_null() ? value : nullptr;
}
inline boost::json::value* get(boost::json::object& object, std::string_view name) {
  auto* value = object.if_contains(name);
  return value && !value->is_null() ? value : nullptr;
}

/// The member at the end of `path`, or null.
inline const boost::json::value* dig(const boost::json::value* value,
                                     std::initializer_list<std::string_view> path) {
  for (const auto name : path) {
    const auto* object = value ? value->if_object() : nullptr;
    value = object ? get(*object, name) : nullptr;
  }
  return value;
}
inline const boost::json::value* dig(const boost::json::object& object,
                                     std::initializer_list<std::string_view> path) {
  const boost::json::value* value = path.size() ? get(object, *path.begin()) : nullptr;
  for (auto name = path.begin() + (path.size() ? 1 : 0); name != path.end(); ++name)
    value = dig(value, {*name});
  return value;
}

inline const boost::json::object* get_object(const boost::json::object& object, std::string_view name) {
  const auto* value = get(object, name);
  return value ? value->if_object() : nullptr;
}
inline boost::json::object* get_object(boost::json::object& object, std::string_view name) {
  auto* value = get(object, name);
  return value ? value->if_object() : nullptr;
}
inline const boost::json::array* get_array(const boost::json::object& object, std::string_view name) {
  const auto* value = get(object, name);
  return value ? value->if_array() : nullptr;
}
inline boost::json::array* get_array(boost::json::object& object, std::string_view name) {
  auto* value = get(object, name);
  return value ? value->if_array() : nullptr;
}

/// The text, or "" when the member is no string. Valid as long as the object is unchanged.
inline std::string_view get_text(const boost::json::object& object, std::string_view name) {
  const auto* value = get(object, name);
  return value && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}
inline std::string_view text_of(const boost::json::value* value) {
  return value && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}
inline int64_t get_int(const boost::json::object& object, std::string_view name, int64_t fallback = 0) {
  const auto* value = get(object, name);
  return value && value->is_int64() ? value->get_int64() : fallback;
}
inline bool get_bool(const boost::json::object& object, std::string_view name) {
  const auto* value = get(object, name);
  return value && value->is_bool() && value->get_bool();
}

/// false, 0, "", [], {} or null.
bool is_zero(const boost::json::value& value);

/// Sets a field of a struct and keeps the schema's order of fields.
void set_field(boost::json::object& object, const Schema& schema, std::string_view name,
               boost::json::value value);

}  // namespace cloudless::schema

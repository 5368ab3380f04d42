#include "schema/object_util.hpp"

namespace cloudless::schema {
namespace json = boost::json;

bool is_zero(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return true;
    case json::kind::bool_:
      return !value.get_bool();
    case json::kind::int64:
      return value.get_int64() == 0;
    case json::kind::uint64:
      return value.get_uint64() == 0;
    case json::kind::double_:
      return value.get_double() == 0;
    case json::kind::string:
      return value.get_string().empty();
    case json::kind::array:
      return value.get_array().empty();
    case json::kind::object:
      return value.get_object().empty();
  }
  return false;
}

void set_field(json::object& object, const Schema& schema, std::string_view name, json::value value) {
  if (auto* present = object.if_contains(name)) {
    *present = std::move(value);
    return;
  }
  object.emplace(name, std::move(value));
  if (schema.custom) return;
  json::object ordered(object.storage());
  ordered.reserve(object.size());
  const auto move_over = [&](std::string_view key) {
    if (auto* member = object.if_contains(key)) ordered.emplace(key, std::move(*member));
  };
  if (schema.is_kind) {
    move_over("kind");
    move_over("apiVersion");
  }
  for (const Field& field : schema.fields) move_over(field.name);
  object = std::move(ordered);
}

}  // namespace cloudless::schema

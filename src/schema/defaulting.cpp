#include "schema/defaulting.hpp"

#include <boost/json.hpp>

#include "base/strings.hpp"
#include "schema/json.hpp"
#include "schema/object_util.hpp"

namespace cloudless::schema {
namespace json = boost::json;
namespace {

/// Whether the field is unset in Go's sense: a non-pointer that is zero is.
bool is_unset(const json::value* value, const Field& field, bool zero_counts) {
  if (!value || value->is_null()) return true;
  const bool scalar_or_list = field.type->form != Form::kStruct;
  return is_zero(*value) && scalar_or_list && (zero_counts || !field.has(Field::kPointer));
}

json::value parse_default(std::string_view text) {
  auto value = parse_json(text);
  return value ? std::move(*value) : json::value();
}

/// Sets `value` at `path` below `object` where it is unset.
void set_default(json::object& object, const Schema& schema, std::string_view path, const Default& rule) {
  const size_t dot = path.find('.');
  const auto name = path.substr(0, dot);
  const Field* field = schema.find(name);
  if (!field) return;
  json::value* value = object.if_contains(name);
  if (dot == std::string_view::npos) {
    if (is_unset(value, *field, rule.when_zero)) set_field(object, schema, name, parse_default(rule.json));
    return;
  }
  const auto rest = path.substr(dot + 1);
  if (field->type->form == Form::kList) {
    auto* list = value ? value->if_array() : nullptr;
    if (!list) return;
    for (json::value& item : *list) {
      if (auto* inner = item.if_object()) set_default(*inner, *field->type->items, rest, rule);
    }
    return;
  }
  if (!value || value->is_null()) {
    if (!rule.create_parents) return;
    set_field(object, schema, name, json::object());
    value = object.if_contains(name);
  }
  if (auto* inner = value->if_object()) set_default(*inner, *field->type, rest, rule);
}

bool condition_holds(const json::object& object, const Default& rule) {
  if (rule.condition_path.empty()) return true;
  const json::object* at = &object;
  const auto names = split(rule.condition_path, '.');
  for (size_t i = 0; i + 1 < names.size() && at; ++i) at = get_object(*at, names[i]);
  if (!at) return false;
  const auto actual = get_text(*at, names.back());
  for (const auto wanted : split(rule.condition_values, ',')) {
    if (actual == wanted) return true;
  }
  return false;
}

void own_defaults(json::object& object, const Schema& schema) {
  for (const WireField& part : schema.wire) {
    if (part.inlined) own_defaults(object, *part.inlined);
  }
  apply_computed_defaults(object, schema);
  for (const Default& rule : schema.defaults) {
    if (condition_holds(object, rule)) set_default(object, schema, rule.path, rule);
  }
}

void custom_defaults(json::value& value, const Schema& schema);

void custom_object_defaults(json::object& object, const Schema& schema) {
  for (const Field& field : schema.fields) {
    const json::value* given = object.if_contains(field.name);
    const bool replaced = !given || (given->is_null() && !field.type->nullable);
    if (!field.default_json.empty() && replaced) object[field.name] = parse_default(field.default_json);
  }
  for (auto& entry : object) {
    if (const Field* field = schema.find(entry.key())) {
      custom_defaults(entry.value(), *field->type);
    } else if (schema.additional) {
      custom_defaults(entry.value(), *schema.additional);
    } else if (schema.form == Form::kMap && schema.items) {
      custom_defaults(entry.value(), *schema.items);
    }
  }
}

void custom_defaults(json::value& value, const Schema& schema) {
  if (!schema.custom) return;
  if (auto* object = value.if_object()) {
    custom_object_defaults(*object, schema);
  } else if (auto* array = value.if_array(); array && schema.items && schema.form == Form::kList) {
    for (json::value& item : *array) custom_defaults(item, *schema.items);
  }
}

void built_in_defaults(json::value& value, const Schema& schema) {
  switch (schema.form) {
    case Form::kStruct: {
      auto* object = value.if_object();
      if (!object) return;
      own_defaults(*object, schema);
      size_t hint = 0;
      for (auto& entry : *object) {
        if (const Field* field = schema.find(entry.key(), &hint))
          built_in_defaults(entry.value(), *field->type);
      }
      return;
    }
    case Form::kList:
      if (schema.items->form != Form::kStruct) return;
      if (auto* array = value.if_array()) {
        for (json::value& item : *array) built_in_defaults(item, *schema.items);
      }
      return;
    case Form::kMap:
      if (schema.items->form != Form::kStruct) return;
      if (auto* object = value.if_object()) {
        for (auto& entry : *object) built_in_defaults(entry.value(), *schema.items);
      }
      return;
    default:
      return;
  }
}

}  // namespace

void apply_defaults(json::value& object, const Schema& schema) {
  if (schema.custom) {
    custom_defaults(object, schema);
    sort_keys(object);
  } else {
    built_in_defaults(object, schema);
  }
}

}  // namespace cloudless::schema

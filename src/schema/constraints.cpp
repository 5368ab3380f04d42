#include "schema/constraints.hpp"

#include "schema/json.hpp"
#include "schema/object_util.hpp"

namespace cloudless::schema {
namespace json = boost::json;
namespace {

std::optional<double> number_of(const json::object& object, std::string_view name) {
  const auto* value = get(object, name);
  if (!value || !value->is_number()) return std::nullopt;
  return value->to_number<double>();
}

std::optional<int64_t> integer_of(const json::object& object, std::string_view name) {
  const auto* value = get(object, name);
  if (!value || !value->is_int64()) return std::nullopt;
  return value->get_int64();
}

std::vector<std::string> strings_of(const json::object& object, std::string_view name) {
  std::vector<std::string> out;
  if (const auto* list = get_array(object, name)) {
    for (const json::value& item : *list) out.emplace_back(text_of(&item));
  }
  return out;
}

Result<std::unique_ptr<Constraints>> parse(const json::value& open_api, size_t depth);

Result<> parse_each(const json::object& object, std::string_view name,
                    std::vector<std::unique_ptr<Constraints>>& out, size_t depth) {
  const auto* list = get_array(object, name);
  if (!list) return {};
  for (const json::value& item : *list) out.push_back(TRY(parse(item, depth)));
  return {};
}

Result<> parse_pattern(const json::object& object, Constraints& out) {
  out.pattern = get_text(object, "pattern");
  if (out.pattern.empty()) return {};
  auto compiled = Pattern::compile(out.pattern);
  if (!compiled) return wrap(compiled.error(), "the pattern {}", out.pattern);
  out.compiled_pattern = std::move(*compiled);
  return {};
}

void parse_scalars(const json::object& object, Constraints& out) {
  out.type = get_text(object, "type");
  out.format = get_text(object, "format");
  out.nullable = get_bool(object, "nullable");
  out.int_or_string = get_bool(object, "x-kubernetes-int-or-string");
  out.embedded_resource = get_bool(object, "x-kubernetes-embedded-resource");
  out.preserve_unknown = get_bool(object, "x-kubernetes-preserve-unknown-fields");
  out.minimum = number_of(object, "minimum");
  out.maximum = number_of(object, "maximum");
  out.multiple_of = number_of(object, "multipleOf");
  out.exclusive_minimum = get_bool(object, "exclusiveMinimum");
  out.exclusive_maximum = get_bool(object, "exclusiveMaximum");
  out.min_length = integer_of(object, "minLength");
  out.max_length = integer_of(object, "maxLength");
  out.min_items = integer_of(object, "minItems");
  out.max_items = integer_of(object, "maxItems");
  out.min_properties = integer_of(object, "minProperties");
  out.max_properties = integer_of(object, "maxProperties");
  out.unique_items = get_bool(object, "uniqueItems");
  out.required = strings_of(object, "required");
  out.list_type = get_text(object, "x-kubernetes-list-type");
  out.list_map_keys = strings_of(object, "x-kubernetes-list-map-keys");
  if (const auto* values = get_array(object, "enum")) out.enumeration.assign(values->begin(), values->end());
}

Result<std::unique_ptr<Constraints>> parse(const json::value& open_api, size_t depth) {
  auto out = std::make_unique<Constraints>();
  const auto* object = open_api.if_object();
  if (!object) return out;
  if (depth > kMaxDepth) return fail(Code::kInvalid, "the schema nests too deeply");
  parse_scalars(*object, *out);
  TRY(parse_pattern(*object, *out));
  if (const auto* properties = get_object(*object, "properties")) {
    for (const auto& entry : *properties) out->properties[entry.key()] = TRY(parse(entry.value(), depth + 1));
  }
  if (const auto* items = get_object(*object, "items")) out->items = TRY(parse(*items, depth + 1));
  if (const auto* other = get_object(*object, "additionalProperties"))
    out->additional = TRY(parse(*other, depth + 1));
  if (const auto* negated = get_object(*object, "not")) out->negated = TRY(parse(*negated, depth + 1));
  TRY(parse_each(*object, "allOf", out->all_of, depth + 1));
  TRY(parse_each(*object, "anyOf", out->any_of, depth + 1));
  TRY(parse_each(*object, "oneOf", out->one_of, depth + 1));
  return out;
}

}  // namespace

Result<std::unique_ptr<Constraints>> parse_constraints(const json::value& open_api) {
  return parse(open_api, 0);
}

}  // namespace cloudless::schema

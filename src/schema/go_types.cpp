#include "schema/go_types.hpp"

#include <boost/json.hpp>

#include "schema/json.hpp"

namespace cloudless::schema {
namespace json = boost::json;

std::string FieldPath::text() const {
  std::string out = up ? up->text() : std::string();
  if (index != kNoIndex) return out + fmt::format("[{}]", index);
  if (field.empty()) return out;
  if (!out.empty()) out += '.';
  return out.append(field);
}

std::string FieldPath::text(std::string_view last) const {
  std::string out = text();
  if (!out.empty()) out += '.';
  return out.append(last);
}

std::string go_type_name(const Schema& schema) {
  switch (schema.form) {
    case Form::kList:
      return "[]" + go_type_name(*schema.items);
    case Form::kMap:
      return "map[string]" + go_type_name(*schema.items);
    case Form::kString:
      return "string";
    case Form::kBool:
      return "bool";
    case Form::kInt32:
      return "int32";
    case Form::kInt64:
      return "int64";
    case Form::kDouble:
      return "float64";
    case Form::kBytes:
      return "[]uint8";
    case Form::kStringList:
      return "[]string";
    default:
      break;
  }
  const size_t dot = schema.package.rfind('.');
  const auto package = dot == std::string_view::npos ? schema.package : schema.package.substr(dot + 1);
  if (schema.name.empty()) return "interface {}";
  return std::string(package).append(".").append(schema.name);
}

std::string go_value_name(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "bool";
    case json::kind::string:
      return "string";
    case json::kind::array:
      return "array";
    case json::kind::object:
      return "object";
    default:
      return "number";
  }
}

std::unexpected<Error> type_error(const json::value& value, std::string_view go_type, const FieldPath& path) {
  std::string what = go_value_name(value);
  if (value.is_number() && go_type.starts_with("int")) what += " " + serialize_json(value);
  const FieldPath* innermost = &path;
  while (innermost && !innermost->structure) innermost = innermost->up;
  if (!innermost)
    return fail(Code::kInvalid, "json: cannot unmarshal {} into Go value of type {}", what, go_type);
  std::string fields;
  for (const FieldPath* at = innermost; at; at = at->up) {
    if (at->structure)
      fields = fields.empty() ? std::string(at->field) : std::string(at->field) + "." + fields;
  }
  return fail(Code::kInvalid, "json: cannot unmarshal {} into Go struct field {}.{} of type {}", what,
              innermost->structure->name, fields, go_type);
}

std::string api_version_of(const Schema& kind) {
  if (kind.group.empty() || kind.group == "meta.k8s.io") return std::string(kind.version);
  return std::string(kind.group).append("/").append(kind.version);
}

}  // namespace cloudless::schema

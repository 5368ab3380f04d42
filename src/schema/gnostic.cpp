// A Swagger 2.0 document as gnostic's openapi.v2.Document message (github.com/google/gnostic
// openapiv2/OpenAPIv2.proto); tags in the comments are that file's.
#include <boost/json.hpp>

#include "schema/object_util.hpp"
#include "schema/openapi.hpp"
#include "schema/yaml.hpp"

namespace cloudless::schema {
namespace json = boost::json;
namespace {

class Message {
 public:
  Message& text(uint32_t tag, std::string_view value) {
    if (!value.empty()) bytes(tag, value);
    return *this;
  }
  Message& flag(uint32_t tag, bool value) {
    if (value) {
      varint(tag << 3);
      varint(1);
    }
    return *this;
  }
  Message& inner(uint32_t tag, const Message& value) {
    bytes(tag, value.out_);
    return *this;
  }
  const std::string& data() const { return out_; }

 private:
  void bytes(uint32_t tag, std::string_view value) {
    varint(tag << 3 | 2);
    varint(value.size());
    out_ += value;
  }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }
  std::string out_;
};

/// Any { 2: yaml }.
Message any(const json::value& value) { return Message().text(2, serialize_yaml(value)); }

/// Extensions are NamedAny { 1: name, 2: value } in the given field.
void extensions(const json::object& object, uint32_t tag, Message& out) {
  for (const auto& entry : object) {
    if (entry.key().starts_with("x-"))
      out.inner(tag, Message().text(1, entry.key()).inner(2, any(entry.value())));
  }
}

/// Schema: 1 $ref, 2 format, 4 description, 19 required, 20 enum, 21 additional_properties, 22 type, 23
/// items, 25 properties, 31 vendor_extension.
Message schema_message(const json::object& object) {
  Message out;
  out.text(1, get_text(object, "$ref"))
      .text(2, get_text(object, "format"))
      .text(4, get_text(object, "description"));
  if (const auto* required = get_array(object, "required")) {
    for (const json::value& item : *required) out.text(19, text_of(&item));
  }
  if (const auto* values = get_array(object, "enum")) {
    for (const json::value& item : *values) out.inner(20, any(item));
  }
  // AdditionalPropertiesItem { 1: schema, 2: boolean }
  if (const auto* other = get(object, "additionalProperties")) {
    Message item;
    if (other->is_object()) {
      item.inner(1, schema_message(other->get_object()));
    } else {
      item.flag(2, other->is_bool() && other->get_bool());
    }
    out.inner(21, item);
  }
  // TypeItem { 1: repeated value }
  if (const auto type = get_text(object, "type"); !type.empty()) out.inner(22, Message().text(1, type));
  // ItemsItem { 1: repeated schema }
  if (const auto* items = get_object(object, "items"))
    out.inner(23, Message().inner(1, schema_message(*items)));
  // Properties { 1: repeated NamedSchema { 1: name, 2: value } }
  if (const auto* properties = get_object(object, "properties")) {
    Message list;
    for (const auto& entry : *properties) {
      if (const auto* property = entry.value().if_object()) {
        list.inner(1, Message().text(1, entry.key()).inner(2, schema_message(*property)));
      }
    }
    out.inner(25, list);
  }
  extensions(object, 31, out);
  return out;
}

/// ParametersItem { 1: Parameter { 1: BodyParameter, 2: NonBodyParameter } }.
Message parameter_message(const json::object& object) {
  const auto place = get_text(object, "in");
  if (place == "body") {
    // BodyParameter: 2 name, 3 in, 4 required, 5 schema
    Message body;
    body.text(2, get_text(object, "name")).text(3, place).flag(4, get_bool(object, "required"));
    if (const auto* schema = get_object(object, "schema")) body.inner(5, schema_message(*schema));
    return Message().inner(1, Message().inner(1, body));
  }
  // NonBodyParameter: 3 query (QueryParameterSubSchema), 4 path (PathParameterSubSchema)
  Message one;
  one.flag(1, get_bool(object, "required")).text(2, place);
  one.text(4, get_text(object, "name"));
  if (place == "path") {
    one.text(5, get_text(object, "type"));
    return Message().inner(1, Message().inner(2, Message().inner(4, one)));
  }
  one.text(6, get_text(object, "type"));
  return Message().inner(1, Message().inner(2, Message().inner(3, one)));
}

/// Responses { 1: repeated NamedResponseValue { 1: name, 2: ResponseValue { 1: Response } } }.
Message responses_message(const json::object& object) {
  Message out;
  for (const auto& entry : object) {
    const auto* response = entry.value().if_object();
    if (!response) continue;
    // Response: 1 description, 2 schema (SchemaItem { 1: schema })
    Message one;
    one.text(1, get_text(*response, "description"));
    if (const auto* schema = get_object(*response, "schema"))
      one.inner(2, Message().inner(1, schema_message(*schema)));
    out.inner(1, Message().text(1, entry.key()).inner(2, Message().inner(1, one)));
  }
  return out;
}

/// Operation: 5 operation_id, 8 parameters, 9 responses, 13 vendor_extension.
Message operation_message(const json::object& object) {
  Message out;
  out.text(5, get_text(object, "operationId"));
  if (const auto* parameters = get_array(object, "parameters")) {
    for (const json::value& item : *parameters) {
      if (const auto* parameter = item.if_object()) out.inner(8, parameter_message(*parameter));
    }
  }
  if (const auto* responses = get_object(object, "responses")) out.inner(9, responses_message(*responses));
  extensions(object, 13, out);
  return out;
}

/// PathItem: 2 get, 3 put, 4 post, 5 delete, 8 patch.
Message path_message(const json::object& object) {
  constexpr std::pair<uint32_t, std::string_view> kMethods[] = {
      {2, "get"}, {3, "put"}, {4, "post"}, {5, "delete"}, {8, "patch"}};
  Message out;
  for (const auto& [tag, method] : kMethods) {
    if (const auto* operation = get_object(object, method)) out.inner(tag, operation_message(*operation));
  }
  return out;
}

}  // namespace

std::string openapi_v2_protobuf(const json::value& document) {
  // Document: 1 swagger, 2 info { 1 title, 2 version }, 8 paths { 2 path }, 9 definitions { 1
  // additional_properties }
  const auto* object = document.if_object();
  if (!object) return {};
  Message out;
  out.text(1, get_text(*object, "swagger"));
  if (const auto* info = get_object(*object, "info")) {
    out.inner(2, Message().text(1, get_text(*info, "title")).text(2, get_text(*info, "version")));
  }
  if (const auto* paths = get_object(*object, "paths")) {
    Message list;
    for (const auto& entry : *paths) {
      if (const auto* path = entry.value().if_object())
        list.inner(2, Message().text(1, entry.key()).inner(2, path_message(*path)));
    }
    out.inner(8, list);
  }
  if (const auto* definitions = get_object(*object, "definitions")) {
    Message list;
    for (const auto& entry : *definitions) {
      if (const auto* definition = entry.value().if_object()) {
        list.inner(1, Message().text(1, entry.key()).inner(2, schema_message(*definition)));
      }
    }
    out.inner(9, list);
  }
  return out.data();
}

}  // namespace cloudless::schema

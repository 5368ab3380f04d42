#include "schema/codec.hpp"

#include <boost/json.hpp>

#include "base/strings.hpp"
#include "schema/object_util.hpp"
#include "schema/yaml.hpp"

namespace cloudless::schema {
namespace json = boost::json;

Result<Format> format_of_media_type(std::string_view media_type) {
  const std::string type = to_lower(trim(media_type.substr(0, media_type.find(';'))));
  if (type == "application/json" || type == "application/json-patch+json" ||
      type == "application/merge-patch+json" || type == "application/strategic-merge-patch+json") {
    return Format::kJson;
  }
  if (type == "application/yaml" || type == "application/apply-patch+yaml") return Format::kYaml;
  if (type == "application/vnd.kubernetes.protobuf") return Format::kProtobuf;
  return fail(Code::kUnimplemented,
              "the body of the request was in an unknown format - accepted media types include: "
              "application/json, application/yaml, application/vnd.kubernetes.protobuf");
}

namespace {

TypeMeta type_of(const json::value& value) {
  const auto* object = value.if_object();
  if (!object) return {};
  return {std::string(get_text(*object, "apiVersion")), std::string(get_text(*object, "kind"))};
}

}  // namespace

Result<TypeMeta> peek_type(Format format, std::string_view body) {
  switch (format) {
    case Format::kJson:
      return type_of(TRY(parse_json(body)));
    case Format::kYaml:
      return type_of(TRY(parse_yaml(body)));
    case Format::kProtobuf:
      return peek_protobuf(body);
  }
  return TypeMeta{};
}

Result<json::value> decode_body(Format format, std::string_view body, const Schema& schema,
                                const NormalizeOptions& options) {
  if (format == Format::kJson) return decode_json(body, schema, options);
  if (format == Format::kProtobuf) return decode_protobuf(body, schema);
  std::vector<std::string> duplicates;
  JsonParseOptions parse_options;
  if (options.strict_errors) parse_options.duplicates = &duplicates;
  const json::value value = TRY(parse_yaml(body, parse_options));
  for (const auto& path : duplicates)
    options.strict_errors->push_back(fmt::format("duplicate field \"{}\"", path));
  return normalize(value, schema, options);
}

Result<std::string> encode_body(Format format, const json::value& object, const Schema& schema) {
  switch (format) {
    case Format::kJson:
      return serialize_json(object);
    case Format::kYaml:
      return serialize_yaml(object);
    case Format::kProtobuf:
      return encode_protobuf(object, schema);
  }
  return std::string();
}

}  // namespace cloudless::schema

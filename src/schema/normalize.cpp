#include "schema/normalize.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <limits>

#include "base/encoding.hpp"
#include "base/strings.hpp"
#include "schema/go_types.hpp"
#include "schema/json.hpp"
#include "schema/object_util.hpp"

namespace cloudless::schema {
namespace json = boost::json;
namespace {

/// What an unset value of that type is written as when it may not be left out.
json::value zero_value(const Schema& schema) {
  switch (schema.form) {
    case Form::kString:
      return "";
    case Form::kBool:
      return false;
    case Form::kInt32:
    case Form::kInt64:
    case Form::kDouble:
    case Form::kIntOrString:
      return 0;
    case Form::kQuantity:
      return "0";
    case Form::kDuration:
      return "0s";
    default:
      return nullptr;
  }
}

/// Go's omitempty counts scalars, slices and maps as empty, structs and types of their own JSON form never.
bool can_be_empty(Form form) {
  switch (form) {
    case Form::kStruct:
    case Form::kIntOrString:
    case Form::kQuantity:
    case Form::kTime:
    case Form::kMicroTime:
    case Form::kDuration:
      return false;
    default:
      return true;
  }
}

class Normalizer {
 public:
  explicit Normalizer(const NormalizeOptions& options) : strict_errors_(options.strict_errors) {}

  Result<json::value> value(const json::value& in, const Schema& schema, const FieldPath& path) {
    if (++depth_ > kMaxDepth) return fail(Code::kInvalid, "exceeded max depth");
    auto out = value_of_form(in, schema, path);
    --depth_;
    return out;
  }

 private:
  Result<json::value> value_of_form(const json::value& in, const Schema& schema, const FieldPath& path) {
    if (schema.custom) return custom(in, schema, path);
    switch (schema.form) {
      case Form::kStruct:
        return structure(in, schema, path);
      case Form::kMap:
        return map(in, schema, path);
      case Form::kList:
      case Form::kStringList:
        return list(in, schema, path);
      case Form::kString:
        return in.is_string() ? Result<json::value>(in) : type_error(in, "string", path);
      case Form::kBool:
        return in.is_bool() ? Result<json::value>(in) : type_error(in, "bool", path);
      case Form::kInt32:
        return integer(in, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max(), path);
      case Form::kInt64:
        return integer(in, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(), path);
      case Form::kDouble:
        return in.is_number() ? Result<json::value>(in) : type_error(in, "float64", path);
      case Form::kBytes:
        return bytes(in, path);
      case Form::kQuantity:
        return quantity(in, path);
      case Form::kIntOrString:
        if (in.is_string()) return in;
        return integer(in, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max(), path);
      case Form::kTime:
      case Form::kMicroTime:
        return time(in, schema.form, path);
      case Form::kDuration:
        return duration(in, path);
      case Form::kSchemaOrArray:
      case Form::kSchemaOrBool:
      case Form::kSchemaOrStrings:
        return schema_or_other(in, schema, path);
      case Form::kRawExtension:
      case Form::kFieldsV1:
      case Form::kJson:
      case Form::kAny:
        return in;
    }
    return in;
  }

  Result<json::value> structure(const json::value& in, const Schema& schema, const FieldPath& path) {
    const auto* object = in.if_object();
    if (!object && !in.is_null()) return type_error(in, go_type_name(schema), path);
    json::object out;
    out.reserve(schema.fields.size() / 2 + 4);
    if (schema.is_kind && object) TRY(type_meta(*object, schema, path, out));
    if (object) note_unknown(*object, schema, path);
    for (const Field& field : schema.fields) {
      const json::value* given = object ? object->if_contains(field.name) : nullptr;
      if (given && given->is_null()) given = nullptr;
      TRY(member(given, field, FieldPath{&path, &schema, field.name}, out));
    }
    return out;
  }

  Result<> member(const json::value* given, const Field& field, const FieldPath& path, json::object& out) {
    const Schema& type = *field.type;
    const bool omit_empty = field.has(Field::kOmitEmpty);
    if (given) {
      json::value value = TRY(this->value(*given, type, path));
      if (omit_empty && !field.has(Field::kPointer) && can_be_empty(type.form) && is_zero(value)) return {};
      if (field.has(Field::kOmitZero) && is_zero(value)) return {};
      out.emplace(field.name, std::move(value));
      return {};
    }
    if (field.has(Field::kOmitZero)) return {};
    if (omit_empty && (field.has(Field::kPointer) || can_be_empty(type.form))) return {};
    if (field.has(Field::kPointer)) {
      out.emplace(field.name, nullptr);
    } else if (type.form == Form::kStruct) {
      out.emplace(field.name, TRY(structure(nullptr, type, path)));
    } else {
      out.emplace(field.name, zero_value(type));
    }
    return {};
  }

  /// kind and apiVersion: always of the outermost object, of inner kinds when given.
  Result<> type_meta(const json::object& object, const Schema& schema, const FieldPath& path,
                     json::object& out) {
    const bool outermost = path.up == nullptr;
    for (const std::string_view name : {"kind", "apiVersion"}) {
      const json::value* given = object.if_contains(name);
      if (given && !given->is_null()) {
        if (!given->is_string()) return type_error(*given, "string", FieldPath{&path, &schema, name});
        if (!given->get_string().empty()) {
          out.emplace(name, *given);
          continue;
        }
      }
      if (outermost) out.emplace(name, name == "kind" ? std::string(schema.name) : api_version_of(schema));
    }
    return {};
  }

  void note_unknown(const json::object& object, const Schema& schema, const FieldPath& path) {
    if (!strict_errors_) return;
    size_t hint = 0;
    for (const auto& entry : object) {
      if (schema.find(entry.key(), &hint)) continue;
      if (schema.is_kind && (entry.key() == "kind" || entry.key() == "apiVersion")) continue;
      unknown(path.text(entry.key()));
    }
  }

  void unknown(const std::string& path) {
    if (strict_errors_) strict_errors_->push_back(fmt::format("unknown field \"{}\"", path));
  }

  Result<json::value> map(const json::value& in, const Schema& schema, const FieldPath& path) {
    const auto* object = in.if_object();
    if (!object) return type_error(in, go_type_name(schema), path);
    std::vector<const json::key_value_pair*> entries;
    entries.reserve(object->size());
    for (const auto& entry : *object) entries.push_back(&entry);
    std::sort(entries.begin(), entries.end(), [](auto* a, auto* b) { return a->key() < b->key(); });
    json::object out;
    out.reserve(entries.size());
    for (const auto* entry : entries) {
      const FieldPath inner{&path, nullptr, entry->key()};
      out.emplace(entry->key(), TRY(item(entry->value(), *schema.items, inner)));
    }
    return out;
  }

  Result<json::value> list(const json::value& in, const Schema& schema, const FieldPath& path) {
    const auto* array = in.if_array();
    if (!array) return type_error(in, go_type_name(schema), path);
    json::array out;
    out.reserve(array->size());
    for (size_t i = 0; i < array->size(); ++i) {
      out.push_back(TRY(item((*array)[i], *schema.items, FieldPath{&path, nullptr, {}, i})));
    }
    return out;
  }

  Result<json::value> item(const json::value& in, const Schema& schema, const FieldPath& path) {
    if (!in.is_null()) return value(in, schema, path);
    if (schema.form == Form::kStruct) return structure(in, schema, path);
    return zero_value(schema);
  }

  static Result<json::value> integer(const json::value& in, int64_t least, int64_t most,
                                     const FieldPath& path) {
    const auto* number = in.if_int64();
    if (!number || *number < least || *number > most) {
      return type_error(in, most == std::numeric_limits<int32_t>::max() ? "int32" : "int64", path);
    }
    return in;
  }

  static Result<json::value> bytes(const json::value& in, const FieldPath& path) {
    const auto* text = in.if_string();
    if (!text) return type_error(in, "[]uint8", path);
    // Go's decoder takes line ends inside base64.
    std::string compact;
    std::copy_if(text->begin(), text->end(), std::back_inserter(compact),
                 [](char c) { return c != '\n' && c != '\r'; });
    if (!base64_decode(compact)) {
      const size_t at =
          compact.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=");
      return fail(Code::kInvalid, "illegal base64 data at input byte {}",
                  at == std::string::npos ? compact.size() / 4 * 4 : at);
    }
    return json::value(compact);
  }

  static Result<json::value> quantity(const json::value& in, const FieldPath& path) {
    if (in.is_null()) return json::value("0");
    if (!in.is_string() && !in.is_number()) return type_error(in, "resource.Quantity", path);
    const std::string text = in.is_string() ? std::string(trim(in.get_string())) : serialize_json(in);
    return json::value(TRY(canonical_quantity(text)));
  }

  static Result<json::value> time(const json::value& in, Form form, const FieldPath& path) {
    if (in.is_null()) return in;
    const auto* text = in.if_string();
    if (!text) return type_error(in, form == Form::kTime ? "v1.Time" : "v1.MicroTime", path);
    const auto time = parse_rfc3339(*text);
    if (!time) {
      return fail(Code::kInvalid,
                  "parsing time {} as \"2006-01-02T15:04:05{}Z07:00\": cannot parse {} as \"2006\"",
                  quote(*text), form == Form::kTime ? "" : ".000000", quote(*text));
    }
    return json::value(form == Form::kTime ? format_rfc3339(*time) : format_rfc3339_micro(*time));
  }

  static Result<json::value> duration(const json::value& in, const FieldPath& path) {
    const auto* text = in.if_string();
    if (!text) return type_error(in, "v1.Duration", path);
    return json::value(format_duration(TRY(parse_duration(*text))));
  }

  Result<json::value> schema_or_other(const json::value& in, const Schema& schema, const FieldPath& path) {
    if (in.is_object()) return value(in, *schema.items, path);
    if (schema.form == Form::kSchemaOrBool && in.is_bool()) return in;
    if (const auto* array = in.if_array(); array && schema.form != Form::kSchemaOrBool) {
      const Schema& item = schema.form == Form::kSchemaOrArray ? *schema.items : kString;
      json::array out;
      for (size_t i = 0; i < array->size(); ++i) {
        out.push_back(TRY(value((*array)[i], item, FieldPath{&path, nullptr, {}, i})));
      }
      return out;
    }
    return type_error(in, go_type_name(schema), path);
  }

  // Custom resources: values are kept, what the structural schema does not specify goes. Types are for
  // validation.

  Result<json::value> custom(const json::value& in, const Schema& schema, const FieldPath& path) {
    if (const auto* object = in.if_object()) return custom_object(*object, schema, path);
    if (const auto* array = in.if_array(); array && schema.items && schema.form == Form::kList) {
      json::array out;
      out.reserve(array->size());
      for (size_t i = 0; i < array->size(); ++i) {
        out.push_back(TRY(value((*array)[i], *schema.items, FieldPath{&path, nullptr, {}, i})));
      }
      return out;
    }
    return in;
  }

  Result<json::value> custom_object(const json::object& object, const Schema& schema, const FieldPath& path) {
    const Schema* others = schema.form == Form::kMap ? schema.items : schema.additional;
    json::object out;
    out.reserve(object.size());
    for (const auto& entry : object) {
      const FieldPath inner{&path, nullptr, entry.key()};
      const bool type_meta =
          schema.embedded_resource && (entry.key() == "kind" || entry.key() == "apiVersion");
      if (type_meta) {
        out.emplace(entry.key(), entry.value());
      } else if (const Field* field = schema.find(entry.key())) {
        if (entry.value().is_null() && !field->type->custom) continue;
        out.emplace(entry.key(), TRY(value(entry.value(), *field->type, inner)));
      } else if (others) {
        out.emplace(entry.key(), TRY(value(entry.value(), *others, inner)));
      } else if (schema.preserve_unknown) {
        out.emplace(entry.key(), entry.value());
      } else {
        unknown(path.text(entry.key()));
      }
    }
    return out;
  }

  std::vector<std::string>* strict_errors_;
  size_t depth_ = 0;
};

}  // namespace

Result<json::value> normalize(const json::value& value, const Schema& schema,
                              const NormalizeOptions& options) {
  json::value out = TRY(Normalizer(options).value(value, schema, FieldPath{}));
  if (schema.custom) sort_keys(out);
  return out;
}

Result<json::value> decode_json(std::string_view text, const Schema& schema,
                                const NormalizeOptions& options) {
  std::vector<std::string> duplicates;
  JsonParseOptions parse_options;
  if (options.strict_errors) parse_options.duplicates = &duplicates;
  const json::value value = TRY(parse_json(text, parse_options));
  for (const std::string& path : duplicates) {
    options.strict_errors->push_back(fmt::format("duplicate field \"{}\"", path));
  }
  return normalize(value, schema, options);
}

std::string strict_decoding_error(const std::vector<std::string>& strict_errors) {
  return "strict decoding error: " + join(strict_errors, ", ");
}

}  // namespace cloudless::schema

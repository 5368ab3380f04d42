#include "schema/struct_codec.hpp"

#include <boost/json.hpp>
#include <limits>

#include "base/encoding.hpp"
#include "schema/go_types.hpp"
#include "schema/json.hpp"

namespace cloudless::schema {
namespace json = boost::json;
namespace {

template <class T>
T& as(void* member) {
  return *static_cast<T*>(member);
}
template <class T>
const T& as(const void* member) {
  return *static_cast<const T*>(member);
}

// Reading.

class Reader {
 public:
  Result<> value(const json::value& in, const Schema& schema, void* out, const FieldPath& path) {
    if (schema.text_in_struct) return text(in, out);
    switch (schema.form) {
      case Form::kStruct:
        return structure(in, schema, out, path);
      case Form::kMap:
        return map(in, schema, out, path);
      case Form::kList:
        return list(in, schema, out, path);
      case Form::kStringList:
        return strings(in, out, path);
      case Form::kString:
        return string(in, as<std::string>(out), path, "string");
      case Form::kBool:
        if (!in.is_bool()) return type_error(in, "bool", path);
        as<bool>(out) = in.get_bool();
        return {};
      case Form::kInt32:
        return integer<int32_t>(in, out, path, "int32");
      case Form::kInt64:
        return integer<int64_t>(in, out, path, "int64");
      case Form::kDouble:
        if (!in.is_number()) return type_error(in, "float64", path);
        as<double>(out) = in.to_number<double>();
        return {};
      case Form::kBytes:
        return bytes(in, out, path);
      case Form::kQuantity:
        return quantity(in, out, path);
      case Form::kIntOrString:
        return int_or_string(in, out, path);
      case Form::kTime:
      case Form::kMicroTime:
        return time(in, out, path);
      case Form::kDuration:
        return duration(in, out, path);
      default:
        return text(in, out);
    }
  }

 private:
  Result<> structure(const json::value& in, const Schema& schema, void* out, const FieldPath& path) {
    const auto* object = in.if_object();
    if (!object) return type_error(in, go_type_name(schema), path);
    size_t hint = 0;
    for (const auto& entry : *object) {
      const Field* field = schema.find(entry.key(), &hint);
      if (!field || entry.value().is_null()) continue;
      void* member = static_cast<char*>(out) + field->offset;
      if (field->optional) member = field->optional->emplace(member);
      TRY(value(entry.value(), *field->type, member, FieldPath{&path, &schema, field->name}));
    }
    return {};
  }

  Result<> map(const json::value& in, const Schema& schema, void* out, const FieldPath& path) {
    const auto* object = in.if_object();
    if (!object) return type_error(in, go_type_name(schema), path);
    schema.map_ops->clear(out);
    for (const auto& entry : *object) {
      void* item = schema.map_ops->insert(out, std::string(entry.key()));
      if (!entry.value().is_null()) TRY(value(entry.value(), *schema.items, item, path));
    }
    return {};
  }

  Result<> list(const json::value& in, const Schema& schema, void* out, const FieldPath& path) {
    const auto* array = in.if_array();
    if (!array) return type_error(in, go_type_name(schema), path);
    schema.list_ops->resize(out, 0);
    schema.list_ops->resize(out, array->size());
    for (size_t i = 0; i < array->size(); ++i) {
      if ((*array)[i].is_null()) continue;
      TRY(value((*array)[i], *schema.items, const_cast<void*>(schema.list_ops->at(out, i)), path));
    }
    return {};
  }

  Result<> strings(const json::value& in, void* out, const FieldPath& path) {
    const auto* array = in.if_array();
    if (!array) return type_error(in, "[]string", path);
    auto& items = as<std::vector<std::string>>(out);
    items.assign(array->size(), {});
    for (size_t i = 0; i < items.size(); ++i) TRY(string((*array)[i], items[i], path, "string"));
    return {};
  }

  static Result<> string(const json::value& in, std::string& out, const FieldPath& path,
                         std::string_view type) {
    const auto* text = in.if_string();
    if (!text) return type_error(in, type, path);
    out.assign(text->data(), text->size());
    return {};
  }

  template <class T>
  static Result<> integer(const json::value& in, void* out, const FieldPath& path, std::string_view type) {
    const auto* number = in.if_int64();
    if (!number || *number < std::numeric_limits<T>::min() || *number > std::numeric_limits<T>::max()) {
      return type_error(in, type, path);
    }
    as<T>(out) = static_cast<T>(*number);
    return {};
  }

  static Result<> bytes(const json::value& in, void* out, const FieldPath& path) {
    const auto* text = in.if_string();
    if (!text) return type_error(in, "[]uint8", path);
    auto raw = base64_decode(*text);
    if (!raw) return fail(Code::kInvalid, "illegal base64 data at input byte 0");
    as<std::string>(out) = std::move(*raw);
    return {};
  }

  static Result<> quantity(const json::value& in, void* out, const FieldPath& path) {
    std::string text;
    if (const auto* given = in.if_string()) {
      text.assign(given->data(), given->size());
    } else if (in.is_number()) {
      append_json(in, text);
    } else {
      return type_error(in, "resource.Quantity", path);
    }
    as<Quantity>(out).text = std::move(text);
    return {};
  }

  static Result<> int_or_string(const json::value& in, void* out, const FieldPath& path) {
    auto& target = as<IntOrString>(out);
    if (const auto* text = in.if_string()) {
      target = IntOrString(std::string(*text));
      return {};
    }
    target = IntOrString();
    return integer<int32_t>(in, &target.number, path, "int32");
  }

  static Result<> time(const json::value& in, void* out, const FieldPath& path) {
    const auto* text = in.if_string();
    if (!text) return type_error(in, "v1.Time", path);
    as<Time>(out) = TRY(parse_rfc3339(*text));
    return {};
  }

  static Result<> duration(const json::value& in, void* out, const FieldPath& path) {
    const auto* text = in.if_string();
    if (!text) return type_error(in, "v1.Duration", path);
    as<Duration>(out) = TRY(parse_duration(*text));
    return {};
  }

  static Result<> text(const json::value& in, void* out) {
    auto& raw = as<RawJson>(out).text;
    raw.clear();
    append_json(in, raw);
    return {};
  }
};

// Writing.

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void value(const Schema& schema, const void* in) {
    if (schema.text_in_struct) return raw(in);
    switch (schema.form) {
      case Form::kStruct:
        return structure(schema, in, false);
      case Form::kMap:
        return map(schema, in);
      case Form::kList:
        return list(schema, in);
      case Form::kStringList:
        return strings(as<std::vector<std::string>>(in));
      case Form::kString:
        return append_json_string(as<std::string>(in), out_);
      case Form::kBool:
        out_ += as<bool>(in) ? "true" : "false";
        return;
      case Form::kInt32:
        number(as<int32_t>(in));
        return;
      case Form::kInt64:
        number(as<int64_t>(in));
        return;
      case Form::kDouble:
        append_json_double(as<double>(in), out_);
        return;
      case Form::kBytes:
        return append_json_string(base64_encode(as<std::string>(in)), out_);
      case Form::kQuantity:
        return append_json_string(as<Quantity>(in).empty() ? "0" : as<Quantity>(in).text, out_);
      case Form::kIntOrString: {
        const auto& either = as<IntOrString>(in);
        if (either.is_string) return append_json_string(either.text, out_);
        return number(either.number);
      }
      case Form::kTime:
      case Form::kMicroTime:
        return time(as<Time>(in), schema.form);
      case Form::kDuration:
        return append_json_string(format_duration(as<Duration>(in)), out_);
      default:
        return raw(in);
    }
  }

  void structure(const Schema& schema, const void* in, bool top_level) {
    char before = '{';
    if (top_level && schema.is_kind) {
      out_ += "{\"kind\":";
      append_json_string(schema.name, out_);
      out_ += ",\"apiVersion\":";
      append_json_string(api_version_of(schema), out_);
      before = ',';
    }
    for (const Field& field : schema.fields) {
      const void* member = static_cast<const char*>(in) + field.offset;
      if (field.optional) member = field.optional->get(member);
      if (left_out(field, member)) continue;
      out_ += before;
      before = ',';
      append_json_string(field.name, out_);
      out_ += ':';
      if (!member) {
        out_ += "null";
      } else {
        value(*field.type, member);
      }
    }
    if (before == '{') out_ += '{';
    out_ += '}';
  }

 private:
  /// `member` is null for an unset optional.
  static bool left_out(const Field& field, const void* member) {
    if (!member) return field.has(Field::kOmitEmpty);
    const Schema& type = *field.type;
    if (type.text_in_struct) return as<RawJson>(member).empty();
    const bool pointer = field.has(Field::kPointer);
    switch (type.form) {
      case Form::kRawExtension:
      case Form::kFieldsV1:
      case Form::kJson:
        return as<RawJson>(member).empty() && field.has(Field::kOmitEmpty);
      case Form::kTime:
      case Form::kMicroTime:
        return !as<Time>(member) &&
               (field.has(Field::kOmitZero) || (pointer && field.has(Field::kOmitEmpty)));
      default:
        break;
    }
    if (pointer || !field.has(Field::kOmitEmpty)) return false;
    switch (type.form) {
      case Form::kMap:
        return type.map_ops->size(member) == 0;
      case Form::kList:
        return type.list_ops->size(member) == 0;
      case Form::kStringList:
        return as<std::vector<std::string>>(member).empty();
      case Form::kString:
      case Form::kBytes:
        return as<std::string>(member).empty();
      case Form::kBool:
        return !as<bool>(member);
      case Form::kInt32:
        return as<int32_t>(member) == 0;
      case Form::kInt64:
        return as<int64_t>(member) == 0;
      case Form::kDouble:
        return as<double>(member) == 0;
      default:
        return false;  // Go never counts a struct as empty
    }
  }

  void map(const Schema& schema, const void* in) {
    struct Context {
      Writer* writer;
      const Schema* items;
      char before;
    } context{this, schema.items, '{'};
    schema.map_ops->each(in, &context, [](void* opaque, const std::string& key, const void* item) {
      auto& self = *static_cast<Context*>(opaque);
      self.writer->out_ += self.before;
      self.before = ',';
      append_json_string(key, self.writer->out_);
      self.writer->out_ += ':';
      self.writer->value(*self.items, item);
    });
    if (context.before == '{') out_ += '{';
    out_ += '}';
  }

  void list(const Schema& schema, const void* in) {
    const size_t size = schema.list_ops->size(in);
    out_ += '[';
    for (size_t i = 0; i < size; ++i) {
      if (i) out_ += ',';
      value(*schema.items, schema.list_ops->at(in, i));
    }
    out_ += ']';
  }

  void strings(const std::vector<std::string>& items) {
    out_ += '[';
    for (size_t i = 0; i < items.size(); ++i) {
      if (i) out_ += ',';
      append_json_string(items[i], out_);
    }
    out_ += ']';
  }

  void number(int64_t value) { fmt::format_to(std::back_inserter(out_), "{}", value); }
  void time(const Time& time, Form form) {
    if (!time) {
      out_ += "null";
    } else {
      append_json_string(form == Form::kTime ? format_rfc3339(*time) : format_rfc3339_micro(*time), out_);
    }
  }
  void raw(const void* in) {
    const auto& text = as<RawJson>(in).text;
    out_ += text.empty() ? "null" : text;
  }

  std::string& out_;
};

}  // namespace

Result<> struct_from_value(const json::value& json, const Schema& schema, void* out) {
  return Reader().value(json, schema, out, FieldPath{});
}

Result<> decode_struct(std::string_view text, const Schema& schema, void* out) {
  // Answers of servers may be long lists: no limit but memory.
  const JsonParseOptions options{.max_bytes = std::numeric_limits<size_t>::max()};
  const json::value value = TRY(parse_json(text, options));
  return struct_from_value(value, schema, out);
}

void encode_struct(const Schema& schema, const void* object, std::string& out) {
  Writer(out).structure(schema, object, true);
}

json::value struct_to_value(const Schema& schema, const void* object) {
  std::string text;
  encode_struct(schema, object, text);
  // Raw members that hold broken JSON are the only way to fail; they become null as a whole.
  const JsonParseOptions options{.max_bytes = std::numeric_limits<size_t>::max()};
  auto value = parse_json(text, options);
  return value ? std::move(*value) : json::value();
}

}  // namespace cloudless::schema

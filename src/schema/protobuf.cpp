#include "schema/protobuf.hpp"

#include <algorithm>
#include <bit>
#include <boost/json.hpp>
#include <cstring>

#include "base/clock.hpp"
#include "base/encoding.hpp"
#include "schema/go_types.hpp"
#include "schema/json.hpp"
#include "schema/normalize.hpp"
#include "schema/object_util.hpp"

namespace cloudless::schema {
namespace json = boost::json;
namespace {

constexpr std::string_view kMagic("k8s\0", 4);

enum WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytesType = 2, kFixed32 = 5 };

void put_varint(uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_tag(uint32_t tag, WireType type, std::string& out) { put_varint(tag << 3 | type, out); }

// What stands in front of that many bytes.
void put_length(uint32_t tag, size_t size, std::string& out) {
  put_tag(tag, kBytesType, out);
  put_varint(size, out);
}

void put_bytes(uint32_t tag, std::string_view bytes, std::string& out) {
  put_length(tag, bytes.size(), out);
  out += bytes;
}

void put_number(uint32_t tag, int64_t value, std::string& out) {
  put_tag(tag, kVarint, out);
  put_varint(static_cast<uint64_t>(value), out);
}

// Encoding. A JSON null or an absent member is Go's zero value; pointers, lists and maps are then left out.

class Encoder {
 public:
  Result<> message(const json::object* object, const Schema& schema, std::string& out, size_t depth) {
    if (depth > kMaxDepth) return fail(Code::kInvalid, "exceeded max depth");
    for (const WireField& wire : schema.wire) {
      if (wire.inlined) {
        std::string inner;
        TRY(message(object, *wire.inlined, inner, depth + 1));
        put_bytes(wire.tag, inner, out);
        continue;
      }
      const json::value* value = object ? get(*object, wire.field->name) : nullptr;
      if (!value && wire.field->has(Field::kPointer)) continue;
      TRY(field(wire.tag, value, *wire.field->type, out, depth));
    }
    return {};
  }

 private:
  Result<> field(uint32_t tag, const json::value* value, const Schema& schema, std::string& out,
                 size_t depth) {
    switch (schema.form) {
      case Form::kList:
        if (!value) return {};
        if (!value->is_array()) return wrong(schema);
        for (const json::value& item : value->get_array()) TRY(field(tag, &item, *schema.items, out, depth));
        return {};
      case Form::kMap:
        return value ? map(tag, *value, schema, out, depth) : Result<>{};
      case Form::kBytes:
        if (!value) return {};
        break;
      default:
        break;
    }
    return single(tag, value, schema, out, depth);
  }

  /// A value that is always written, zero or not.
  Result<> single(uint32_t tag, const json::value* value, const Schema& schema, std::string& out,
                  size_t depth) {
    if (value && value->is_null()) value = nullptr;
    switch (schema.form) {
      case Form::kBool:
        put_number(tag, value && value->is_bool() && value->get_bool(), out);
        return {};
      case Form::kInt32:
      case Form::kInt64:
        put_number(tag, value && value->is_int64() ? value->get_int64() : 0, out);
        return {};
      case Form::kDouble:
        put_double(tag, value && value->is_number() ? value->to_number<double>() : 0, out);
        return {};
      case Form::kString:
        put_bytes(tag, text_of(value), out);
        return {};
      case Form::kBytes: {
        auto raw = base64_decode(text_of(value));
        if (!raw) return wrong(schema);
        put_bytes(tag, *raw, out);
        return {};
      }
      default: {
        std::string inner;
        TRY(body(value, schema, inner, depth + 1));
        put_bytes(tag, inner, out);
        return {};
      }
    }
  }

  /// The inside of a message-typed value.
  Result<> body(const json::value* value, const Schema& schema, std::string& out, size_t depth) {
    switch (schema.form) {
      case Form::kStruct: {
        const json::object* object = value ? value->if_object() : nullptr;
        if (value && !object) return wrong(schema);
        return message(object, schema, out, depth);
      }
      case Form::kQuantity:
        put_bytes(1, value && value->is_string() ? text_of(value) : "0", out);
        return {};
      case Form::kIntOrString: {
        const bool is_string = value && value->is_string();
        put_number(1, is_string, out);
        put_number(2, value && value->is_int64() ? value->get_int64() : 0, out);
        put_bytes(3, text_of(value), out);
        return {};
      }
      case Form::kTime:
      case Form::kMicroTime:
        return time(value, schema.form, out);
      case Form::kDuration: {
        const auto duration = parse_duration(text_of(value));
        put_number(1, duration ? duration->count() : 0, out);
        return {};
      }
      case Form::kStringList:
        if (value && value->is_array()) {
          for (const json::value& item : value->get_array()) put_bytes(1, text_of(&item), out);
        }
        return {};
      case Form::kRawExtension:
      case Form::kFieldsV1:
      case Form::kJson:
        if (value) put_bytes(1, serialize_json(*value), out);
        return {};
      case Form::kSchemaOrArray:
      case Form::kSchemaOrBool:
      case Form::kSchemaOrStrings:
        return schema_or_other(value, schema, out, depth);
      default:
        return wrong(schema);
    }
  }

  Result<> time(const json::value* value, Form form, std::string& out) {
    if (!value) return {};  // the zero time is an empty message
    const auto time = parse_rfc3339(text_of(value));
    if (!time) return fail(Code::kInvalid, "{}", time.error().message);
    const auto seconds = std::chrono::floor<std::chrono::seconds>(*time);
    put_number(1, seconds.time_since_epoch().count(), out);
    put_number(2, form == Form::kTime ? 0 : (*time - seconds).count(), out);
    return {};
  }

  Result<> schema_or_other(const json::value* value, const Schema& schema, std::string& out, size_t depth) {
    // OrBool: 1 allows, 2 schema. The others: 1 schema, 2 list.
    const bool or_bool = schema.form == Form::kSchemaOrBool;
    if (or_bool) put_number(1, value && ((value->is_bool() && value->get_bool()) || value->is_object()), out);
    if (!value) return {};
    if (value->is_object()) {
      std::string inner;
      TRY(message(&value->get_object(), *schema.items, inner, depth));
      put_bytes(or_bool ? 2 : 1, inner, out);
    } else if (const auto* array = value->if_array()) {
      const Schema& item = schema.form == Form::kSchemaOrArray ? *schema.items : kString;
      for (const json::value& one : *array) TRY(single(2, &one, item, out, depth));
    }
    return {};
  }

  Result<> map(uint32_t tag, const json::value& value, const Schema& schema, std::string& out, size_t depth) {
    const auto* object = value.if_object();
    if (!object) return wrong(schema);
    std::vector<const json::key_value_pair*> entries;
    for (const auto& entry : *object) entries.push_back(&entry);
    std::sort(entries.begin(), entries.end(), [](auto* a, auto* b) { return a->key() < b->key(); });
    for (const auto* entry : entries) {
      std::string inner;
      put_bytes(1, entry->key(), inner);
      TRY(single(2, &entry->value(), *schema.items, inner, depth));
      put_bytes(tag, inner, out);
    }
    return {};
  }

  static void put_double(uint32_t tag, double number, std::string& out) {
    put_tag(tag, kFixed64, out);
    auto bits = std::bit_cast<uint64_t>(number);
    for (int i = 0; i < 8; ++i, bits >>= 8) out += static_cast<char>(bits);
  }

  static std::unexpected<Error> wrong(const Schema& schema) {
    return fail(Code::kInvalid, "the value is no {}; normalize before encoding", go_type_name(schema));
  }
};

// Decoding.

/// One field of a message: its number and either a scalar or a span of bytes.
struct Piece {
  uint32_t tag = 0;
  WireType type = kVarint;
  uint64_t scalar = 0;
  std::string_view bytes;
};

class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_(bytes) {}
  bool done() const { return rest_.empty(); }

  Result<Piece> next() {
    Piece out;
    const uint64_t key = TRY(varint());
    out.tag = static_cast<uint32_t>(key >> 3);
    out.type = static_cast<WireType>(key & 7);
    if (out.tag == 0 || key >> 32 != 0) return fail(Code::kInvalid, "proto: illegal tag {}", key >> 3);
    switch (out.type) {
      case kVarint:
        out.scalar = TRY(varint());
        break;
      case kFixed64:
        out.scalar = TRY(fixed(8));
        break;
      case kFixed32:
        out.scalar = TRY(fixed(4));
        break;
      case kBytesType: {
        const uint64_t size = TRY(varint());
        if (size > rest_.size()) return ended();
        out.bytes = rest_.substr(0, size);
        rest_.remove_prefix(size);
        break;
      }
      default:
        return fail(Code::kInvalid, "proto: illegal wireType {}", key & 7);
    }
    return out;
  }

 private:
  Result<uint64_t> varint() {
    uint64_t out = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return ended();
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      out |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return out;
    }
    return fail(Code::kInvalid, "proto: integer overflow");
  }
  Result<uint64_t> fixed(size_t size) {
    if (rest_.size() < size) return ended();
    uint64_t out = 0;
    for (size_t i = size; i-- > 0;) out = out << 8 | static_cast<unsigned char>(rest_[i]);
    rest_.remove_prefix(size);
    return out;
  }
  static std::unexpected<Error> ended() { return fail(Code::kInvalid, "unexpected EOF"); }

  std::string_view rest_;
};

class Decoder {
 public:
  /// Fields of the message, and of its inlined ones, go into `out`.
  Result<> message(std::string_view bytes, const Schema& schema, json::object& out, size_t depth) {
    if (depth > kMaxDepth) return fail(Code::kInvalid, "exceeded max depth");
    Cursor cursor(bytes);
    while (!cursor.done()) {
      const Piece piece = TRY(cursor.next());
      const WireField* wire = find(schema, piece.tag);
      if (!wire) continue;  // from a newer version
      if (wire->inlined) {
        TRY(expect(piece, kBytesType));
        TRY(message(piece.bytes, *wire->inlined, out, depth + 1));
      } else {
        TRY(field(piece, *wire->field, out, depth));
      }
    }
    return {};
  }

 private:
  static const WireField* find(const Schema& schema, uint32_t tag) {
    const auto hit =
        std::lower_bound(schema.wire.begin(), schema.wire.end(), tag,
                         [](const WireField& field, uint32_t wanted) { return field.tag < wanted; });
    return hit != schema.wire.end() && hit->tag == tag ? &*hit : nullptr;
  }

  Result<> field(const Piece& piece, const Field& field, json::object& out, size_t depth) {
    const Schema& schema = *field.type;
    if (schema.form == Form::kList) {
      json::value& list = out[field.name];
      if (!list.is_array()) list.emplace_array();
      return list_items(piece, *schema.items, list.get_array(), depth);
    }
    if (schema.form == Form::kMap) {
      json::value& map = out[field.name];
      if (!map.is_object()) map.emplace_object();
      return map_entry(piece, *schema.items, map.get_object(), depth);
    }
    json::value value = TRY(single(piece, schema, depth));
    out[field.name] = std::move(value);
    return {};
  }

  Result<> list_items(const Piece& piece, const Schema& item, json::array& out, size_t depth) {
    const bool number = item.form == Form::kInt32 || item.form == Form::kInt64;
    if (number && piece.type == kBytesType) {  // packed
      std::string_view rest = piece.bytes;
      while (!rest.empty()) {
        uint64_t value = 0;
        size_t used = 0;
        for (; used < rest.size() && used < 10; ++used) {
          value |= static_cast<uint64_t>(rest[used] & 0x7f) << (7 * used);
          if (!(rest[used] & 0x80)) break;
        }
        if (used == rest.size() || used == 10) return fail(Code::kInvalid, "unexpected EOF");
        out.emplace_back(static_cast<int64_t>(value));
        rest.remove_prefix(used + 1);
      }
      return {};
    }
    out.push_back(TRY(single(piece, item, depth)));
    return {};
  }

  Result<> map_entry(const Piece& piece, const Schema& item, json::object& out, size_t depth) {
    TRY(expect(piece, kBytesType));
    Cursor cursor(piece.bytes);
    std::string key;
    Piece none{2, wire_type_of(item), 0, {}};
    Piece value = none;
    while (!cursor.done()) {
      const Piece part = TRY(cursor.next());
      if (part.tag == 1) {
        TRY(expect(part, kBytesType));
        key = part.bytes;
      } else if (part.tag == 2) {
        value = part;
      }
    }
    json::value decoded = TRY(single(value, item, depth));
    out[key] = std::move(decoded);
    return {};
  }

  static WireType wire_type_of(const Schema& schema) {
    switch (schema.form) {
      case Form::kBool:
      case Form::kInt32:
      case Form::kInt64:
        return kVarint;
      case Form::kDouble:
        return kFixed64;
      default:
        return kBytesType;
    }
  }

  static Result<> expect(const Piece& piece, WireType type) {
    if (piece.type == type) return {};
    return fail(Code::kInvalid, "proto: wrong wireType = {} for field {}", static_cast<int>(piece.type),
                piece.tag);
  }

  Result<json::value> single(const Piece& piece, const Schema& schema, size_t depth) {
    if (depth > kMaxDepth) return fail(Code::kInvalid, "exceeded max depth");
    TRY(expect(piece, wire_type_of(schema)));
    switch (schema.form) {
      case Form::kBool:
        return json::value(piece.scalar != 0);
      case Form::kInt32:
        return json::value(static_cast<int64_t>(static_cast<int32_t>(piece.scalar)));
      case Form::kInt64:
        return json::value(static_cast<int64_t>(piece.scalar));
      case Form::kDouble:
        return json::value(std::bit_cast<double>(piece.scalar));
      case Form::kString:
        return json::value(piece.bytes);
      case Form::kBytes:
        return json::value(base64_encode(piece.bytes));
      case Form::kStruct: {
        json::object out;
        TRY(message(piece.bytes, schema, out, depth + 1));
        return json::value(std::move(out));
      }
      default:
        return special(piece.bytes, schema, depth + 1);
    }
  }

  /// Types whose JSON form is not an object of their fields.
  Result<json::value> special(std::string_view bytes, const Schema& schema, size_t depth) {
    int64_t numbers[4] = {};
    std::vector<std::pair<uint32_t, std::string_view>> texts;
    Cursor cursor(bytes);
    while (!cursor.done()) {
      const Piece piece = TRY(cursor.next());
      if (piece.type == kVarint && piece.tag < 4) numbers[piece.tag] = static_cast<int64_t>(piece.scalar);
      if (piece.type == kBytesType) texts.emplace_back(piece.tag, piece.bytes);
    }
    const auto text = [&](uint32_t tag) {
      std::string_view out;
      for (const auto& [number, value] : texts) out = number == tag ? value : out;
      return out;
    };
    switch (schema.form) {
      case Form::kQuantity:
        return json::value(text(1).empty() ? std::string_view("0") : text(1));
      case Form::kIntOrString:
        return numbers[1] == 1 ? json::value(text(3))
                               : json::value(static_cast<int64_t>(static_cast<int32_t>(numbers[2])));
      case Form::kTime:
      case Form::kMicroTime:
        return time(numbers[1], numbers[2], bytes.empty(), schema.form);
      case Form::kDuration:
        return json::value(format_duration(Duration(numbers[1])));
      case Form::kStringList: {
        json::array out;
        for (const auto& [tag, value] : texts) {
          if (tag == 1) out.emplace_back(value);
        }
        return json::value(std::move(out));
      }
      case Form::kSchemaOrArray:
      case Form::kSchemaOrBool:
      case Form::kSchemaOrStrings:
        return schema_or_other(numbers[1], texts, schema, depth);
      default:
        if (text(1).empty()) return json::value();
        return raw(text(1));
    }
  }

  static Result<json::value> time(int64_t seconds, int64_t nanos, bool zero, Form form) {
    // The years 1 to 9999, which RFC 3339 can write.
    constexpr int64_t kFirst = -62'135'596'800, kLast = 253'402'300'799, kMostNanos = 999'999'999;
    if (zero || seconds == kFirst) return json::value();
    // Clock's nanoseconds in 64 bits cover the years 1678 to 2261.
    constexpr int64_t kRepresentable = 9'200'000'000;
    if (seconds < kFirst || seconds > kLast || seconds < -kRepresentable || seconds > kRepresentable ||
        nanos < 0 || nanos > kMostNanos) {
      return fail(Code::kInvalid, "the time {} s {} ns is out of range", seconds, nanos);
    }
    const WallTime time{std::chrono::seconds(seconds) + std::chrono::nanoseconds(nanos)};
    return json::value(form == Form::kTime ? format_rfc3339(time) : format_rfc3339_micro(time));
  }

  Result<json::value> schema_or_other(int64_t allows,
                                      const std::vector<std::pair<uint32_t, std::string_view>>& texts,
                                      const Schema& schema, size_t depth) {
    const bool or_bool = schema.form == Form::kSchemaOrBool;
    json::array items;
    for (const auto& [tag, bytes] : texts) {
      const bool is_schema = tag == (or_bool ? 2u : 1u);
      if (!is_schema && schema.form == Form::kSchemaOrStrings) {
        items.emplace_back(bytes);
        continue;
      }
      json::object object;
      TRY(message(bytes, *schema.items, object, depth));
      if (is_schema) return json::value(std::move(object));
      items.emplace_back(std::move(object));
    }
    return or_bool ? json::value(allows != 0) : json::value(std::move(items));
  }

  /// A RawExtension holds JSON, or an object in its own protobuf envelope, which only its kind's schema can
  /// read.
  static Result<json::value> raw(std::string_view bytes) {
    if (bytes.starts_with(kMagic)) {
      return fail(Code::kUnimplemented, "an object nested in protobuf must be JSON");
    }
    return parse_json(bytes);
  }
};

}  // namespace

Result<std::string> encode_message(const json::value& object, const Schema& schema) {
  if (schema.wire.empty() && !schema.fields.empty()) {
    return fail(Code::kUnimplemented, "{} has no protobuf form", schema.name);
  }
  const auto* fields = object.if_object();
  if (!fields) return fail(Code::kInvalid, "only objects have a protobuf form");
  std::string out;
  TRY(Encoder().message(fields, schema, out, 0));
  return out;
}

Result<json::value> decode_message(std::string_view bytes, const Schema& schema) {
  json::object out;
  TRY(Decoder().message(bytes, schema, out, 0));
  return normalize(out, schema);
}

namespace {

std::string envelope_head(const TypeMeta& type) {
  std::string meta;
  put_bytes(1, type.api_version, meta);
  put_bytes(2, type.kind, meta);
  std::string out(kMagic);
  put_bytes(1, meta, out);
  return out;
}

}  // namespace

std::string wrap_protobuf(const TypeMeta& type, std::string_view message) {
  std::string out = envelope_head(type);
  constexpr size_t kLengthBytes = 11;
  out.reserve(out.size() + message.size() + kLengthBytes + kEnvelopeEnd.size());
  put_bytes(2, message, out);
  return out += kEnvelopeEnd;
}

Result<std::string> encode_protobuf(const json::value& object, const Schema& schema) {
  if (schema.custom) return fail(Code::kUnimplemented, "custom resources have no protobuf form");
  const std::string message = TRY(encode_message(object, schema));
  const auto& fields = object.get_object();
  TypeMeta type{std::string(get_text(fields, "apiVersion")), std::string(get_text(fields, "kind"))};
  if (type.api_version.empty()) type.api_version = api_version_of(schema);
  if (type.kind.empty()) type.kind = schema.name;
  return wrap_protobuf(type, message);
}

namespace {

struct Envelope {
  TypeMeta type;
  std::string_view raw;
};

Result<Envelope> open_envelope(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) {
    return fail(Code::kInvalid,
                "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
  }
  Envelope out;
  Cursor cursor(bytes.substr(kMagic.size()));
  while (!cursor.done()) {
    const Piece piece = TRY(cursor.next());
    if (piece.tag == 2 && piece.type == kBytesType) out.raw = piece.bytes;
    if (piece.tag != 1 || piece.type != kBytesType) continue;
    Cursor meta(piece.bytes);
    while (!meta.done()) {
      const Piece part = TRY(meta.next());
      if (part.tag == 1) out.type.api_version = part.bytes;
      if (part.tag == 2) out.type.kind = part.bytes;
    }
  }
  return out;
}

}  // namespace

Result<TypeMeta> peek_protobuf(std::string_view bytes) { return TRY(open_envelope(bytes)).type; }

Result<json::value> decode_protobuf(std::string_view bytes, const Schema& schema) {
  if (bytes.size() > kMaxTextBytes) {
    return fail(Code::kResourceExhausted, "the message is larger than the limit of {} bytes", kMaxTextBytes);
  }
  if (schema.custom) return fail(Code::kUnimplemented, "custom resources have no protobuf form");
  const Envelope envelope = TRY(open_envelope(bytes));
  json::object out;
  if (!envelope.type.kind.empty()) out["kind"] = envelope.type.kind;
  if (!envelope.type.api_version.empty()) out["apiVersion"] = envelope.type.api_version;
  TRY(Decoder().message(envelope.raw, schema, out, 0));
  return normalize(out, schema);
}

std::string encode_watch_event(std::string_view type, std::string_view object_bytes) {
  std::string raw;
  put_bytes(1, object_bytes, raw);
  std::string out;
  put_bytes(1, type, out);
  put_bytes(2, raw, out);
  return out;
}

Result<std::string> encode_item(const json::value& object, const Schema& schema) {
  if (schema.custom) return fail(Code::kUnimplemented, "custom resources have no protobuf form");
  std::string out;
  put_bytes(2, TRY(encode_message(object, schema)), out);
  return out;
}

std::string wrap_item(const TypeMeta& type, std::string_view item) {
  std::string out = envelope_head(type);
  out.reserve(out.size() + item.size() + kEnvelopeEnd.size());
  return out.append(item).append(kEnvelopeEnd);
}

Result<std::string> encode_list_head(const TypeMeta& type, const json::value& list_meta,
                                     const Schema& list_meta_schema, size_t item_bytes) {
  std::string meta;
  put_bytes(1, TRY(encode_message(list_meta, list_meta_schema)), meta);
  std::string out = envelope_head(type);
  put_length(2, meta.size() + item_bytes, out);
  return out += meta;
}

}  // namespace cloudless::schema

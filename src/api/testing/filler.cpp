#include "api/testing/filler.hpp"

#include <boost/json.hpp>

#include "base/encoding.hpp"
#include "schema/normalize.hpp"

namespace cloudless::api::testing {

namespace json = boost::json;
using schema::Field;
using schema::Form;
using schema::Schema;

namespace {

// Fewer members that may be absent are hardly alternatives of each other.
constexpr int kUnionMembers = 3;
// JSON schemas nest in themselves; so deep suffices.
constexpr int kSchemaDepth = 1;

bool holds_schema(const Schema& type) {
  if (type.text_in_struct) return true;
  return type.items && holds_schema(*type.items);
}

bool is_alternative(const Field& field) {
  return field.has(Field::kPointer) && field.type->form == Form::kStruct;
}

int count_alternatives(const Schema& type) {
  const auto count = std::ranges::count_if(type.fields, is_alternative);
  return count < kUnionMembers ? 0 : static_cast<int>(count);
}

}  // namespace

std::string api_version_of(const Schema& kind) {
  if (kind.group.empty() || kind.group == "meta.k8s.io") return std::string(kind.version);
  return std::string(kind.group) + "/" + std::string(kind.version);
}

json::value Filler::object(const Schema& kind) {
  json::object out{{"kind", kind.name}, {"apiVersion", api_version_of(kind)}};
  for (const auto& entry : fill(kind).as_object()) out.emplace(entry.key(), entry.value());
  return schema::normalize(out, kind).value();
}

json::value Filler::fill_struct(const Schema& type, int schema_depth, int chosen) {
  json::object out;
  const bool nests = type.name == "JSONSchemaProps";
  const int alternatives = unions_ == Unions::kOne ? count_alternatives(type) : 0;
  int alternative = 0;
  for (const Field& field : type.fields) {
    if (nests && schema_depth > kSchemaDepth && holds_schema(*field.type)) continue;
    if (alternatives && is_alternative(field) && alternative++ != chosen % alternatives) continue;
    out[field.name] = member(field, schema_depth + nests);
  }
  return out;
}

json::value Filler::fill_list(const Schema& type, int schema_depth) {
  if (unions_ == Unions::kAll || type.items->form != Form::kStruct)
    return json::array{fill(*type.items, schema_depth), fill(*type.items, schema_depth)};
  json::array out;
  const int size = std::max(1, count_alternatives(*type.items));
  for (int i = 0; i < size; ++i) out.push_back(fill_struct(*type.items, schema_depth, i + turn_));
  return out;
}

std::string Filler::text_for(const Field& field) {
  if (field.enumeration && unions_ == Unions::kOne) {
    const auto& values = field.enumeration->values;
    const std::string_view value = values[static_cast<size_t>(count_ + turn_) % values.size()];
    if (!value.empty()) return std::string(value);
  }
  return "text" + std::to_string(count_);
}

json::value Filler::member(const Field& field, int schema_depth) {
  if (field.type->form == Form::kString) {
    ++count_;
    return json::value(text_for(field));
  }
  return fill(*field.type, schema_depth);
}

json::value Filler::fill(const Schema& type, int schema_depth) {
  ++count_;
  switch (type.form) {
    case Form::kStruct:
      return fill_struct(type, schema_depth, turn_);
    case Form::kMap: {
      const std::string key = "key" + std::to_string(count_);
      return json::object{{key, fill(*type.items, schema_depth)},
                          {key + "b", fill(*type.items, schema_depth)}};
    }
    case Form::kList:
      return fill_list(type, schema_depth);
    case Form::kStringList:
      return json::array{"a", "b<>&"};
    case Form::kString:
      return json::value("text" + std::to_string(count_));
    case Form::kBool:
      return true;
    case Form::kInt32:
      return 1000 + count_;
    case Form::kInt64:
      return unions_ == Unions::kAll ? -5'000'000'000 - count_ : int64_t{5'000 + count_};
    case Form::kDouble:
      return 1.5;
    case Form::kBytes:
      return json::value(base64_encode(std::string("\0\xff raw", 6)));
    case Form::kQuantity:
      return json::value(std::to_string(count_ % 999 + 1) + "Mi");
    case Form::kIntOrString:
      return count_ % 2 ? json::value(count_) : json::value("port");
    case Form::kTime:
      return "2026-11-22T17:59:23Z";
    case Form::kMicroTime:
      return "2026-11-22T17:59:23.000042Z";
    case Form::kDuration:
      return "1m30s";
    case Form::kRawExtension:
    case Form::kFieldsV1:
      return json::object{{"f:spec", json::object{{"x", 1}}}};
    case Form::kJson:
      return json::array{1, "two", nullptr};
    case Form::kSchemaOrArray:
    case Form::kSchemaOrBool:
      return fill(*type.items, schema_depth + 1);
    case Form::kSchemaOrStrings:
      return json::array{"a", "b"};
    case Form::kAny:
      return json::object{{"a", 1}};
  }
  return nullptr;
}

}  // namespace cloudless::api::testing

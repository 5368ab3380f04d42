// Schema: what a JSON value may look like, in one form for built-in kinds and for those of custom resources.
//
// Every codec, default, prune, validation, patch and ownership rule walks this form. Built-in schemas are
// constants generated from /api; those of custom resources are built at run time (schema/crd_schema.hpp).
// Schemas are immutable and refer to each other by pointer; whoever owns the storage outlives all use.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "schema/types.hpp"

namespace cloudless::schema {

/// What the value is in JSON, protobuf and C++.
enum class Form : uint8_t {
  kStruct,           // object with known fields
  kMap,              // object with string keys and one value type
  kList,             // array
  kString,           // std::string
  kBool,             // bool
  kInt32,            // int32_t
  kInt64,            // int64_t
  kDouble,           // double
  kBytes,            // base64 text in JSON; raw bytes in std::string
  kQuantity,         // Quantity
  kIntOrString,      // IntOrString
  kTime,             // RFC 3339 with seconds, or null; Time
  kMicroTime,        // RFC 3339 with microseconds, or null; Time
  kDuration,         // Go duration text; Duration
  kRawExtension,     // any object, kept; RawJson
  kFieldsV1,         // any object, kept; RawJson
  kJson,             // any value, kept; RawJson
  kStringList,       // list of strings that is a message of its own in protobuf; std::vector<std::string>
  kSchemaOrArray,    // JSONSchemaProps or a list of them
  kSchemaOrBool,     // JSONSchemaProps or a boolean
  kSchemaOrStrings,  // JSONSchemaProps or a list of strings
  kAny,              // anything, kept (custom resources without a type)
};

enum class ListType : uint8_t { kAtomic, kSet, kMap };

struct Schema;
struct Constraints;

/// A named string type with its declared values. Only a closed one refuses other values.
struct Enum {
  std::string_view name;  // "Protocol"
  std::span<const std::string_view> values;
  bool closed = false;
};

struct Field {
  enum Flag : uint32_t {
    kOmitEmpty = 1u << 0,  // left out when empty
    kOmitZero = 1u << 1,   // left out when zero, structs and times too
    kPointer = 1u << 2,    // a Go pointer: unset differs from zero
    kRequired = 1u << 3,   // required in OpenAPI
    kPatchMerge =
        1u << 4,  // strategic merge: lists merge by `merge_key` (or as sets), maps and structs by field
    kPatchRetainKeys = 1u << 5,  // strategic merge: honours $retainKeys
    kPatchReplace = 1u << 6,     // strategic merge: replaced as a whole
    kAtomicMap = 1u << 7,        // this field is owned as a whole although its type is granular
    kGranularMap = 1u << 8,      // and the other way round
  };

  std::string_view name;  // in JSON
  const Schema* type = nullptr;
  uint32_t flags = 0;
  uint32_t offset = 0;                    // in the generated struct
  const OptionalOps* optional = nullptr;  // for pointers in the generated struct
  const Enum* enumeration = nullptr;
  std::string_view merge_key;
  std::string_view default_json;  // custom resources only; built-ins have Default rows
  int32_t max_items = -1;         // -1: no limit
  std::string_view format;        // declarative validation format, "k8s-uuid"

  bool has(Flag flag) const { return (flags & flag) != 0; }
};

/// A member of a protobuf message, by ascending tag. Inlined types are fields of the JSON object but messages
/// of their own here: then `field` is null and `inlined` is set.
struct WireField {
  uint16_t tag = 0;
  const Field* field = nullptr;
  const Schema* inlined = nullptr;
};

/// A default of the description: `path` below the type, its value, and when it applies.
struct Default {
  std::string_view path;
  std::string_view json;
  bool create_parents = false;  // makes optional objects on the way
  bool when_zero = false;       // also replaces a zero value
  std::string_view
      condition_path;  // empty: always; else: when the value at this path is one of `condition_values`
  std::string_view condition_values;  // comma-separated
};

struct Schema {
  Form form = Form::kAny;
  std::string_view name;     // "PodSpec"; empty for lists, maps and scalars
  std::string_view package;  // "k8s.io.api.core.v1"
  std::string_view group;    // kinds only; the core group is empty
  std::string_view version;  // kinds only
  bool is_kind = false;
  bool text_in_struct = false;      // generated structs hold it as RawJson
  std::span<const Field> fields;    // kStruct, in the order of emission; inlined ones flattened
  std::span<const WireField> wire;  // kStruct; empty if it has no protobuf form
  const Schema* items = nullptr;    // of kList and kMap
  ListType list_type = ListType::kAtomic;
  std::string_view list_map_keys;  // comma-separated
  bool atomic_map = false;         // kStruct, kMap: owned as a whole
  const ListOps* list_ops = nullptr;
  const MapOps* map_ops = nullptr;
  std::span<const Default> defaults;  // of this type wherever it occurs

  // Custom resources only.
  bool custom = false;  // built at run time: values stay as they are, keys are sorted, nothing is zero-filled
  bool preserve_unknown = false;
  bool embedded_resource = false;
  bool nullable = false;
  const Schema* additional = nullptr;  // of kStruct: schema of other keys
  const Constraints* constraints = nullptr;

  /// The field of that exact name, or null. `hint` (optional) starts the search there and is left behind the
  /// hit, which makes reading fields in order take constant time each.
  const Field* find(std::string_view field_name, size_t* hint = nullptr) const;
};

// The types without parameters.
extern const Schema kString, kBool, kInt32, kInt64, kDouble, kBytes, kQuantity, kIntOrString, kTime,
    kMicroTime, kDuration, kRawExtension, kFieldsV1, kJson, kStringList, kAny;

}  // namespace cloudless::schema

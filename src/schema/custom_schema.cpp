#include "schema/custom_schema.hpp"

#include <boost/json.hpp>
#include <deque>

#include "base/strings.hpp"
#include "schema/constraints.hpp"
#include "schema/json.hpp"
#include "schema/object_util.hpp"

namespace cloudless::schema {
namespace json = boost::json;
namespace {

/// The storage of a tree: deques, so that what is handed out stays in place.
class Tree final : public CustomSchema {
 public:
  explicit Tree(const Schema& object_meta) : object_meta_(object_meta) {}

  Result<> build(std::string_view group, std::string_view version, std::string_view kind,
                 const json::value& open_api) {
    constraints_ = TRY(parse_constraints(open_api));
    Schema& root = schemas_.emplace_back();
    root.custom = true;
    root.form = Form::kStruct;
    const auto* object = open_api.if_object();
    if (object) {
      fill(root, *object, 0);
    } else {
      root.preserve_unknown = true;
    }
    root.form = Form::kStruct;
    root.name = text(kind);
    root.group = text(group);
    root.version = text(version);
    root.is_kind = true;
    root.embedded_resource = false;
    root.constraints = constraints_.get();
    root.fields = with_type_meta(root.fields);
    return {};
  }

  const Schema& root() const override { return schemas_.front(); }

 private:
  std::string_view text(std::string_view value) { return texts_.emplace_back(value); }

  const Schema* node(const json::value& open_api, size_t depth) {
    Schema& out = schemas_.emplace_back();
    out.custom = true;
    out.form = Form::kAny;
    if (const auto* object = open_api.if_object(); object && depth < kMaxDepth) {
      fill(out, *object, depth);
    } else {
      out.preserve_unknown = true;
    }
    return &out;
  }

  void fill(Schema& out, const json::object& open_api, size_t depth) {
    const auto type = get_text(open_api, "type");
    out.nullable = get_bool(open_api, "nullable");
    out.preserve_unknown = get_bool(open_api, "x-kubernetes-preserve-unknown-fields");
    out.embedded_resource = get_bool(open_api, "x-kubernetes-embedded-resource");
    if (get_bool(open_api, "x-kubernetes-int-or-string")) {
      out.form = Form::kIntOrString;
    } else if (type == "array") {
      fill_list(out, open_api, depth);
    } else if (type == "string") {
      out.form = Form::kString;
    } else if (type == "integer") {
      out.form = Form::kInt64;
    } else if (type == "number") {
      out.form = Form::kDouble;
    } else if (type == "boolean") {
      out.form = Form::kBool;
    } else if (type == "object" || get(open_api, "properties")) {
      fill_object(out, open_api, depth);
    }
  }

  void fill_list(Schema& out, const json::object& open_api, size_t depth) {
    out.form = Form::kList;
    const auto* items = get(open_api, "items");
    out.items = node(items ? *items : json::value(), depth + 1);
    const auto list_type = get_text(open_api, "x-kubernetes-list-type");
    out.list_type = list_type == "map"   ? ListType::kMap
                    : list_type == "set" ? ListType::kSet
                                         : ListType::kAtomic;
    std::vector<std::string> keys;
    if (const auto* names = get_array(open_api, "x-kubernetes-list-map-keys")) {
      for (const json::value& name : *names) keys.emplace_back(text_of(&name));
    }
    out.list_map_keys = text(join(keys, ","));
  }

  void fill_object(Schema& out, const json::object& open_api, size_t depth) {
    out.form = Form::kStruct;
    out.atomic_map = get_text(open_api, "x-kubernetes-map-type") == "atomic";
    std::vector<Field> fields;
    if (const auto* properties = get_object(open_api, "properties")) {
      for (const auto& entry : *properties) {
        Field& field = fields.emplace_back();
        field.name = text(entry.key());
        field.type = out.embedded_resource && entry.key() == "metadata" ? &object_meta_
                                                                        : node(entry.value(), depth + 1);
        const auto* property = entry.value().if_object();
        const auto* fallback = property ? property->if_contains("default") : nullptr;
        if (fallback) field.default_json = text(serialize_json(*fallback));
      }
    }
    const auto* others = get(open_api, "additionalProperties");
    if (others && (others->is_object() || (others->is_bool() && others->get_bool()))) {
      const Schema* items = node(*others, depth + 1);
      if (fields.empty()) {
        out.form = Form::kMap;
        out.items = items;
      } else {
        out.additional = items;
      }
    }
    if (out.embedded_resource) add_metadata(fields);
    out.fields = keep(std::move(fields));
  }

  void add_metadata(std::vector<Field>& fields) {
    for (const Field& field : fields) {
      if (field.name == "metadata") return;
    }
    fields.push_back({.name = "metadata", .type = &object_meta_});
  }

  /// The root's own apiVersion, kind and metadata replace whatever the schema says of them.
  std::span<const Field> with_type_meta(std::span<const Field> given) {
    std::vector<Field> fields{{.name = "apiVersion", .type = &kString},
                              {.name = "kind", .type = &kString},
                              {.name = "metadata", .type = &object_meta_}};
    for (const Field& field : given) {
      if (field.name != "apiVersion" && field.name != "kind" && field.name != "metadata")
        fields.push_back(field);
    }
    return keep(std::move(fields));
  }

  std::span<const Field> keep(std::vector<Field> fields) { return fields_.emplace_back(std::move(fields)); }

  const Schema& object_meta_;
  std::deque<Schema> schemas_;
  std::deque<std::vector<Field>> fields_;
  std::deque<std::string> texts_;
  std::unique_ptr<Constraints> constraints_;
};

/// Keywords that structural schemas never have.
constexpr std::string_view kForbidden[] = {
    "$ref",       "definitions",   "dependencies", "patternProperties", "additionalItems",
    "deprecated", "discriminator", "id",           "readOnly",          "writeOnly",
    "xml"};

class StructuralCheck {
 public:
  FieldErrors errors;

  void check(const json::value& open_api, const Path& path, bool root, size_t depth) {
    const auto* object = open_api.if_object();
    if (!object || depth > kMaxDepth) return;
    for (const auto name : kForbidden) {
      if (get(*object, name))
        errors.push_back(forbidden(path.child(name), std::string(name) + " is not supported"));
    }
    if (get_bool(*object, "uniqueItems")) {
      errors.push_back(
          forbidden(path.child("uniqueItems"),
                    "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"));
    }
    check_type(*object, path, root);
    check_pattern(*object, path);
    check_list_type(*object, path);
    check_parts(*object, path, depth);
  }

 private:
  void check_type(const json::object& object, const Path& path, bool root) {
    const auto type = get_text(object, "type");
    const bool free = get_bool(object, "x-kubernetes-int-or-string") ||
                      get_bool(object, "x-kubernetes-preserve-unknown-fields");
    if (root && type != "object") {
      errors.push_back(type.empty() ? required(path.child("type"), "must not be empty at the root")
                                    : invalid(path.child("type"), type, "must be object at the root"));
    } else if (type.empty() && !free) {
      errors.push_back(required(path.child("type"), "must not be empty for specified object fields"));
    }
    if (type == "array" && !get(object, "items"))
      errors.push_back(required(path.child("items"), "must be specified"));
    static const std::vector<std::string_view> kTypes{"array",  "boolean", "integer",
                                                      "number", "object",  "string"};
    if (!type.empty() && std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end()) {
      errors.push_back(not_supported(path.child("type"), type, kTypes));
    }
    if (get(object, "properties") && get(object, "additionalProperties")) {
      errors.push_back(forbidden(path.child("additionalProperties"),
                                 "additionalProperties and properties are mutual exclusive"));
    }
  }

  void check_pattern(const json::object& object, const Path& path) {
    const auto pattern = get_text(object, "pattern");
    if (pattern.empty()) return;
    const auto compiled = Pattern::compile(pattern);
    if (compiled) return;
    errors.push_back(
        invalid(path.child("pattern"), pattern,
                fmt::format("must be a valid regular expression, but isn't: {}", compiled.error().message)));
  }

  void check_list_type(const json::object& object, const Path& path) {
    const auto list_type = get_text(object, "x-kubernetes-list-type");
    if (list_type.empty()) return;
    if (list_type != "atomic" && list_type != "set" && list_type != "map") {
      errors.push_back(
          not_supported(path.child("x-kubernetes-list-type"), list_type, {"atomic", "set", "map"}));
    }
    const auto* keys = get_array(object, "x-kubernetes-list-map-keys");
    if (list_type == "map" && (!keys || keys->empty())) {
      errors.push_back(required(path.child("x-kubernetes-list-map-keys"),
                                "must not be empty if x-kubernetes-list-type is map"));
    }
  }

  void check_parts(const json::object& object, const Path& path, size_t depth) {
    if (const auto* properties = get_object(object, "properties")) {
      for (const auto& entry : *properties) {
        // Type and metadata of the root and of embedded resources need no schema of their own.
        check(entry.value(), path.child("properties").key(entry.key()), false, depth + 1);
      }
    }
    if (const auto* items = get(object, "items")) check(*items, path.child("items"), false, depth + 1);
    const auto* others = get(object, "additionalProperties");
    if (others && others->is_object()) check(*others, path.child("additionalProperties"), false, depth + 1);
  }
};

}  // namespace

Result<std::shared_ptr<const CustomSchema>> CustomSchema::make(std::string_view group,
                                                               std::string_view version,
                                                               std::string_view kind,
                                                               const json::value& open_api,
                                                               const Schema& object_meta) {
  auto tree = std::make_shared<Tree>(object_meta);
  TRY(tree->build(group, version, kind, open_api));
  return tree;
}

FieldErrors validate_structural(const json::value& open_api, const Path& path) {
  StructuralCheck check;
  check.check(open_api, path, true, 0);
  return std::move(check.errors);
}

}  // namespace cloudless::schema

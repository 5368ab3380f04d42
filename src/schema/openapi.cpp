#include "schema/openapi.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <set>

#include "base/strings.hpp"
#include "schema/go_types.hpp"
#include "schema/json.hpp"
#include "schema/object_util.hpp"

namespace cloudless::schema {
namespace json = boost::json;

std::string definition_name(const Schema& schema) {
  // "k8s.io.api.core.v1" is io.k8s.api.core.v1: the domain's parts turn round, underscores become dashes.
  std::string package(schema.package);
  if (package.starts_with("k8s.io.")) package = "io.k8s." + package.substr(7);
  std::replace(package.begin(), package.end(), '_', '-');
  if (schema.custom) {
    auto parts = split(schema.group, '.');
    std::reverse(parts.begin(), parts.end());
    package = join(parts, ".") + "." + std::string(schema.version);
  }
  return package + "." + std::string(schema.name);
}

namespace {

enum class Edition { kV2, kV3 };

json::object group_version_kind(std::string_view group, std::string_view version, std::string_view kind) {
  return {{"group", group}, {"kind", kind}, {"version", version}};
}

/// Turns schemas into definitions, and remembers which it refers to.
class DefinitionWriter {
 public:
  explicit DefinitionWriter(Edition edition) : edition_(edition) {}

  std::set<const Schema*> wanted;

  json::object definition(const Schema& schema) {
    if (schema.form != Form::kStruct) return special(schema.form);
    json::object out{{"type", "object"}};
    json::array required;
    json::object properties;
    if (schema.is_kind) {
      properties["apiVersion"] = json::object{{"type", "string"}};
      properties["kind"] = json::object{{"type", "string"}};
    }
    for (const Field& field : schema.fields) {
      properties[field.name] = property(field);
      if (field.has(Field::kRequired)) required.emplace_back(field.name);
    }
    if (!properties.empty()) out["properties"] = std::move(properties);
    if (!required.empty()) out["required"] = std::move(required);
    if (schema.is_kind) {
      const auto group = schema.group == "meta.k8s.io" ? std::string_view() : schema.group;
      out["x-kubernetes-group-version-kind"] =
          json::array{group_version_kind(group, schema.version, schema.name)};
    }
    if (schema.atomic_map) out["x-kubernetes-map-type"] = "atomic";
    return out;
  }

  json::object reference(const Schema& schema) {
    wanted.insert(&schema);
    const std::string where = edition_ == Edition::kV2 ? "#/definitions/" : "#/components/schemas/";
    return {{"$ref", where + definition_name(schema)}};
  }

 private:
  json::object property(const Field& field) {
    json::object out = type(*field.type);
    if (out.contains("$ref") && edition_ == Edition::kV3)
      out = json::object{{"allOf", json::array{std::move(out)}}};
    if (field.type->form == Form::kList) list_extensions(field, out);
    if (field.has(Field::kAtomicMap) || field.type->atomic_map) {
      if (field.type->form == Form::kMap || field.has(Field::kAtomicMap))
        out["x-kubernetes-map-type"] = "atomic";
    }
    if (field.has(Field::kGranularMap)) out["x-kubernetes-map-type"] = "granular";
    patch_extensions(field, out);
    if (field.enumeration && field.enumeration->closed && field.type->form == Form::kString) {
      std::vector<std::string_view> values(field.enumeration->values.begin(),
                                           field.enumeration->values.end());
      std::sort(values.begin(), values.end());
      json::array list;
      for (const auto value : values) list.emplace_back(value);
      out["enum"] = std::move(list);
    }
    return out;
  }

  static void list_extensions(const Field& field, json::object& out) {
    const Schema& list = *field.type;
    out["x-kubernetes-list-type"] = list.list_type == ListType::kMap   ? "map"
                                    : list.list_type == ListType::kSet ? "set"
                                                                       : "atomic";
    if (list.list_type != ListType::kMap) return;
    json::array keys;
    for (const auto key : split(list.list_map_keys, ',')) keys.emplace_back(key);
    out["x-kubernetes-list-map-keys"] = std::move(keys);
  }

  static void patch_extensions(const Field& field, json::object& out) {
    std::vector<std::string_view> strategies;
    if (field.has(Field::kPatchMerge)) strategies.push_back("merge");
    if (field.has(Field::kPatchRetainKeys)) strategies.push_back("retainKeys");
    if (field.has(Field::kPatchReplace)) strategies.push_back("replace");
    if (!strategies.empty()) out["x-kubernetes-patch-strategy"] = join(strategies, ",");
    if (!field.merge_key.empty()) out["x-kubernetes-patch-merge-key"] = field.merge_key;
  }

  json::object type(const Schema& schema) {
    switch (schema.form) {
      case Form::kStruct:
      case Form::kQuantity:
      case Form::kIntOrString:
      case Form::kTime:
      case Form::kMicroTime:
      case Form::kDuration:
      case Form::kRawExtension:
      case Form::kFieldsV1:
      case Form::kJson:
      case Form::kSchemaOrArray:
      case Form::kSchemaOrBool:
      case Form::kSchemaOrStrings:
        return reference(schema);
      case Form::kMap:
        return {{"type", "object"}, {"additionalProperties", type(*schema.items)}};
      case Form::kList:
        return {{"type", "array"}, {"items", type(*schema.items)}};
      case Form::kStringList:
        return {{"type", "array"}, {"items", json::object{{"type", "string"}}}};
      case Form::kString:
        return {{"type", "string"}};
      case Form::kBool:
        return {{"type", "boolean"}};
      case Form::kInt32:
        return {{"type", "integer"}, {"format", "int32"}};
      case Form::kInt64:
        return {{"type", "integer"}, {"format", "int64"}};
      case Form::kDouble:
        return {{"type", "number"}, {"format", "double"}};
      case Form::kBytes:
        return {{"type", "string"}, {"format", "byte"}};
      case Form::kAny:
        return {};
    }
    return {};
  }

  json::object special(Form form) const {
    switch (form) {
      case Form::kQuantity:
        if (edition_ == Edition::kV3)
          return {{"oneOf", json::array{{{"type", "string"}}, {{"type", "number"}}}}};
        return {{"type", "string"}};
      case Form::kIntOrString:
        if (edition_ == Edition::kV3) {
          return {{"format", "int-or-string"},
                  {"oneOf", json::array{{{"type", "integer"}}, {{"type", "string"}}}}};
        }
        return {{"type", "string"}, {"format", "int-or-string"}};
      case Form::kTime:
      case Form::kMicroTime:
        return {{"type", "string"}, {"format", "date-time"}};
      case Form::kDuration:
        return {{"type", "string"}};
      case Form::kRawExtension:
      case Form::kFieldsV1:
        return {{"type", "object"}};
      default:
        return {};
    }
  }

  Edition edition_;
};

/// A custom resource's own schema as a definition: OpenAPI v2 lacks what would mislead kubectl there.
json::value custom_definition(const json::value& schema, Edition edition) {
  if (const auto* array = schema.if_array()) {
    json::array out;
    for (const json::value& item : *array) out.push_back(custom_definition(item, edition));
    return out;
  }
  const auto* object = schema.if_object();
  if (!object) return schema;
  static const std::set<std::string, std::less<>> kNotInV2{
      "nullable", "oneOf", "anyOf", "allOf", "not", "default", "x-kubernetes-validations"};
  json::object out;
  for (const auto& entry : *object) {
    if (edition == Edition::kV2 && kNotInV2.contains(std::string_view(entry.key()))) continue;
    out.emplace(entry.key(), custom_definition(entry.value(), edition));
  }
  // Clients that know no structural pruning must not drop what the server keeps.
  if (edition == Edition::kV2 && get_bool(*object, "x-kubernetes-preserve-unknown-fields")) {
    for (const auto name : {"type", "properties"}) {
      if (out.contains(name)) out.stable_erase(name);
    }
  }
  return out;
}

struct VerbInfo {
  std::string_view verb, method, action;
};
constexpr VerbInfo kVerbs[] = {{"list", "get", "list"},
                               {"get", "get", "get"},
                               {"create", "post", "post"},
                               {"update", "put", "put"},
                               {"patch", "patch", "patch"},
                               {"delete", "delete", "delete"},
                               {"deletecollection", "delete", "deletecollection"}};

class DocumentWriter {
 public:
  DocumentWriter(Edition edition, const OpenApiOptions& options)
      : edition_(edition), options_(options), definitions_(edition) {}

  void add(const OpenApiResource& resource) {
    const ResourceInfo& info = *resource.info;
    if (resource.custom_schema || (info.schema && info.schema->custom)) add_custom_definition(resource);
    const bool on_items = info.is_subresource();
    for (const std::string_view verb : info.verbs) {
      const auto known = std::find_if(std::begin(kVerbs), std::end(kVerbs),
                                      [&](const VerbInfo& v) { return v.verb == verb; });
      if (known == std::end(kVerbs)) continue;
      const bool collection = !on_items && (verb == "list" || verb == "create" || verb == "deletecollection");
      json::object& path = paths_[path_of(info, collection)];
      // A connect endpoint may answer several verbs by one method.
      if (!path.contains(known->method)) path[known->method] = operation(info, *known, collection);
    }
  }

  json::value finish() {
    const Schema* status = nullptr;
    for (const Schema* type : options_.types) {
      if (type->name == "Status" && type->package.ends_with("meta.v1")) status = type;
      if (type->name == "DeleteOptions" && type->package.ends_with("meta.v1"))
        definitions_.wanted.insert(type);
    }
    if (status) definitions_.wanted.insert(status);
    json::object schemas = all_definitions();
    json::object paths;
    for (auto& [path, operations] : paths_) paths.emplace(path, std::move(operations));
    const json::object info{{"title", options_.title}, {"version", options_.version}};
    if (edition_ == Edition::kV2) {
      return json::object{{"swagger", "2.0"},
                          {"info", info},
                          {"paths", std::move(paths)},
                          {"definitions", std::move(schemas)}};
    }
    return json::object{{"openapi", "3.0.0"},
                        {"info", info},
                        {"paths", std::move(paths)},
                        {"components", json::object{{"schemas", std::move(schemas)}}}};
  }

  DefinitionWriter& definitions() { return definitions_; }

 private:
  static std::string path_of(const ResourceInfo& info, bool collection) {
    std::string out = info.group.empty()
                          ? "/api/" + std::string(info.version)
                          : "/apis/" + std::string(info.group) + "/" + std::string(info.version);
    if (info.namespaced) out += "/namespaces/{namespace}";
    const size_t slash = info.resource.find('/');
    out.append("/").append(info.resource.substr(0, slash));
    if (!collection) out += "/{name}";
    if (slash != std::string_view::npos) out.append(info.resource.substr(slash));
    return out;
  }

  json::object content(json::object schema) const {
    if (edition_ == Edition::kV2) return {{"description", "OK"}, {"schema", std::move(schema)}};
    json::object types;
    for (const auto type : {"application/json", "application/yaml", "application/vnd.kubernetes.protobuf"}) {
      types[type] = json::object{{"schema", schema}};
    }
    return {{"description", "OK"}, {"content", std::move(types)}};
  }

  json::object operation(const ResourceInfo& info, const VerbInfo& verb, bool collection) {
    json::object out;
    out["operationId"] = operation_id(info, verb, collection);
    out["x-kubernetes-action"] = verb.action;
    out["x-kubernetes-group-version-kind"] =
        group_version_kind(info.kind_group, info.kind_version, info.kind);
    json::array parameters = path_parameters(info, collection);
    if (verb.verb == "create" || verb.verb == "update" || verb.verb == "patch") {
      for (const auto name : {"dryRun", "fieldManager", "fieldValidation"}) parameters.push_back(query(name));
      if (verb.verb == "patch") parameters.push_back(query("force", "boolean"));
      add_body(info, verb, parameters, out);
    }
    if (!parameters.empty()) out["parameters"] = std::move(parameters);
    const Schema* answer = verb.verb == "list" ? list_schema(info) : info.schema;
    json::object responses;
    if (answer) responses["200"] = content(definitions_.reference(*answer));
    if (!answer) responses["200"] = json::object{{"description", "OK"}};
    out["responses"] = std::move(responses);
    return out;
  }

  void add_body(const ResourceInfo& info, const VerbInfo& verb, json::array& parameters, json::object& out) {
    if (!info.request_schema) return;
    json::object schema = verb.verb == "patch" ? json::object{{"type", "object"}}
                                               : definitions_.reference(*info.request_schema);
    if (edition_ == Edition::kV2) {
      parameters.push_back(
          json::object{{"name", "body"}, {"in", "body"}, {"required", true}, {"schema", std::move(schema)}});
      return;
    }
    json::object types;
    if (verb.verb == "patch") {
      for (const auto type : {"application/json-patch+json", "application/merge-patch+json",
                              "application/strategic-merge-patch+json", "application/apply-patch+yaml"}) {
        types[type] = json::object{{"schema", schema}};
      }
    } else {
      types["*/*"] = json::object{{"schema", std::move(schema)}};
    }
    out["requestBody"] = json::object{{"content", std::move(types)}, {"required", true}};
  }

  json::object query(std::string_view name, std::string_view type = "string") const {
    json::object out{{"name", name}, {"in", "query"}};
    if (edition_ == Edition::kV2) {
      out["type"] = type;
      out["uniqueItems"] = true;
    } else {
      out["schema"] = json::object{{"type", type}, {"uniqueItems", true}};
    }
    return out;
  }

  json::array path_parameters(const ResourceInfo& info, bool collection) const {
    json::array out;
    const auto add = [&](std::string_view name) {
      json::object one{{"name", name}, {"in", "path"}, {"required", true}};
      if (edition_ == Edition::kV2) {
        one["type"] = "string";
      } else {
        one["schema"] = json::object{{"type", "string"}};
      }
      out.push_back(std::move(one));
    };
    if (!collection) add("name");
    if (info.namespaced) add("namespace");
    return out;
  }

  static std::string operation_id(const ResourceInfo& info, const VerbInfo& verb, bool collection) {
    std::string out(verb.verb == "update" ? "replace" : verb.verb == "get" ? "read" : verb.verb);
    if (verb.verb == "deletecollection") out = "deleteCollection";
    std::string group = info.group.empty() ? "core" : std::string(info.group.substr(0, info.group.find('.')));
    group[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(group[0])));
    std::string version(info.version);
    version[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(version[0])));
    out += group + version + (info.namespaced ? "Namespaced" : "") + std::string(info.kind);
    const size_t slash = info.resource.find('/');
    if (slash != std::string_view::npos) {
      std::string sub(info.resource.substr(slash + 1));
      sub[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(sub[0])));
      out += sub;
    }
    (void)collection;
    return out;
  }

  const Schema* list_schema(const ResourceInfo& info) const {
    if (!info.schema || info.schema->custom) return info.schema;
    const std::string name = std::string(info.kind) + "List";
    for (const Schema* type : options_.types) {
      if (type->name == name && type->package == info.schema->package) return type;
    }
    return info.schema;
  }

  void add_custom_definition(const OpenApiResource& resource) {
    const Schema* schema = resource.info->schema;
    if (!schema) return;
    json::value body = resource.custom_schema ? custom_definition(*resource.custom_schema, edition_)
                                              : json::value(json::object{{"type", "object"}});
    if (!body.is_object()) body = json::object{{"type", "object"}};
    auto& object = body.get_object();
    if (object.contains("properties") || !get_bool(object, "x-kubernetes-preserve-unknown-fields")) {
      json::value& properties = object["properties"];
      if (!properties.is_object()) properties.emplace_object();
      properties.get_object()["apiVersion"] = json::object{{"type", "string"}};
      properties.get_object()["kind"] = json::object{{"type", "string"}};
      if (const Field* metadata = schema->find("metadata")) {
        properties.get_object()["metadata"] = definitions_.reference(*metadata->type);
      }
    }
    object["x-kubernetes-group-version-kind"] =
        json::array{group_version_kind(schema->group, schema->version, schema->name)};
    custom_[definition_name(*schema)] = std::move(body);
  }

  /// Everything referred to, and what that refers to.
  json::object all_definitions() {
    std::map<std::string, json::value> out(custom_.begin(), custom_.end());
    std::set<const Schema*> done;
    while (true) {
      std::vector<const Schema*> next;
      for (const Schema* schema : definitions_.wanted) {
        if (done.insert(schema).second) next.push_back(schema);
      }
      if (next.empty()) break;
      for (const Schema* schema : next) {
        if (!schema->custom) out.emplace(definition_name(*schema), definitions_.definition(*schema));
      }
    }
    json::object sorted;
    for (auto& [name, definition] : out) sorted.emplace(name, std::move(definition));
    return sorted;
  }

  Edition edition_;
  const OpenApiOptions& options_;
  DefinitionWriter definitions_;
  std::map<std::string, json::object> paths_;
  std::map<std::string, json::value> custom_;
};

}  // namespace

json::value openapi_v2(std::span<const OpenApiResource> resources, const OpenApiOptions& options) {
  DocumentWriter writer(Edition::kV2, options);
  for (const OpenApiResource& resource : resources) writer.add(resource);
  return writer.finish();
}

json::value openapi_v3(std::string_view group, std::string_view version,
                       std::span<const OpenApiResource> resources, const OpenApiOptions& options) {
  DocumentWriter writer(Edition::kV3, options);
  for (const OpenApiResource& resource : resources) {
    if (resource.info->group == group && resource.info->version == version) writer.add(resource);
  }
  return writer.finish();
}

}  // namespace cloudless::schema

#include "apiserver/custom/custom_resource.hpp"

#include <algorithm>

#include "api/registry.hpp"
#include "apiserver/json_fields.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver {

struct CustomResource::Version {
  std::string name;
  bool served = false;
  bool storage = false;
  json::value open_api;
  std::shared_ptr<const schema::CustomSchema> schema;
  schema::ResourceInfo info;
  std::deque<schema::ResourceInfo> subresources;
  std::vector<CustomColumn> columns;
};

namespace {

constexpr std::string_view kVerbs[] = {"create", "delete", "deletecollection", "get",
                                       "list",   "patch",  "update",           "watch"};
constexpr std::string_view kPartVerbs[] = {"get", "patch", "update"};

// ".spec.replicas" as steps.
std::vector<std::string> path_steps(std::string_view path) {
  std::vector<std::string> steps;
  while (path.starts_with('.')) path.remove_prefix(1);
  if (path.empty()) return steps;
  for (std::string_view step : split(path, '.')) steps.emplace_back(step);
  return steps;
}

FieldIndex read_fields(const json::object& version) {
  FieldIndex fields;
  for (const json::value& value : array_at(version, {"selectableFields"})) {
    if (!value.is_object()) continue;
    const std::string_view path = text_at(value.get_object(), {"jsonPath"});
    if (path.empty()) continue;
    fields.push_back({std::string(path.substr(path.starts_with('.') ? 1 : 0)), path_steps(path), ""});
  }
  return fields;
}

std::vector<CustomColumn> read_columns(const json::object& version) {
  std::vector<CustomColumn> columns;
  for (const json::value& value : array_at(version, {"additionalPrinterColumns"})) {
    if (!value.is_object()) continue;
    const json::object& column = value.get_object();
    columns.push_back({{.name = std::string(text_at(column, {"name"})),
                        .type = std::string(text_at(column, {"type"})),
                        .format = std::string(text_at(column, {"format"})),
                        .description = std::string(text_at(column, {"description"})),
                        .priority = static_cast<int>(number_at(column, {"priority"}))},
                       std::string(text_at(column, {"jsonPath"}))});
  }
  return columns;
}

}  // namespace

CustomResource::~CustomResource() = default;

std::string_view CustomResource::keep(std::string_view text) { return texts_.emplace_back(text); }

Result<std::shared_ptr<const CustomResource>> CustomResource::make(const json::object& definition) {
  std::shared_ptr<CustomResource> custom(new CustomResource());
  custom->group_ = text_at(definition, {"spec", "group"});
  custom->plural_ = custom->keep(text_at(definition, {"spec", "names", "plural"}));
  custom->kind_ = custom->keep(text_at(definition, {"spec", "names", "kind"}));
  const std::string_view singular = text_at(definition, {"spec", "names", "singular"});
  custom->singular_ = custom->keep(singular.empty() ? to_lower(custom->kind_) : std::string(singular));
  custom->namespaced_ = text_at(definition, {"spec", "scope"}) == "Namespaced";
  for (const json::value& name : array_at(definition, {"spec", "names", "shortNames"})) {
    if (name.is_string()) custom->short_names_.push_back(custom->keep(name.get_string()));
  }
  for (const json::value& name : array_at(definition, {"spec", "names", "categories"})) {
    if (name.is_string()) custom->categories_.push_back(custom->keep(name.get_string()));
  }
  for (const json::value& version : array_at(definition, {"spec", "versions"})) {
    if (version.is_object()) TRY(custom->read_version(definition, version.get_object()));
  }
  return custom;
}

Result<> CustomResource::read_version(const json::object&, const json::object& version) {
  Version& out = versions_.emplace_back();
  out.name = text_at(version, {"name"});
  out.served = truth_at(version, {"served"});
  out.storage = truth_at(version, {"storage"});
  if (const json::value* open_api = find(version, {"schema", "openAPIV3Schema"})) out.open_api = *open_api;
  const schema::Schema* meta = api::find_type("k8s.io.apimachinery.pkg.apis.meta.v1", "ObjectMeta");
  out.schema = TRY(schema::CustomSchema::make(group_, out.name, kind_, out.open_api, *meta));
  out.info = {.group = group_,
              .version = out.name,
              .resource = plural_,
              .singular = singular_,
              .kind = kind_,
              .kind_group = group_,
              .kind_version = out.name,
              .namespaced = namespaced_,
              .verbs = kVerbs,
              .short_names = short_names_,
              .categories = categories_,
              .schema = &out.schema->root(),
              .request_schema = &out.schema->root()};
  read_subresources(out, version);
  out.columns = read_columns(version);
  if (out.storage) fields_ = read_fields(version);
  return {};
}

void CustomResource::read_subresources(Version& out, const json::object& version) {
  if (find(version, {"subresources", "status"})) {
    schema::ResourceInfo info = out.info;
    info.resource = keep(fmt::format("{}/status", plural_));
    info.singular = {};
    info.short_names = info.categories = {};
    info.verbs = kPartVerbs;
    out.subresources.push_back(info);
  }
  if (const json::object* scale = object_at(version, {"subresources", "scale"})) {
    schema::ResourceInfo info = out.info;
    info.resource = keep(fmt::format("{}/scale", plural_));
    info.singular = {};
    info.short_names = info.categories = {};
    info.verbs = kPartVerbs;
    info.kind = "Scale";
    info.kind_group = "autoscaling";
    info.kind_version = "v1";
    info.schema = info.request_schema = api::find_kind("autoscaling", "v1", "Scale");
    out.subresources.push_back(info);
    scale_ = {path_steps(text_at(*scale, {"specReplicasPath"})),
              path_steps(text_at(*scale, {"statusReplicasPath"})),
              path_steps(text_at(*scale, {"labelSelectorPath"}))};
  }
}

const std::vector<CustomColumn>& CustomResource::columns(std::string_view version) const {
  static const std::vector<CustomColumn> kNone;
  const auto found = std::ranges::find(versions_, version, &Version::name);
  return found == versions_.end() ? kNone : found->columns;
}

const json::value* CustomResource::open_api(std::string_view version) const {
  const auto found = std::ranges::find(versions_, version, &Version::name);
  return found == versions_.end() || found->open_api.is_null() ? nullptr : &found->open_api;
}

std::shared_ptr<ResourceType> CustomResource::make_type(std::shared_ptr<const CustomResource> self,
                                                        std::string_view root) {
  auto type = std::make_shared<ResourceType>();
  type->id = {self->group_, std::string(self->plural_)};
  type->kind = self->kind_;
  type->namespaced = self->namespaced_;
  type->prefix = fmt::format("{}/{}/{}/", root, self->group_, self->plural_);
  type->strategy = &custom_strategy();
  for (const Version& version : self->versions_) {
    // The storage version stays known where it is not served: objects are kept in it.
    if (!version.served && !version.storage) continue;
    if (version.storage) type->storage = type->representations.size();
    Representation representation{.group = self->group_, .version = version.name, .info = &version.info};
    representation.served = version.served;
    for (const schema::ResourceInfo& info : version.subresources)
      representation.subresources.push_back(&info);
    type->representations.push_back(std::move(representation));
  }
  type->cache = std::make_shared<WatchCache>(self->fields_);
  type->custom = std::move(self);
  return type;
}

}  // namespace cloudless::apiserver

// The built-in resources as ResourceTypes: the generated resource list, and what the list does not say: where
// upstream keeps the objects, and which fields can be selected by.
#include <algorithm>
#include <map>

#include "api/registry.hpp"
#include "apiserver/registry/catalog.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver {

namespace {

// Where upstream's key is not /registry/<resource>/
// (kubernetes/pkg/kubeapiserver/default_storage_factory_builder.go).
std::string_view special_folder(std::string_view resource) {
  if (resource == "services") return "services/specs";
  if (resource == "endpoints") return "services/endpoints";
  if (resource == "nodes") return "minions";
  if (resource == "replicationcontrollers") return "controllers";
  if (resource == "ingresses") return "ingress";
  if (resource == "customresourcedefinitions") return "apiextensions.k8s.io/customresourcedefinitions";
  if (resource == "apiservices") return "apiregistration.k8s.io/apiservices";
  return resource;
}

// The type that holds the objects: events.k8s.io events are core events under another name.
GroupResource storage_of(const schema::ResourceInfo& info) {
  const std::string_view resource = info.resource.substr(0, info.resource.find('/'));
  if (info.group == "events.k8s.io") return {"", std::string(resource)};
  return {std::string(info.group), std::string(resource)};
}

// Upstream stores autoscaling in v2 and everything else in v1.
size_t storage_index(const ResourceType& type) {
  size_t index = 0;
  for (size_t i = 0; i < type.representations.size(); ++i) {
    const Representation& candidate = type.representations[i];
    const Representation& best = type.representations[index];
    if (candidate.group != type.id.group) continue;
    if (best.group != type.id.group || version_precedes(candidate.version, best.version)) index = i;
  }
  return index;
}

struct FieldRow {
  std::string_view group;
  std::string_view resource;
  std::string_view
      labels;  // separated by blanks; the path is the label unless "label:path"; "=text": where absent
};

// kubernetes/pkg/apis/*/v1/conversion.go and the ToSelectableFields of the strategies.
constexpr FieldRow kFieldRows[] = {
    {"", "pods",
     "spec.nodeName spec.restartPolicy spec.schedulerName spec.serviceAccountName spec.hostNetwork=false "
     "status.phase status.podIP status.nominatedNodeName"},
    {"", "events",
     "involvedObject.kind involvedObject.namespace involvedObject.name involvedObject.uid "
     "involvedObject.apiVersion involvedObject.resourceVersion involvedObject.fieldPath reason "
     "reportingComponent source:source.component type"},
    {"", "nodes", "spec.unschedulable=false"},
    {"", "namespaces", "status.phase"},
    {"", "secrets", "type"},
    {"", "services", "spec.clusterIP spec.type"},
    {"", "replicationcontrollers", "status.replicas=0"},
    {"apps", "replicasets", "status.replicas=0"},
    {"batch", "jobs", "status.successful:status.succeeded=0"},
    {"certificates.k8s.io", "certificatesigningrequests", "spec.signerName"},
};

SelectableField parse_field(std::string_view text) {
  SelectableField field;
  if (const size_t equals = text.find('='); equals != std::string_view::npos) {
    field.fallback = text.substr(equals + 1);
    text = text.substr(0, equals);
  }
  const size_t colon = text.find(':');
  field.label = text.substr(0, colon);
  const std::string_view path = colon == std::string_view::npos ? text : text.substr(colon + 1);
  for (std::string_view step : split(path, '.')) field.path.emplace_back(step);
  return field;
}

}  // namespace

FieldIndex builtin_fields(std::string_view group, std::string_view resource) {
  FieldIndex fields;
  for (const FieldRow& row : kFieldRows) {
    if (row.group != group || row.resource != resource) continue;
    for (std::string_view text : split(row.labels, ' ')) fields.push_back(parse_field(text));
  }
  return fields;
}

std::vector<ResourceTypePtr> builtin_types(std::string_view root) {
  std::map<GroupResource, std::shared_ptr<ResourceType>> types;
  for (const schema::ResourceInfo& info : api::resources()) {
    const GroupResource id = storage_of(info);
    std::shared_ptr<ResourceType>& type = types[id];
    if (!type) type = std::make_shared<ResourceType>(ResourceType{.id = id});
    const auto same = [&](const Representation& r) {
      return r.group == info.group && r.version == info.version;
    };
    auto representation = std::ranges::find_if(type->representations, same);
    if (representation == type->representations.end()) {
      type->representations.push_back(
          {.group = std::string(info.group), .version = std::string(info.version)});
      representation = type->representations.end() - 1;
    }
    if (info.is_subresource()) {
      representation->subresources.push_back(&info);
    } else {
      representation->info = &info;
    }
  }
  std::vector<ResourceTypePtr> out;
  for (auto& [id, type] : types) {
    type->storage = storage_index(*type);
    const Representation& storage = type->storage_representation();
    type->kind = storage.info->kind;
    type->namespaced = storage.info->namespaced;
    type->stored = storage.has_verb("update");
    type->prefix = fmt::format("{}/{}/", root, special_folder(id.resource));
    type->strategy = &builtin_strategy(id.group, id.resource);
    if (type->stored) type->cache = std::make_shared<WatchCache>(builtin_fields(id.group, id.resource));
    out.push_back(std::move(type));
  }
  return out;
}

}  // namespace cloudless::apiserver

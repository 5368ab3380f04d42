#include "apiserver/aggregation/api_services.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "apiserver/json_fields.hpp"
#include "base/encoding.hpp"

namespace cloudless::apiserver {

namespace {

constexpr std::string_view kAvailable = "Available";
constexpr int64_t kCustomGroupPriority = 1000;
constexpr int64_t kCustomVersionPriority = 100;

struct Priority {
  std::string_view group;
  int64_t group_priority;
};

// kubernetes/pkg/controlplane/apiserver/aggregator.go; stable versions all have version priority 15 and more.
constexpr Priority kGroupPriorities[] = {{"", 18000},
                                         {"events.k8s.io", 17750},
                                         {"authentication.k8s.io", 17700},
                                         {"authorization.k8s.io", 17600},
                                         {"autoscaling", 17500},
                                         {"batch", 17400},
                                         {"certificates.k8s.io", 17300},
                                         {"networking.k8s.io", 17200},
                                         {"policy", 17100},
                                         {"rbac.authorization.k8s.io", 17000},
                                         {"storage.k8s.io", 16800},
                                         {"admissionregistration.k8s.io", 16700},
                                         {"apiextensions.k8s.io", 16700},
                                         {"scheduling.k8s.io", 16600},
                                         {"coordination.k8s.io", 16500},
                                         {"node.k8s.io", 16300},
                                         {"discovery.k8s.io", 16200},
                                         {"flowcontrol.apiserver.k8s.io", 16100},
                                         {"resource.k8s.io", 16050},
                                         {"apps", 17800},
                                         {"apiregistration.k8s.io", 18000}};
constexpr int64_t kVersionPriority = 15;
constexpr int64_t kNewerVersionPriority = 30;

bool is_custom(const Catalog& catalog, std::string_view group, std::string_view version) {
  const std::vector<Endpoint> endpoints = catalog.endpoints(group, version);
  return !endpoints.empty() && endpoints.front().type->custom;
}

json::object condition(std::string_view status, std::string_view reason, std::string_view message,
                       WallTime now) {
  return {{"type", kAvailable},
          {"status", status},
          {"lastTransitionTime", format_rfc3339(now)},
          {"reason", reason},
          {"message", message}};
}

json::object local_status(WallTime now) {
  return {
      {"conditions", json::array{condition("True", "Local", "Local APIServices are always available", now)}}};
}

json::object local_api_service(const std::string& group, const std::string& version, bool custom,
                               bool preferred_of_many, WallTime now) {
  const auto found = std::ranges::find(kGroupPriorities, group, &Priority::group);
  const int64_t group_priority =
      custom || found == std::end(kGroupPriorities) ? kCustomGroupPriority : found->group_priority;
  int64_t version_priority = custom ? kCustomVersionPriority : kVersionPriority;
  if (!custom && preferred_of_many) version_priority = kNewerVersionPriority;
  if (group.empty()) version_priority = 1;
  json::object spec{
      {"version", version}, {"groupPriorityMinimum", group_priority}, {"versionPriority", version_priority}};
  if (!group.empty()) spec["group"] = group;
  return {{"kind", "APIService"},
          {"apiVersion", "apiregistration.k8s.io/v1"},
          {"metadata",
           {{"name", version + "." + group}, {"labels", {{kAutomanagedLabel, custom ? "true" : "onstart"}}}}},
          {"spec", std::move(spec)},
          {"status", local_status(now)}};
}

const json::object* available_condition(const json::object& api_service) {
  for (const json::value& value : array_at(api_service, {"status", "conditions"})) {
    if (value.is_object() && text_at(value.get_object(), {"type"}) == kAvailable) return &value.get_object();
  }
  return nullptr;
}

bool is_automanaged(const json::object& object) {
  const json::object* labels = object_at(object, {"metadata", "labels"});
  return labels && labels->contains(kAutomanagedLabel);
}

// The Service's port with that number: its name, by which slices know it. Nothing where there is none.
std::optional<std::string> port_name(const json::object& service, int64_t port) {
  for (const json::value& value : array_at(service, {"spec", "ports"})) {
    if (value.is_object() && number_at(value.get_object(), {"port"}) == port)
      return std::string(text_at(value.get_object(), {"name"}));
  }
  return std::nullopt;
}

void add_addresses(const json::object& slice, std::string_view name, std::vector<ExtensionAddress>& out) {
  uint16_t port = 0;
  for (const json::value& value : array_at(slice, {"ports"})) {
    if (value.is_object() && text_at(value.get_object(), {"name"}) == name)
      port = static_cast<uint16_t>(number_at(value.get_object(), {"port"}));
  }
  if (port == 0) return;
  for (const json::value& value : array_at(slice, {"endpoints"})) {
    if (!value.is_object()) continue;
    const json::value* ready = find(value.get_object(), {"conditions", "ready"});
    if (ready && *ready == false) continue;
    for (const json::value& address : array_at(value.get_object(), {"addresses"})) {
      if (address.is_string()) out.push_back({std::string(address.get_string()), port});
    }
  }
}

}  // namespace

std::vector<json::object> local_api_services(const Catalog& catalog, WallTime now) {
  std::vector<json::object> out;
  for (const ApiGroup& group : catalog.groups()) {
    for (const std::string& version : group.versions) {
      const bool preferred_of_many = group.versions.size() > 1 && version == group.versions.front();
      out.push_back(local_api_service(group.name, version, is_custom(catalog, group.name, version),
                                      preferred_of_many, now));
    }
  }
  std::ranges::sort(out, {}, [](const json::object& object) { return name_of(object); });
  return out;
}

ApiServicePlan plan_api_services(const std::vector<ObjectPtr>& present, std::vector<json::object> wanted) {
  std::map<std::string, ObjectPtr> by_name;
  for (const ObjectPtr& object : present) by_name.emplace(name_of(*object), object);
  std::set<std::string> names;
  ApiServicePlan plan;
  for (json::object& object : wanted) {
    const std::string& name = *names.emplace(name_of(object)).first;
    const auto found = by_name.find(name);
    if (found == by_name.end()) {
      plan.create.push_back(std::move(object));
    } else if (!extension_of(*found->second) && !available_condition(*found->second)) {
      json::object updated = *found->second;
      updated["status"] = object["status"];
      plan.set_status.push_back(std::move(updated));
    }
  }
  for (const auto& [name, object] : by_name) {
    if (is_automanaged(*object) && !extension_of(*object) && !names.contains(name))
      plan.remove.push_back(name);
  }
  return plan;
}

std::optional<ExtensionService> extension_of(const json::object& api_service) {
  const json::object* service = object_at(api_service, {"spec", "service"});
  if (!service) return std::nullopt;
  ExtensionService out{.api_service = std::string(name_of(api_service)),
                       .group = std::string(text_at(api_service, {"spec", "group"})),
                       .version = std::string(text_at(api_service, {"spec", "version"})),
                       .group_priority = number_at(api_service, {"spec", "groupPriorityMinimum"}),
                       .version_priority = number_at(api_service, {"spec", "versionPriority"}),
                       .namespace_ = std::string(text_at(*service, {"namespace"})),
                       .service = std::string(text_at(*service, {"name"})),
                       .port = number_at(*service, {"port"}, 443),
                       .ca_bundle = {},
                       .verify = !truth_at(api_service, {"spec", "insecureSkipTLSVerify"})};
  out.ca_bundle = base64_decode(text_at(api_service, {"spec", "caBundle"})).value_or("");
  return out;
}

std::expected<std::vector<ExtensionAddress>, Unavailable> addresses_of(const ExtensionService& extension,
                                                                       const json::object* service,
                                                                       const std::vector<ObjectPtr>& slices) {
  const std::string where = fmt::format("service/{} in \"{}\"", extension.service, extension.namespace_);
  if (!service) return std::unexpected(Unavailable{"ServiceNotFound", where + " is not present"});
  if (text_at(*service, {"spec", "type"}) == "ExternalName") {
    return std::vector{ExtensionAddress{std::string(text_at(*service, {"spec", "externalName"})),
                                        static_cast<uint16_t>(extension.port)}};
  }
  const std::optional<std::string> name = port_name(*service, extension.port);
  if (!name) {
    return std::unexpected(Unavailable{"ServicePortError",
                                       fmt::format("{} is not listening on port {}", where, extension.port)});
  }
  std::vector<ExtensionAddress> out;
  for (const ObjectPtr& slice : slices) {
    if (text_at(*slice, {"metadata", "labels", "kubernetes.io/service-name"}) == extension.service)
      add_addresses(*slice, *name, out);
  }
  if (!out.empty()) return out;
  return std::unexpected(
      Unavailable{"MissingEndpoints",
                  fmt::format("endpoints for {} have no addresses with port name \"{}\"", where, *name)});
}

std::optional<json::object> with_availability(const json::object& api_service,
                                              const std::optional<Unavailable>& unavailable, WallTime now) {
  json::object wanted = unavailable ? condition("False", unavailable->reason, unavailable->message, now)
                                    : condition("True", "Passed", "all checks passed", now);
  if (const json::object* present = available_condition(api_service)) {
    if (text_at(*present, {"status"}) == text_at(wanted, {"status"}))
      copy_member(*present, wanted, "lastTransitionTime");
    if (*present == wanted) return std::nullopt;
  }
  json::object updated = api_service;
  make_object(updated, {"status"})["conditions"] = json::array{std::move(wanted)};
  return updated;
}

json::array discovered_resources(const json::object& resource_list) {
  const std::string_view group_version = text_at(resource_list, {"groupVersion"});
  const size_t slash = group_version.find('/');
  const std::string_view group = slash == std::string_view::npos ? "" : group_version.substr(0, slash);
  const std::string_view version =
      slash == std::string_view::npos ? group_version : group_version.substr(slash + 1);
  std::map<std::string, json::array> subresources;
  const auto kind_of = [&](const json::object& resource) {
    const std::string_view own_group = text_at(resource, {"group"});
    const std::string_view own_version = text_at(resource, {"version"});
    return json::object{{"group", own_group.empty() ? group : own_group},
                        {"version", own_version.empty() ? version : own_version},
                        {"kind", text_at(resource, {"kind"})}};
  };
  json::array out;
  for (const json::value& value : array_at(resource_list, {"resources"})) {
    if (!value.is_object()) continue;
    const json::object& resource = value.get_object();
    const std::string_view name = text_at(resource, {"name"});
    if (const size_t at = name.find('/'); at != std::string_view::npos) {
      subresources[std::string(name.substr(0, at))].push_back({{"subresource", name.substr(at + 1)},
                                                               {"responseKind", kind_of(resource)},
                                                               {"verbs", array_at(resource, {"verbs"})}});
      continue;
    }
    json::object entry{{"resource", name},
                       {"responseKind", kind_of(resource)},
                       {"scope", truth_at(resource, {"namespaced"}) ? "Namespaced" : "Cluster"},
                       {"singularResource", text_at(resource, {"singularName"})},
                       {"verbs", array_at(resource, {"verbs"})}};
    for (const char* member : {"shortNames", "categories"}) copy_member(resource, entry, member);
    out.push_back(std::move(entry));
  }
  for (json::value& entry : out) {
    const auto found = subresources.find(std::string(text_at(entry.get_object(), {"resource"})));
    if (found != subresources.end()) entry.get_object()["subresources"] = std::move(found->second);
  }
  return out;
}

}  // namespace cloudless::apiserver

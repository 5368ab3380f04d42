// Columns of configuration, identity, events and storage.
#include <algorithm>

#include "apiserver/printers/columns.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver {

namespace {

size_t members(const json::object& object, std::string_view name) {
  const json::object* map = object_at(object, {name});
  return map ? map->size() : 0;
}

json::array config_map_row(const json::object& object, WallTime now) {
  return {name_of(object), members(object, "data") + members(object, "binaryData"), age_cell(object, now)};
}

json::array secret_row(const json::object& object, WallTime now) {
  return {name_of(object), text_cell(text_at(object, {"type"}), ""), members(object, "data"),
          age_cell(object, now)};
}

json::array service_account_row(const json::object& object, WallTime now) {
  return {name_of(object), array_at(object, {"secrets"}).size(), age_cell(object, now)};
}

json::array created_row(const json::object& object, WallTime) {
  return {name_of(object), text_cell(text_at(object, {"metadata", "creationTimestamp"}), "<unknown>")};
}

std::string used_of_hard(const json::object& quota, bool limits) {
  std::vector<std::string> texts;
  if (const json::object* hard = object_at(quota, {"status", "hard"})) {
    for (const auto& [name, value] : *hard) {
      if (std::string_view(name).starts_with("limits.") != limits || !value.is_string()) continue;
      texts.push_back(fmt::format("{}: {}/{}", std::string_view(name),
                                  text_at(quota, {"status", "used", name}),
                                  std::string_view(value.get_string())));
    }
  }
  std::ranges::sort(texts);
  return join(texts, ", ");
}

json::array quota_row(const json::object& object, WallTime now) {
  return {name_of(object), json::string(used_of_hard(object, false)),
          json::string(used_of_hard(object, true)), age_cell(object, now)};
}

std::string_view first_of(std::initializer_list<std::string_view> texts) {
  for (std::string_view text : texts) {
    if (!text.empty()) return text;
  }
  return "";
}

std::string event_source(const json::object& event) {
  const std::string_view component =
      first_of({text_at(event, {"source", "component"}), text_at(event, {"reportingComponent"})});
  const std::string_view host =
      first_of({text_at(event, {"source", "host"}), text_at(event, {"reportingInstance"})});
  return host.empty() ? std::string(component) : fmt::format("{}, {}", component, host);
}

json::array event_row(const json::object& event, WallTime now) {
  const std::string_view first =
      first_of({text_at(event, {"firstTimestamp"}), text_at(event, {"eventTime"})});
  const std::string_view last =
      first_of({text_at(event, {"series", "lastObservedTime"}), text_at(event, {"lastTimestamp"}), first});
  const int64_t count =
      find(event, {"series"}) ? number_at(event, {"series", "count"}) : number_at(event, {"count"}, 1);
  return {json::string(human_age(last, now)),
          text_cell(text_at(event, {"type"}), ""),
          text_cell(text_at(event, {"reason"}), ""),
          json::string(fmt::format("{}/{}", to_lower(text_at(event, {"involvedObject", "kind"})),
                                   text_at(event, {"involvedObject", "name"}))),
          text_cell(text_at(event, {"involvedObject", "fieldPath"}), ""),
          json::string(event_source(event)),
          text_cell(trim(text_at(event, {"message"})), ""),
          json::string(human_age(first, now)),
          count == 0 ? 1 : count,
          name_of(event)};
}

std::string subjects(const json::object& binding, std::string_view kind) {
  std::vector<std::string> names;
  for (const json::value& value : array_at(binding, {"subjects"})) {
    const json::object* subject = value.if_object();
    if (!subject || text_at(*subject, {"kind"}) != kind) continue;
    const std::string_view name = text_at(*subject, {"name"});
    names.push_back(kind == "ServiceAccount" ? fmt::format("{}/{}", text_at(*subject, {"namespace"}), name)
                                             : std::string(name));
  }
  return join(names, ", ");
}

json::array binding_row(const json::object& object, WallTime now) {
  return {name_of(object),
          json::string(fmt::format("{}/{}", text_at(object, {"roleRef", "kind"}),
                                   text_at(object, {"roleRef", "name"}))),
          age_cell(object, now),
          json::string(subjects(object, "User")),
          json::string(subjects(object, "Group")),
          json::string(subjects(object, "ServiceAccount"))};
}

json::array priority_class_row(const json::object& object, WallTime now) {
  return {name_of(object), number_at(object, {"value"}), truth_at(object, {"globalDefault"}),
          age_cell(object, now), text_cell(text_at(object, {"preemptionPolicy"}), "")};
}

json::array lease_row(const json::object& object, WallTime now) {
  return {name_of(object), text_cell(text_at(object, {"spec", "holderIdentity"}), ""), age_cell(object, now)};
}

std::string access_modes(const json::array& modes) {
  std::vector<std::string> texts;
  for (const json::value& value : modes) {
    if (value == "ReadWriteOnce") texts.emplace_back("RWO");
    if (value == "ReadOnlyMany") texts.emplace_back("ROX");
    if (value == "ReadWriteMany") texts.emplace_back("RWX");
    if (value == "ReadWriteOncePod") texts.emplace_back("RWOP");
  }
  return join(texts, ",");
}

std::string storage_status(const json::object& object) {
  return text_at(object, {"metadata", "deletionTimestamp"}).empty()
             ? std::string(text_at(object, {"status", "phase"}))
             : "Terminating";
}

json::array claim_row(const json::object& object, WallTime now) {
  const bool bound = !text_at(object, {"spec", "volumeName"}).empty();
  return {name_of(object),
          json::string(storage_status(object)),
          text_cell(text_at(object, {"spec", "volumeName"}), ""),
          text_cell(bound ? text_at(object, {"status", "capacity", "storage"}) : "", ""),
          json::string(bound ? access_modes(array_at(object, {"status", "accessModes"})) : ""),
          text_cell(text_at(object, {"spec", "storageClassName"}), ""),
          text_cell(text_at(object, {"spec", "volumeAttributesClassName"}), "<unset>"),
          age_cell(object, now),
          text_cell(text_at(object, {"spec", "volumeMode"}), "<unset>")};
}

json::array volume_row(const json::object& object, WallTime now) {
  std::string claim;
  if (const json::object* reference = object_at(object, {"spec", "claimRef"})) {
    claim = fmt::format("{}/{}", text_at(*reference, {"namespace"}), text_at(*reference, {"name"}));
  }
  return {name_of(object),
          text_cell(text_at(object, {"spec", "capacity", "storage"}), ""),
          json::string(access_modes(array_at(object, {"spec", "accessModes"}))),
          text_cell(text_at(object, {"spec", "persistentVolumeReclaimPolicy"}), ""),
          json::string(storage_status(object)),
          json::string(claim),
          text_cell(text_at(object, {"spec", "storageClassName"}), ""),
          text_cell(text_at(object, {"spec", "volumeAttributesClassName"}), "<unset>"),
          text_cell(text_at(object, {"status", "reason"}), ""),
          age_cell(object, now),
          text_cell(text_at(object, {"spec", "volumeMode"}), "<unset>")};
}

json::array storage_class_row(const json::object& object, WallTime now) {
  const bool is_default =
      text_at(object, {"metadata", "annotations", "storageclass.kubernetes.io/is-default-class"}) == "true";
  return {json::string(std::string(name_of(object)) + (is_default ? " (default)" : "")),
          text_cell(text_at(object, {"provisioner"})),
          text_cell(text_at(object, {"reclaimPolicy"}), "Delete"),
          text_cell(text_at(object, {"volumeBindingMode"}), "<unset>"),
          truth_at(object, {"allowVolumeExpansion"}),
          age_cell(object, now)};
}

json::array attachment_row(const json::object& object, WallTime now) {
  return {name_of(object),
          text_cell(text_at(object, {"spec", "attacher"}), ""),
          text_cell(text_at(object, {"spec", "source", "persistentVolumeName"}), ""),
          text_cell(text_at(object, {"spec", "nodeName"}), ""),
          truth_at(object, {"status", "attached"}),
          age_cell(object, now)};
}

json::array csi_driver_row(const json::object& object, WallTime now) {
  std::vector<std::string> modes;
  for (const json::value& mode : array_at(object, {"spec", "volumeLifecycleModes"})) {
    if (mode.is_string()) modes.emplace_back(mode.get_string());
  }
  return {name_of(object),
          truth_at(object, {"spec", "attachRequired"}),
          truth_at(object, {"spec", "podInfoOnMount"}),
          truth_at(object, {"spec", "storageCapacity"}),
          "<unset>",
          truth_at(object, {"spec", "requiresRepublish"}),
          json::string(modes.empty() ? "<none>" : join(modes, ",")),
          age_cell(object, now)};
}

json::array csi_node_row(const json::object& object, WallTime now) {
  return {name_of(object), array_at(object, {"spec", "drivers"}).size(), age_cell(object, now)};
}

constexpr BuiltinPrinter kPrinters[] = {
    {"", "configmaps", "Name,Data,Age", config_map_row},
    {"", "secrets", "Name,Type,Data,Age", secret_row},
    {"", "serviceaccounts", "Name,Secrets,Age", service_account_row},
    {"", "limitranges", "Name,Created At", created_row},
    {"", "resourcequotas", "Name,Request,Limit,Age", quota_row},
    {"", "events", "Last Seen,Type,Reason,Object,Subobject*,Source*,Message,First Seen*,Count*,Name*",
     event_row},
    {"", "persistentvolumeclaims",
     "Name,Status,Volume,Capacity,Access Modes,StorageClass,VolumeAttributesClass,Age,VolumeMode*",
     claim_row},
    {"", "persistentvolumes",
     "Name,Capacity,Access Modes,Reclaim "
     "Policy,Status,Claim,StorageClass,VolumeAttributesClass,Reason,Age,VolumeMode*",
     volume_row},
    {"rbac.authorization.k8s.io", "roles", "Name,Created At", created_row},
    {"rbac.authorization.k8s.io", "clusterroles", "Name,Created At", created_row},
    {"rbac.authorization.k8s.io", "rolebindings", "Name,Role,Age,Users*,Groups*,ServiceAccounts*",
     binding_row},
    {"rbac.authorization.k8s.io", "clusterrolebindings", "Name,Role,Age,Users*,Groups*,ServiceAccounts*",
     binding_row},
    {"scheduling.k8s.io", "priorityclasses", "Name,Value,Global-Default,Age,PreemptionPolicy*",
     priority_class_row},
    {"coordination.k8s.io", "leases", "Name,Holder,Age", lease_row},
    {"storage.k8s.io", "storageclasses",
     "Name,Provisioner,ReclaimPolicy,VolumeBindingMode,AllowVolumeExpansion,Age", storage_class_row},
    {"storage.k8s.io", "volumeattachments", "Name,Attacher,PV,Node,Attached,Age", attachment_row},
    {"storage.k8s.io", "csidrivers",
     "Name,AttachRequired,PodInfoOnMount,StorageCapacity,TokenRequests,RequiresRepublish,Modes,Age",
     csi_driver_row},
    {"storage.k8s.io", "csinodes", "Name,Drivers,Age", csi_node_row},
    {"apiextensions.k8s.io", "customresourcedefinitions", "Name,Created At", created_row},
};

}  // namespace

std::span<const BuiltinPrinter> config_printers() { return kPrinters; }

}  // namespace cloudless::apiserver

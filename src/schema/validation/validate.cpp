// The entry points: what holds for every kind, then the kind's own rules.
#include <algorithm>
#include <boost/json.hpp>

#include "schema/validation.hpp"
#include "schema/validation/rules.hpp"

namespace cloudless::schema {

using namespace validation;

namespace {

struct KindRules {
  std::string_view group, kind;
  Rule rule = nullptr;
  NameCheck name = check_dns1123_subdomain;
};

constexpr KindRules kKinds[] = {
    {"", "Pod", pod},
    {"", "Service", service, check_dns1035_label},
    {"", "Namespace", nullptr, check_dns1123_label},
    {"", "ConfigMap", config_map},
    {"", "Secret", secret},
    {"", "Node", node},
    {"", "PersistentVolume", persistent_volume},
    {"", "PersistentVolumeClaim", persistent_volume_claim},
    {"", "ReplicationController", replication_controller},
    {"apps", "Deployment", deployment},
    {"apps", "ReplicaSet", replica_set},
    {"apps", "StatefulSet", stateful_set},
    {"apps", "DaemonSet", daemon_set},
    {"batch", "Job", job},
    {"batch", "CronJob", cron_job},
    {"networking.k8s.io", "Ingress", ingress},
    {"networking.k8s.io", "NetworkPolicy", network_policy},
    {"discovery.k8s.io", "EndpointSlice", endpoint_slice},
    {"rbac.authorization.k8s.io", "Role", role, check_path_segment_name},
    {"rbac.authorization.k8s.io", "ClusterRole", cluster_role, check_path_segment_name},
    {"rbac.authorization.k8s.io", "RoleBinding", role_binding, check_path_segment_name},
    {"rbac.authorization.k8s.io", "ClusterRoleBinding", role_binding, check_path_segment_name},
    {"policy", "PodDisruptionBudget", pod_disruption_budget},
    {"autoscaling", "HorizontalPodAutoscaler", horizontal_pod_autoscaler},
    {"coordination.k8s.io", "Lease", lease},
    {"scheduling.k8s.io", "PriorityClass", priority_class},
    {"storage.k8s.io", "StorageClass", storage_class},
    {"apiextensions.k8s.io", "CustomResourceDefinition", custom_resource_definition, check_path_segment_name},
    {"apiregistration.k8s.io", "APIService", nullptr, check_path_segment_name},
};

const KindRules* rules_of(const Schema& schema) {
  if (schema.custom) return nullptr;
  for (const KindRules& rules : kKinds) {
    if (rules.kind == schema.name && rules.group == schema.group) return &rules;
  }
  return nullptr;
}

/// Closed enums and item limits of the description, wherever they occur.
class TableRules {
 public:
  explicit TableRules(Checker& out) : out_(out) {}

  void check(const Value& value, const Schema& schema, const Path& path) {
    if (schema.form == Form::kStruct && value.is_object()) {
      size_t hint = 0;
      for (const auto& entry : value.get_object()) {
        const Field* field = schema.find(entry.key(), &hint);
        if (field) member(entry.value(), *field, path.child(entry.key()));
      }
    } else if (schema.form == Form::kList && value.is_array()) {
      const auto& array = value.get_array();
      for (size_t i = 0; i < array.size(); ++i) check(array[i], *schema.items, path.index(i));
    } else if (schema.form == Form::kMap && value.is_object() && schema.items->form == Form::kStruct) {
      for (const auto& entry : value.get_object()) check(entry.value(), *schema.items, path.key(entry.key()));
    }
  }

 private:
  void member(const Value& value, const Field& field, const Path& path) {
    if (field.enumeration && field.enumeration->closed) enumerated(value, *field.enumeration, path);
    if (field.max_items >= 0 && value.is_array() &&
        value.get_array().size() > static_cast<size_t>(field.max_items)) {
      out_.add(too_many(path, value.get_array().size(), static_cast<size_t>(field.max_items)));
    }
    check(value, *field.type, path);
  }

  void enumerated(const Value& value, const Enum& type, const Path& path) {
    if (const auto* array = value.if_array()) {
      for (size_t i = 0; i < array->size(); ++i) enumerated((*array)[i], type, path.index(i));
      return;
    }
    const auto text = text_of(&value);
    if (text.empty() || std::find(type.values.begin(), type.values.end(), text) != type.values.end()) return;
    std::vector<std::string_view> supported(type.values.begin(), type.values.end());
    std::sort(supported.begin(), supported.end());
    out_.add(not_supported(path, text, supported));
  }

  Checker& out_;
};

void append(Checker& out, FieldErrors errors) {
  for (FieldError& error : errors) out.add(std::move(error));
}

Value metadata_of(const Value& object) {
  return object.is_object() ? member(object.get_object(), "metadata") : Value();
}

void check_common(Checker& out, const Value& object, const Schema& schema, Scope scope) {
  append(out, validate_object_meta(metadata_of(object), scope, name_check(schema), Path("metadata")));
  if (schema.custom) {
    append(out, validate_custom(object, schema, Path()));
  } else {
    TableRules(out).check(object, schema, Path());
  }
}

/// An error that several rules find is reported once.
FieldErrors without_repeats(FieldErrors errors) {
  FieldErrors out;
  for (FieldError& error : errors) {
    if (std::find(out.begin(), out.end(), error) == out.end()) out.push_back(std::move(error));
  }
  return out;
}

}  // namespace

NameCheck name_check(const Schema& schema) {
  const KindRules* rules = rules_of(schema);
  return rules ? rules->name : check_dns1123_subdomain;
}

FieldErrors validate(const Value& object, const Schema& schema, Scope scope) {
  Checker out;
  check_common(out, object, schema, scope);
  const KindRules* rules = rules_of(schema);
  if (rules && rules->rule && object.is_object()) rules->rule(out, object.get_object(), nullptr);
  return without_repeats(std::move(out.errors));
}

FieldErrors validate_update(const Value& object, const Value& old_object, const Schema& schema, Scope scope) {
  Checker out;
  append(out, validate_object_meta_update(metadata_of(object), metadata_of(old_object), Path("metadata")));
  check_common(out, object, schema, scope);
  const KindRules* rules = rules_of(schema);
  if (rules && rules->rule && object.is_object() && old_object.is_object()) {
    rules->rule(out, object.get_object(), &old_object.get_object());
  }
  return without_repeats(std::move(out.errors));
}

FieldErrors validate_status_update(const Value& object, const Value& old_object, const Schema& schema,
                                   Scope scope) {
  Checker out;
  append(out, validate_object_meta_update(metadata_of(object), metadata_of(old_object), Path("metadata")));
  append(out, validate_object_meta(metadata_of(object), scope, name_check(schema), Path("metadata")));
  if (schema.custom) {
    append(out, validate_custom(object, schema, Path()));
  } else if (const Field* status = schema.find("status"); status && object.is_object()) {
    TableRules(out).check(member(object.get_object(), "status"), *status->type, Path("status"));
  }
  return without_repeats(std::move(out.errors));
}

}  // namespace cloudless::schema

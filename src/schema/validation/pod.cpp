// Pods and pod templates: pkg/apis/core/validation/validation.go.
#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "base/strings.hpp"
#include "schema/quantity.hpp"
#include "schema/validation/rules.hpp"

namespace cloudless::schema::validation {
namespace {

constexpr std::string_view kOneSourceOnly = "may not specify more than 1 volume type";

/// What the parts of a pod refer to.
struct PodScope {
  std::set<std::string, std::less<>> volumes;
  bool host_network = false;
};

const Array& items_of(const Object& object, std::string_view name) {
  static const Array empty;
  const auto* array = get_array(object, name);
  return array ? *array : empty;
}

void check_ports(Checker& out, const Object& container, const PodScope& scope, const Path& path) {
  const Array& ports = items_of(container, "ports");
  std::set<std::string, std::less<>> names;
  for (size_t i = 0; i < ports.size(); ++i) {
    const auto* port = ports[i].if_object();
    if (!port) continue;
    const Path at = path.index(i);
    const auto name = get_text(*port, "name");
    if (!name.empty()) {
      out.add_all(at.child("name"), name, check_port_name(name));
      if (!names.emplace(name).second) out.add(duplicate(at.child("name"), Value(name)));
    }
    const int64_t number = get_int(*port, "containerPort");
    if (number == 0) {
      out.add(required(at.child("containerPort")));
    } else {
      for (const auto& complaint : check_port_number(number))
        out.add(invalid(at.child("containerPort"), Value(number), complaint));
    }
    const int64_t host = get_int(*port, "hostPort");
    if (host != 0) {
      for (const auto& complaint : check_port_number(host))
        out.add(invalid(at.child("hostPort"), Value(host), complaint));
    }
    if (scope.host_network && host != number) {
      out.add(invalid(at.child("containerPort"), Value(number),
                      "must match `hostPort` when `hostNetwork` is true"));
    }
  }
}

void check_env(Checker& out, const Object& container, const Path& path) {
  const Array& variables = items_of(container, "env");
  for (size_t i = 0; i < variables.size(); ++i) {
    const auto* variable = variables[i].if_object();
    if (!variable) continue;
    const Path at = path.index(i);
    out.require_name(*variable, "name", at, check_env_var_name);
    const auto* source = get_object(*variable, "valueFrom");
    if (!source) continue;
    const Path from = at.child("valueFrom");
    if (!get_text(*variable, "value").empty()) {
      out.add(invalid(from, "", "may not be specified when `value` is not empty"));
    }
    const size_t sources = source->size();
    if (sources == 0) {
      out.add(invalid(
          from, "",
          "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"));
    } else if (sources > 1) {
      out.add(invalid(from, "", "may not have more than one field specified at a time"));
    }
    for (const auto reference : {"configMapKeyRef", "secretKeyRef"}) {
      const auto* key = get_object(*source, reference);
      if (!key) continue;
      out.require_text(*key, "name", from.child(reference));
      out.require_name(*key, "key", from.child(reference), check_config_map_key);
    }
    if (const auto* field = get_object(*source, "fieldRef"))
      out.require_text(*field, "fieldPath", from.child("fieldRef"));
  }
}

void check_mounts(Checker& out, const Object& container, const PodScope& scope, const Path& path) {
  const Array& mounts = items_of(container, "volumeMounts");
  std::set<std::string, std::less<>> places;
  for (size_t i = 0; i < mounts.size(); ++i) {
    const auto* mount = mounts[i].if_object();
    if (!mount) continue;
    const Path at = path.index(i);
    const auto name = out.require_text(*mount, "name", at);
    if (!name.empty() && !scope.volumes.contains(name)) out.add(not_found(at.child("name"), name));
    const auto place = out.require_text(*mount, "mountPath", at);
    if (!place.empty() && !places.emplace(place).second)
      out.add(invalid(at.child("mountPath"), place, "must be unique"));
    const auto sub_path = get_text(*mount, "subPath");
    if (sub_path.starts_with('/')) out.add(invalid(at.child("subPath"), sub_path, "must be a relative path"));
    for (const auto part : split(sub_path, '/')) {
      if (part == "..") out.add(invalid(at.child("subPath"), sub_path, "must not contain '..'"));
    }
  }
}

void check_handler(Checker& out, const Object& handler, const Path& path) {
  size_t kinds = 0;
  for (const auto kind : {"exec", "httpGet", "tcpSocket", "grpc", "sleep"}) {
    if (!get(handler, kind)) continue;
    if (++kinds > 1) out.add(forbidden(path.child(kind), "may not specify more than 1 handler type"));
  }
  if (kinds == 0) out.add(required(path, "must specify a handler type"));
  if (const auto* exec = get_object(handler, "exec"); exec && items_of(*exec, "command").empty()) {
    out.add(required(path.child("exec").child("command")));
  }
  for (const auto kind : {"httpGet", "tcpSocket"}) {
    if (const auto* action = get_object(handler, kind))
      out.port_or_name(get(*action, "port"), path.child(kind).child("port"));
  }
}

void check_probe(Checker& out, const Object& container, std::string_view name, const Path& path) {
  const auto* probe = get_object(container, name);
  if (!probe) return;
  const Path at = path.child(name);
  check_handler(out, *probe, at);
  for (const auto number :
       {"initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"}) {
    out.not_negative(*probe, number, at);
  }
  if (name != "readinessProbe" && get_int(*probe, "successThreshold", 1) != 1) {
    out.add(invalid(at.child("successThreshold"), member(*probe, "successThreshold"), "must be 1"));
  }
}

void check_resources(Checker& out, const Object& container, const Path& path) {
  const auto* resources = get_object(container, "resources");
  if (!resources) return;
  const auto* limits = get_object(*resources, "limits");
  const auto* requests = get_object(*resources, "requests");
  for (const auto& [list, name] : {std::pair{limits, "limits"}, std::pair{requests, "requests"}}) {
    for (const auto& entry : list ? *list : Object()) {
      const Path at = path.child("resources").child(name).key(entry.key());
      out.add_all(path.child("resources").child(name), entry.key(), check_qualified_name(entry.key()));
      out.quantity_not_negative(entry.value(), at);
    }
  }
  if (!limits || !requests) return;
  for (const auto& entry : *requests) {
    const auto limit = get_text(*limits, entry.key());
    const Quantity asked{std::string(text_of(&entry.value()))};
    if (!limit.empty() && compare(asked, Quantity(std::string(limit))) > 0) {
      out.add(invalid(
          path.child("resources").child("requests"), asked.text,
          fmt::format("must be less than or equal to {} limit of {}", std::string_view(entry.key()), limit)));
    }
  }
}

void check_container(Checker& out, const Object& container, const PodScope& scope, const Path& path) {
  out.require_name(container, "name", path, check_dns1123_label);
  const auto image = out.require_text(container, "image", path);
  if (trim(image) != image)
    out.add(invalid(path.child("image"), image, "must not have leading or trailing whitespace"));
  check_ports(out, container, scope, path.child("ports"));
  check_env(out, container, path.child("env"));
  check_mounts(out, container, scope, path.child("volumeMounts"));
  for (const auto probe : {"livenessProbe", "readinessProbe", "startupProbe"})
    check_probe(out, container, probe, path);
  if (const auto* lifecycle = get_object(container, "lifecycle")) {
    for (const auto hook : {"postStart", "preStop"}) {
      if (const auto* handler = get_object(*lifecycle, hook))
        check_handler(out, *handler, path.child("lifecycle").child(hook));
    }
  }
  check_resources(out, container, path);
}

void check_containers(Checker& out, const Object& spec, std::string_view list, const PodScope& scope,
                      std::set<std::string, std::less<>>& names, const Path& path) {
  const Array& containers = items_of(spec, list);
  for (size_t i = 0; i < containers.size(); ++i) {
    const auto* container = containers[i].if_object();
    if (!container) continue;
    const Path at = path.child(list).index(i);
    check_container(out, *container, scope, at);
    const auto name = get_text(*container, "name");
    if (!name.empty() && !names.emplace(name).second) out.add(duplicate(at.child("name"), Value(name)));
  }
}

void check_volume_source(Checker& out, const Object& volume, const Path& path) {
  constexpr std::pair<std::string_view, std::string_view> kRequiredMembers[] = {
      {"hostPath", "path"},     {"configMap", "name"},
      {"secret", "secretName"}, {"persistentVolumeClaim", "claimName"},
      {"nfs", "server"},        {"nfs", "path"},
      {"csi", "driver"}};
  size_t sources = 0;
  for (const auto& entry : volume) {
    if (entry.key() == "name" || entry.value().is_null()) continue;
    if (++sources > 1) out.add(forbidden(path.child(entry.key()), kOneSourceOnly));
  }
  if (sources == 0) out.add(required(path, "must specify a volume type"));
  for (const auto& [source, name] : kRequiredMembers) {
    if (const auto* object = get_object(volume, source)) out.require_text(*object, name, path.child(source));
  }
}

void check_volumes(Checker& out, const Object& spec, PodScope& scope, const Path& path) {
  const Array& volumes = items_of(spec, "volumes");
  for (size_t i = 0; i < volumes.size(); ++i) {
    const auto* volume = volumes[i].if_object();
    if (!volume) continue;
    const Path at = path.index(i);
    out.require_name(*volume, "name", at, check_dns1123_label);
    const auto name = get_text(*volume, "name");
    if (!name.empty() && !scope.volumes.emplace(name).second)
      out.add(duplicate(at.child("name"), Value(name)));
    check_volume_source(out, *volume, at);
  }
}

void check_tolerations(Checker& out, const Object& spec, const Path& path) {
  const Array& tolerations = items_of(spec, "tolerations");
  for (size_t i = 0; i < tolerations.size(); ++i) {
    const auto* toleration = tolerations[i].if_object();
    if (!toleration) continue;
    const Path at = path.index(i);
    const auto key = get_text(*toleration, "key");
    const auto op = get_text(*toleration, "operator");
    if (!key.empty()) out.add_all(at.child("key"), key, check_qualified_name(key));
    if (key.empty() && op != "Exists") {
      out.add(invalid(
          at.child("operator"), op,
          "operator must be Exists when `key` is empty, which means \"match all values and all keys\""));
    }
    if (op == "Exists" && !get_text(*toleration, "value").empty()) {
      out.add(invalid(at.child("operator"), Value(*toleration),
                      "value must be empty when `operator` is 'Exists'"));
    }
    if (get(*toleration, "tolerationSeconds") && get_text(*toleration, "effect") != "NoExecute") {
      out.add(invalid(at.child("effect"), get_text(*toleration, "effect"),
                      "effect must be 'NoExecute' when `tolerationSeconds` is set"));
    }
  }
}

void check_node_term(Checker& out, const Object& term, const Path& path) {
  const Array& expressions = items_of(term, "matchExpressions");
  for (size_t i = 0; i < expressions.size(); ++i) {
    const auto* expression = expressions[i].if_object();
    if (!expression) continue;
    const Path at = path.child("matchExpressions").index(i);
    const auto op = get_text(*expression, "operator");
    const Array& values = items_of(*expression, "values");
    if ((op == "In" || op == "NotIn") && values.empty()) {
      out.add(required(at.child("values"), "must be specified when `operator` is 'In' or 'NotIn'"));
    } else if ((op == "Exists" || op == "DoesNotExist") && !values.empty()) {
      out.add(forbidden(at.child("values"),
                        "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
    } else if ((op == "Gt" || op == "Lt") && values.size() != 1) {
      out.add(required(at.child("values"), "must be specified single value when `operator` is 'Lt' or 'Gt'"));
    } else if (op.empty()) {
      out.add(invalid(at.child("operator"), op, "not a valid selector operator"));
    }
    out.add_all(at.child("key"), get_text(*expression, "key"),
                check_qualified_name(get_text(*expression, "key")));
  }
}

void check_affinity(Checker& out, const Object& spec, const Path& path) {
  const auto* needed =
      dig(spec, {"affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"});
  const auto* selector = needed ? needed->if_object() : nullptr;
  if (!selector) return;
  const Path at = path.child("affinity")
                      .child("nodeAffinity")
                      .child("requiredDuringSchedulingIgnoredDuringExecution")
                      .child("nodeSelectorTerms");
  const Array& terms = items_of(*selector, "nodeSelectorTerms");
  if (terms.empty()) out.add(required(at, "must have at least one node selector term"));
  for (size_t i = 0; i < terms.size(); ++i) {
    if (const auto* term = terms[i].if_object()) check_node_term(out, *term, at.index(i));
  }
}

void check_spreading(Checker& out, const Object& spec, const Path& path) {
  const Array& constraints = items_of(spec, "topologySpreadConstraints");
  for (size_t i = 0; i < constraints.size(); ++i) {
    const auto* constraint = constraints[i].if_object();
    if (!constraint) continue;
    const Path at = path.index(i);
    if (get_int(*constraint, "maxSkew") <= 0)
      out.add(invalid(at.child("maxSkew"), Value(get_int(*constraint, "maxSkew")), kPositive));
    out.require_text(*constraint, "topologyKey", at, "can not be empty");
    out.require_one_of(get_text(*constraint, "whenUnsatisfiable"), at.child("whenUnsatisfiable"),
                       {"DoNotSchedule", "ScheduleAnyway"});
    out.label_selector(get_object(*constraint, "labelSelector"), at.child("labelSelector"));
  }
}

void check_host_aliases(Checker& out, const Object& spec, const Path& path) {
  const Array& aliases = items_of(spec, "hostAliases");
  for (size_t i = 0; i < aliases.size(); ++i) {
    if (const auto* alias = aliases[i].if_object()) {
      out.add_all(path.index(i).child("ip"), get_text(*alias, "ip"), check_ip(get_text(*alias, "ip")));
    }
  }
}

/// The spec with what an update may change taken out.
Value frozen_part(const Object& spec) {
  Object out = spec;
  for (const auto name :
       {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates"}) {
    if (out.contains(name)) out.stable_erase(name);
  }
  for (const auto list : {"containers", "initContainers"}) {
    auto* containers = get_array(out, list);
    if (!containers) continue;
    for (Value& item : *containers) {
      if (auto* container = item.if_object(); container && container->contains("image"))
        container->stable_erase("image");
    }
  }
  return out;
}

bool keeps_tolerations(const Object& spec, const Object& old_spec) {
  const Array& now = items_of(spec, "tolerations");
  for (const Value& old : items_of(old_spec, "tolerations")) {
    if (std::find_if(now.begin(), now.end(), [&](const Value& item) { return equal_json(item, old); }) ==
        now.end())
      return false;
  }
  return true;
}

void check_pod_update(Checker& out, const Object& spec, const Object& old_spec, const Path& path) {
  const int64_t grace = get_int(spec, "terminationGracePeriodSeconds"),
                old_grace = get_int(old_spec, "terminationGracePeriodSeconds");
  const bool grace_kept = grace == old_grace || (old_grace < 0 && grace == 1);
  if (grace_kept && keeps_tolerations(spec, old_spec) && equal_json(frozen_part(spec), frozen_part(old_spec)))
    return;
  out.add(forbidden(
      path,
      "pod updates may not change fields other than `spec.containers[*].image`,"
      "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
      "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
      "previously negative)"));
}

}  // namespace

void check_pod_spec(Checker& out, const Object& spec, const Path& path) {
  PodScope scope;
  scope.host_network = get_bool(spec, "hostNetwork");
  check_volumes(out, spec, scope, path.child("volumes"));
  if (items_of(spec, "containers").empty()) out.add(required(path.child("containers")));
  std::set<std::string, std::less<>> names;
  for (const auto list : {"containers", "initContainers", "ephemeralContainers"})
    check_containers(out, spec, list, scope, names, path);
  if (get_text(spec, "restartPolicy").empty()) out.add(required(path.child("restartPolicy")));
  if (get_text(spec, "dnsPolicy").empty()) out.add(required(path.child("dnsPolicy")));
  out.not_negative(spec, "terminationGracePeriodSeconds", path);
  if (const auto* deadline = get(spec, "activeDeadlineSeconds");
      deadline && get_int(spec, "activeDeadlineSeconds") < 1) {
    out.add(invalid(path.child("activeDeadlineSeconds"), *deadline,
                    "must be between 1 and 2147483647, inclusive"));
  }
  out.labels(get_object(spec, "nodeSelector"), path.child("nodeSelector"));
  out.check_name(spec, "serviceAccountName", path, check_dns1123_subdomain);
  out.check_name(spec, "nodeName", path, check_dns1123_subdomain);
  out.check_name(spec, "hostname", path, check_dns1123_label);
  out.check_name(spec, "subdomain", path, check_dns1123_label);
  out.check_name(spec, "priorityClassName", path, check_dns1123_subdomain);
  check_tolerations(out, spec, path.child("tolerations"));
  check_affinity(out, spec, path);
  check_spreading(out, spec, path.child("topologySpreadConstraints"));
  check_host_aliases(out, spec, path.child("hostAliases"));
}

void check_pod_template(Checker& out, const Object* pod_template, const Path& path) {
  if (!pod_template) return;
  if (const auto* metadata = get_object(*pod_template, "metadata")) {
    out.labels(get_object(*metadata, "labels"), path.child("labels"));
  }
  static const Object empty;
  const auto* spec = get_object(*pod_template, "spec");
  check_pod_spec(out, spec ? *spec : empty, path.child("spec"));
}

void pod(Checker& out, const Object& object, const Object* old_object) {
  static const Object empty;
  const auto* spec = get_object(object, "spec");
  check_pod_spec(out, spec ? *spec : empty, Path("spec"));
  const auto* old_spec = old_object ? get_object(*old_object, "spec") : nullptr;
  if (spec && old_spec) check_pod_update(out, *spec, *old_spec, Path("spec"));
}

}  // namespace cloudless::schema::validation

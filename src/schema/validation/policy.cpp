// RBAC, PodDisruptionBudget, HorizontalPodAutoscaler, Lease, PriorityClass, CustomResourceDefinition.
#include <boost/json.hpp>

#include "schema/custom_schema.hpp"
#include "schema/validation/rules.hpp"

namespace cloudless::schema::validation {
namespace {

const Object kEmpty;

const Object& object_of(const Object& object, std::string_view name) {
  const auto* inner = get_object(object, name);
  return inner ? *inner : kEmpty;
}

const Array& items_of(const Object& object, std::string_view name) {
  static const Array empty;
  const auto* array = get_array(object, name);
  return array ? *array : empty;
}

enum class RoleScope { kNamespace, kCluster };

void check_rules(Checker& out, const Object& object, RoleScope scope) {
  const Array& rules = items_of(object, "rules");
  for (size_t i = 0; i < rules.size(); ++i) {
    const auto* rule = rules[i].if_object();
    if (!rule) continue;
    const Path at = Path("rules").index(i);
    if (items_of(*rule, "verbs").empty())
      out.add(required(at.child("verbs"), "verbs must contain at least one value"));
    const bool urls = !items_of(*rule, "nonResourceURLs").empty();
    const bool groups = !items_of(*rule, "apiGroups").empty(),
               resources = !items_of(*rule, "resources").empty();
    if (urls) {
      if (scope == RoleScope::kNamespace) {
        out.add(invalid(at.child("nonResourceURLs"), member(*rule, "nonResourceURLs"),
                        "namespaced rules cannot apply to non-resource URLs"));
      }
      if (groups || resources || !items_of(*rule, "resourceNames").empty()) {
        out.add(invalid(at.child("nonResourceURLs"), member(*rule, "nonResourceURLs"),
                        "rules cannot apply to both regular resources and non-resource URLs"));
      }
      continue;
    }
    if (!groups)
      out.add(required(at.child("apiGroups"), "resource rules must supply at least one api group"));
    if (!resources)
      out.add(required(at.child("resources"), "resource rules must supply at least one resource"));
  }
}

void check_subject(Checker& out, const Object& subject, bool namespaced, const Path& path) {
  const auto kind = get_text(subject, "kind");
  const auto group = get_text(subject, "apiGroup");
  out.require_text(subject, "name", path);
  if (kind == "ServiceAccount") {
    out.check_name(subject, "name", path, check_dns1123_subdomain);
    if (!group.empty()) out.add(not_supported(path.child("apiGroup"), group, {""}));
    if (!namespaced && get_text(subject, "namespace").empty()) out.add(required(path.child("namespace")));
  } else if (kind == "User" || kind == "Group") {
    out.require_one_of(group, path.child("apiGroup"), {"rbac.authorization.k8s.io"});
  } else {
    out.add(not_supported(path.child("kind"), kind, {"ServiceAccount", "User", "Group"}));
  }
}

}  // namespace

void role(Checker& out, const Object& object, const Object*) {
  check_rules(out, object, RoleScope::kNamespace);
}

void cluster_role(Checker& out, const Object& object, const Object*) {
  check_rules(out, object, RoleScope::kCluster);
  const Array& selectors = items_of(object_of(object, "aggregationRule"), "clusterRoleSelectors");
  for (size_t i = 0; i < selectors.size(); ++i) {
    out.label_selector(selectors[i].if_object(), Path("aggregationRule.clusterRoleSelectors").index(i));
  }
}

void role_binding(Checker& out, const Object& object, const Object* old_object) {
  const bool namespaced = get_text(object, "kind") == "RoleBinding";
  const Object& reference = object_of(object, "roleRef");
  const Path path("roleRef");
  out.require_one_of(get_text(reference, "apiGroup"), path.child("apiGroup"), {"rbac.authorization.k8s.io"});
  std::vector<std::string_view> kinds{"ClusterRole"};
  if (namespaced) kinds = {"Role", "ClusterRole"};
  out.require_one_of(get_text(reference, "kind"), path.child("kind"), kinds);
  out.require_name(reference, "name", path, check_path_segment_name);
  const Array& subjects = items_of(object, "subjects");
  for (size_t i = 0; i < subjects.size(); ++i) {
    if (const auto* subject = subjects[i].if_object())
      check_subject(out, *subject, namespaced, Path("subjects").index(i));
  }
  if (old_object) out.immutable(object, *old_object, "roleRef", Path(), "cannot change roleRef");
}

void pod_disruption_budget(Checker& out, const Object& object, const Object*) {
  const Object& spec = object_of(object, "spec");
  const Path path("spec");
  const auto* least = get(spec, "minAvailable");
  const auto* most = get(spec, "maxUnavailable");
  if (least && most)
    out.add(invalid(path, Value(spec), "minAvailable and maxUnavailable cannot be both set"));
  out.int_or_percent(least, path.child("minAvailable"));
  out.int_or_percent(most, path.child("maxUnavailable"));
  out.label_selector(get_object(spec, "selector"), path.child("selector"));
}

void horizontal_pod_autoscaler(Checker& out, const Object& object, const Object*) {
  const Object& spec = object_of(object, "spec");
  const Path path("spec");
  const int64_t most = get_int(spec, "maxReplicas");
  const auto* least = get(spec, "minReplicas");
  if (least && get_int(spec, "minReplicas") < 1) {
    out.add(invalid(path.child("minReplicas"), *least, "must be greater than or equal to 1"));
  }
  if (most < 1) out.add(invalid(path.child("maxReplicas"), Value(most), kPositive));
  if (least && most < get_int(spec, "minReplicas")) {
    out.add(
        invalid(path.child("maxReplicas"), Value(most), "must be greater than or equal to `minReplicas`"));
  }
  out.require_name(object_of(spec, "scaleTargetRef"), "kind", path.child("scaleTargetRef"),
                   check_path_segment_name);
  out.require_name(object_of(spec, "scaleTargetRef"), "name", path.child("scaleTargetRef"),
                   check_path_segment_name);
}

void lease(Checker& out, const Object& object, const Object*) {
  const Object& spec = object_of(object, "spec");
  out.positive(spec, "leaseDurationSeconds", Path("spec"));
  out.not_negative(spec, "leaseTransitions", Path("spec"));
}

void priority_class(Checker& out, const Object& object, const Object* old_object) {
  constexpr int64_t kHighestUserPriority = 1'000'000'000;
  const bool system = text_of(dig(object, {"metadata", "name"})).starts_with("system-");
  if (!system && get_int(object, "value") > kHighestUserPriority) {
    out.add(forbidden(Path("value"), fmt::format("maximum allowed value of a user defined priority is {}",
                                                 kHighestUserPriority)));
  }
  if (!old_object) return;
  if (get_int(object, "value") != get_int(*old_object, "value")) {
    out.add(forbidden(Path("value"), "may not be changed in an update."));
  }
  out.immutable(object, *old_object, "preemptionPolicy", Path());
}

namespace {

void check_definition_names(Checker& out, const Object& spec, const Path& path) {
  const Object& names = object_of(spec, "names");
  const Path at = path.child("names");
  out.require_name(names, "plural", at, check_dns1035_label);
  out.check_name(names, "singular", at, check_dns1035_label);
  const auto kind = out.require_text(names, "kind", at);
  if (!kind.empty()) {
    std::string lower(kind);
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    for (const auto& complaint : check_dns1035_label(lower)) {
      out.add(
          invalid(at.child("kind"), kind, "may have mixed case, but should otherwise match: " + complaint));
    }
  }
  const auto list_kind = get_text(names, "listKind");
  if (!kind.empty() && kind == list_kind)
    out.add(invalid(at.child("listKind"), list_kind, "kind and listKind may not be the same"));
  const Array& short_names = items_of(names, "shortNames");
  for (size_t i = 0; i < short_names.size(); ++i) {
    out.add_all(at.child("shortNames").index(i), text_of(&short_names[i]),
                check_dns1035_label(text_of(&short_names[i])));
  }
}

void check_definition_version(Checker& out, const Object& version, const Path& path) {
  out.require_name(version, "name", path, check_dns1035_label);
  const auto* open_api = dig(version, {"schema", "openAPIV3Schema"});
  const Path at = path.child("schema").child("openAPIV3Schema");
  if (!open_api) {
    out.add(required(at, "schemas are required"));
    return;
  }
  for (FieldError& error : validate_structural(*open_api, at)) out.add(std::move(error));
}

}  // namespace

void custom_resource_definition(Checker& out, const Object& object, const Object* old_object) {
  const Object& spec = object_of(object, "spec");
  const Path path("spec");
  const auto group = get_text(spec, "group");
  const std::string wanted = std::string(text_of(dig(spec, {"names", "plural"}))) + "." + std::string(group);
  const auto name = text_of(dig(object, {"metadata", "name"}));
  if (name != wanted)
    out.add(invalid(Path("metadata.name"), name, "must be spec.names.plural+\".\"+spec.group"));
  out.require_name(spec, "group", path, check_dns1123_subdomain);
  if (!group.empty() && group.find('.') == std::string_view::npos) {
    out.add(invalid(path.child("group"), group, "should be a domain with at least one dot"));
  }
  out.require_one_of(get_text(spec, "scope"), path.child("scope"), {"Cluster", "Namespaced"});
  check_definition_names(out, spec, path);
  const Array& versions = items_of(spec, "versions");
  size_t stored = 0;
  for (size_t i = 0; i < versions.size(); ++i) {
    const auto* version = versions[i].if_object();
    if (!version) continue;
    stored += get_bool(*version, "storage");
    check_definition_version(out, *version, path.child("versions").index(i));
  }
  if (stored != 1) {
    out.add(invalid(path.child("versions"), Value(versions),
                    "must have exactly one version marked as storage version"));
  }
  if (!old_object) return;
  const Object& old_spec = object_of(*old_object, "spec");
  out.immutable(spec, old_spec, "group", path);
  out.immutable(object_of(spec, "names"), object_of(old_spec, "names"), "plural", path.child("names"));
  out.immutable(spec, old_spec, "scope", path);
  out.immutable(object_of(spec, "names"), object_of(old_spec, "names"), "kind", path.child("names"));
}

}  // namespace cloudless::schema::validation

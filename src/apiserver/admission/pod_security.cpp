#include "apiserver/admission/pod_security.hpp"

#include <algorithm>

#include "apiserver/json_fields.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver::admission {

using runtime::Task;

namespace {

struct Mode {
  PodSecurityLevel level = PodSecurityLevel::kPrivileged;
  std::string version = "latest";

  std::string text() const { return fmt::format("{}:{}", to_string(level), version); }
};

constexpr std::string_view kLabelPrefix = "pod-security.kubernetes.io/";

Mode mode_of(const json::object& namespace_, std::string_view mode) {
  const std::string label = fmt::format("{}{}", kLabelPrefix, mode);
  const std::string_view level = text_at(namespace_, {"metadata", "labels", label});
  const std::string_view version = text_at(namespace_, {"metadata", "labels", label + "-version"});
  Mode out;
  // What is no level is taken as the strictest, as upstream does.
  if (!level.empty()) out.level = parse_pod_security_level(level).value_or(PodSecurityLevel::kRestricted);
  if (!version.empty()) out.version = version;
  return out;
}

// Where a resource's pods are described: the pod itself, or its template.
struct PodPlace {
  std::string_view group;
  std::string_view resource;
  std::vector<std::string_view> path;  // to the object with metadata and spec
};

const std::vector<PodPlace>& places() {
  static const std::vector<PodPlace> kPlaces{
      {"", "pods", {}},
      {"", "replicationcontrollers", {"spec", "template"}},
      {"", "podtemplates", {"template"}},
      {"apps", "replicasets", {"spec", "template"}},
      {"apps", "deployments", {"spec", "template"}},
      {"apps", "statefulsets", {"spec", "template"}},
      {"apps", "daemonsets", {"spec", "template"}},
      {"batch", "jobs", {"spec", "template"}},
      {"batch", "cronjobs", {"spec", "jobTemplate", "spec", "template"}},
  };
  return kPlaces;
}

const json::object* follow(const json::object& object, const std::vector<std::string_view>& path) {
  const json::object* at = &object;
  for (const std::string_view step : path) {
    at = at ? object_at(*at, {step}) : nullptr;
  }
  return at;
}

ApiResult<> check_labels(const AdmissionRequest& request) {
  std::vector<StatusCause> causes;
  for (const char* mode : {"enforce", "audit", "warn"}) {
    const std::string label = fmt::format("{}{}", kLabelPrefix, mode);
    const json::value* value = find(*request.object, {"metadata", "labels", label});
    if (!value || parse_pod_security_level(text_at(*request.object, {"metadata", "labels", label}))) continue;
    causes.push_back({"FieldValueInvalid",
                      fmt::format("Invalid value: {}: must be one of privileged, baseline, restricted",
                                  quote(text_at(*request.object, {"metadata", "labels", label}))),
                      fmt::format("metadata.labels[{}]", label)});
  }
  if (causes.empty()) return {};
  return std::unexpected(invalid("", "Namespace", request.name, std::move(causes)));
}

std::string sentence(std::string_view verb, const Mode& mode,
                     const std::vector<PodSecurityViolation>& violations) {
  return fmt::format("{} PodSecurity {}: {}", verb, quote(mode.text()), to_text(violations));
}

}  // namespace

Task<ApiResult<>> PodSecurity::validate(const AdmissionRequest& request) {
  if (is_on(request, "", "namespaces")) co_return check_labels(request);
  const bool ephemeral = request.resource == "pods" && request.subresource == "ephemeralcontainers";
  if (!request.subresource.empty() && !ephemeral) co_return ApiResult<>();
  const auto place = std::ranges::find_if(places(), [&](const PodPlace& candidate) {
    return candidate.group == request.group && candidate.resource == request.resource;
  });
  if (place == places().end()) co_return ApiResult<>();
  const json::object* pod = follow(*request.object, place->path);
  const json::object* spec = pod ? object_at(*pod, {"spec"}) : nullptr;
  if (!spec) co_return ApiResult<>();
  // An update that leaves the spec as it is says nothing new.
  const json::object* old_pod = request.old_object ? follow(*request.old_object, place->path) : nullptr;
  if (old_pod && same_member(*old_pod, *pod, "spec")) co_return ApiResult<>();
  const auto ns = co_await objects_.get({"", "namespaces"}, "", request.namespace_);
  if (!ns) co_return refuse(request, fmt::format("failed to lookup namespace {}", quote(request.namespace_)));
  static const json::object kNoMetadata;
  const json::object* pod_metadata = object_at(*pod, {"metadata"});
  const auto check = [&](const Mode& mode) {
    return check_pod_security(mode.level, pod_metadata ? *pod_metadata : kNoMetadata, *spec);
  };
  const Mode enforce = mode_of(**ns, "enforce");
  if (place->path.empty()) {
    const auto violations = check(enforce);
    if (!violations.empty()) co_return refuse(request, sentence("violates", enforce, violations));
  }
  const Mode audit = mode_of(**ns, "audit");
  if (const auto violations = check(audit); !violations.empty())
    request.audit_annotations["pod-security.kubernetes.io/audit-violations"] =
        sentence("would violate", audit, violations);
  const Mode warn = mode_of(**ns, "warn");
  if (const auto violations = check(warn); !violations.empty())
    request.warnings.push_back(sentence("would violate", warn, violations));
  co_return ApiResult<>();
}

}  // namespace cloudless::apiserver::admission

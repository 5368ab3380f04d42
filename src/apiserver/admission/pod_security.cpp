#include "apiserver/admission/pod_security.hpp"

#include "apiserver/admission/pod_places.hpp"
#include "apiserver/json_fields.hpp"
#include "base/ranges.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver::admission {

using runtime::Task;

namespace {

constexpr std::string_view kLabelPrefix = "pod-security.kubernetes.io/";

PodSecurityMode mode_of(const json::object& namespace_, std::string_view mode, PodSecurityMode out) {
  const std::string label = fmt::format("{}{}", kLabelPrefix, mode);
  const std::string_view level = text_at(namespace_, {"metadata", "labels", label});
  const std::string_view version = text_at(namespace_, {"metadata", "labels", label + "-version"});
  // What is no level is taken as the strictest, as upstream does.
  if (!level.empty()) out.level = parse_pod_security_level(level).value_or(PodSecurityLevel::kRestricted);
  if (!version.empty()) out.version = version;
  return out;
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

std::string sentence(std::string_view verb, const PodSecurityMode& mode,
                     const std::vector<PodSecurityViolation>& violations) {
  return fmt::format("{} PodSecurity {}: {}", verb, quote(mode.text()), to_text(violations));
}

}  // namespace

Task<ApiResult<>> PodSecurity::validate(const AdmissionRequest& request) {
  if (is_on(request, "", "namespaces")) co_return check_labels(request);
  const bool ephemeral = request.resource == "pods" && request.subresource == "ephemeralcontainers";
  if (!request.subresource.empty() && !ephemeral) co_return ApiResult<>();
  const PodPlace* place = pod_place(request.group, request.resource);
  if (!place || contains(options_.exempt_namespaces, request.namespace_) ||
      contains(options_.exempt_users, request.user.name)) {
    co_return ApiResult<>();
  }
  const json::object* pod = place->in(*request.object);
  const json::object* spec = pod ? object_at(*pod, {"spec"}) : nullptr;
  if (!spec || contains(options_.exempt_runtime_classes, text_at(*spec, {"runtimeClassName"})))
    co_return ApiResult<>();
  // An update that leaves the spec as it is says nothing new.
  const json::object* old_pod = request.old_object ? place->in(*request.old_object) : nullptr;
  if (old_pod && same_at(*old_pod, *pod, {"spec"})) co_return ApiResult<>();
  const auto ns = co_await objects_.get({"", "namespaces"}, "", request.namespace_);
  if (!ns) co_return refuse(request, fmt::format("failed to lookup namespace {}", quote(request.namespace_)));
  static const json::object kNoMetadata;
  const json::object* pod_metadata = object_at(*pod, {"metadata"});
  const auto check = [&](const PodSecurityMode& mode) {
    return check_pod_security(mode.level, pod_metadata ? *pod_metadata : kNoMetadata, *spec);
  };
  const PodSecurityMode enforce = mode_of(**ns, "enforce", options_.enforce);
  if (place->path.empty()) {
    const auto violations = check(enforce);
    if (!violations.empty()) co_return refuse(request, sentence("violates", enforce, violations));
  }
  const PodSecurityMode audit = mode_of(**ns, "audit", options_.audit);
  if (const auto violations = check(audit); !violations.empty())
    request.audit_annotations["pod-security.kubernetes.io/audit-violations"] =
        sentence("would violate", audit, violations);
  const PodSecurityMode warn = mode_of(**ns, "warn", options_.warn);
  if (const auto violations = check(warn); !violations.empty())
    request.warnings.push_back(sentence("would violate", warn, violations));
  co_return ApiResult<>();
}

}  // namespace cloudless::apiserver::admission

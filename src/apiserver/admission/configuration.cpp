// AdmissionConfiguration, as --admission-control-config-file has it.
#include "apiserver/admission/chain.hpp"
#include "apiserver/json_fields.hpp"
#include "base/strings.hpp"
#include "schema/yaml.hpp"

namespace cloudless::apiserver::admission {

namespace {

constexpr std::string_view kPodSecurityVersions = "pod-security.admission.config.k8s.io/";

std::vector<std::string> texts_at(const json::object& object, Path path) {
  std::vector<std::string> out;
  for (const json::value& value : array_at(object, path)) {
    if (value.is_string()) out.emplace_back(value.get_string());
  }
  return out;
}

Result<PodSecurityMode> mode_of(const json::object& configuration, std::string_view name) {
  PodSecurityMode mode;
  const std::string_view level = text_at(configuration, {"defaults", name});
  const std::string_view version = text_at(configuration, {"defaults", std::string(name) + "-version"});
  if (!version.empty()) mode.version = version;
  if (level.empty()) return mode;
  const auto parsed = parse_pod_security_level(level);
  if (!parsed)
    return fail(Code::kInvalid,
                "defaults.{}: Invalid value: {}: must be one of privileged, baseline, restricted", name,
                quote(level));
  mode.level = *parsed;
  return mode;
}

Result<PodSecurityOptions> pod_security_of(const json::object& configuration) {
  if (!text_at(configuration, {"apiVersion"}).starts_with(kPodSecurityVersions) ||
      text_at(configuration, {"kind"}) != "PodSecurityConfiguration") {
    return fail(Code::kInvalid, "the configuration of PodSecurity is no PodSecurityConfiguration of {}v1",
                kPodSecurityVersions);
  }
  return PodSecurityOptions{
      .enforce = TRY(mode_of(configuration, "enforce")),
      .audit = TRY(mode_of(configuration, "audit")),
      .warn = TRY(mode_of(configuration, "warn")),
      .exempt_users = texts_at(configuration, {"exemptions", "usernames"}),
      .exempt_runtime_classes = texts_at(configuration, {"exemptions", "runtimeClasses"}),
      .exempt_namespaces = texts_at(configuration, {"exemptions", "namespaces"})};
}

}  // namespace

Result<> apply_configuration(std::string_view text, ChainOptions& options) {
  const json::value parsed = TRY(schema::parse_yaml(text));
  const json::object* object = parsed.if_object();
  if (!object || text_at(*object, {"kind"}) != "AdmissionConfiguration")
    return fail(Code::kInvalid, "not an AdmissionConfiguration of apiserver.config.k8s.io/v1");
  for (const json::value& item : array_at(*object, {"plugins"})) {
    const json::object* plugin = item.if_object();
    const std::string_view name = plugin ? text_at(*plugin, {"name"}) : std::string_view();
    const json::object* configuration = plugin ? object_at(*plugin, {"configuration"}) : nullptr;
    if (name != "PodSecurity")
      return fail(Code::kInvalid, "configuration of the admission plugin {} is not supported", quote(name));
    if (!configuration)
      return fail(
          Code::kInvalid,
          "the configuration of the admission plugin {} has to stand in the file itself, not at a path",
          quote(name));
    options.pod_security = TRY(pod_security_of(*configuration));
  }
  return {};
}

}  // namespace cloudless::apiserver::admission

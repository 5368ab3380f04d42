#include "apiserver/admission/pod_security_checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>

#include "apiserver/admission/pod_edits.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver::admission {

namespace {

using Names = std::vector<std::string>;

struct Pod {
  const json::object& metadata;
  const json::object& spec;

  bool on_windows() const { return text_at(spec, {"os", "name"}) == "windows"; }
};

using Finding = std::optional<PodSecurityViolation>;

// `container "a"`, `containers "a", "b"`
std::string containers(const Names& names) {
  return fmt::format("container{} {}", names.size() == 1 ? "" : "s", join(names, ", "));
}

std::string must(const Names& names, std::string_view what) {
  return fmt::format("{} must {}", containers(names), what);
}

// Quoted names of the containers that break a rule.
Names offenders(const json::object& spec, const std::function<bool(const json::object&)>& breaks) {
  Names out;
  for_each_container(spec, [&](const json::object& container, std::string_view) {
    if (breaks(container)) out.push_back(quote(text_at(container, {"name"})));
  });
  return out;
}

bool is_true(const json::object& object, Path path) { return truth_at(object, path); }

bool is_false(const json::object& object, Path path) {
  const json::value* value = find(object, path);
  return value && value->is_bool() && !value->get_bool();
}

bool one_of(std::string_view text, std::initializer_list<std::string_view> choices) {
  return std::ranges::find(choices, text) != choices.end();
}

Finding host_namespaces(const Pod& pod) {
  Names set;
  for (const char* field : {"hostNetwork", "hostPID", "hostIPC"}) {
    if (is_true(pod.spec, {field})) set.push_back(fmt::format("{}=true", field));
  }
  if (set.empty()) return std::nullopt;
  return PodSecurityViolation{"host namespaces", join(set, ", ")};
}

Finding privileged(const Pod& pod) {
  const Names bad = offenders(
      pod.spec, [](const auto& container) { return is_true(container, {"securityContext", "privileged"}); });
  if (bad.empty()) return std::nullopt;
  return PodSecurityViolation{"privileged", must(bad, "not set securityContext.privileged=true")};
}

constexpr std::initializer_list<std::string_view> kBaselineCapabilities{
    "AUDIT_WRITE",      "CHOWN",   "DAC_OVERRIDE", "FOWNER",  "FSETID", "KILL",      "MKNOD",
    "NET_BIND_SERVICE", "SETFCAP", "SETGID",       "SETPCAP", "SETUID", "SYS_CHROOT"};

Finding capabilities_baseline(const Pod& pod) {
  Names forbidden;
  const Names bad = offenders(pod.spec, [&](const auto& container) {
    bool found = false;
    for (const json::value& item : array_at(container, {"securityContext", "capabilities", "add"})) {
      if (!item.is_string() || one_of(item.get_string(), kBaselineCapabilities)) continue;
      found = true;
      const std::string name = quote(item.get_string());
      if (std::ranges::find(forbidden, name) == forbidden.end()) forbidden.push_back(name);
    }
    return found;
  });
  if (bad.empty()) return std::nullopt;
  std::ranges::sort(forbidden);
  return PodSecurityViolation{
      "non-default capabilities",
      must(bad, fmt::format("not include {} in securityContext.capabilities.add", join(forbidden, ", ")))};
}

Finding capabilities_restricted(const Pod& pod) {
  if (pod.on_windows()) return std::nullopt;
  const Names not_dropping = offenders(pod.spec, [](const auto& container) {
    const auto& drop = array_at(container, {"securityContext", "capabilities", "drop"});
    return std::ranges::none_of(
        drop, [](const json::value& item) { return item.is_string() && item.get_string() == "ALL"; });
  });
  Names added;
  const Names adding = offenders(pod.spec, [&](const auto& container) {
    bool found = false;
    for (const json::value& item : array_at(container, {"securityContext", "capabilities", "add"})) {
      if (!item.is_string() || item.get_string() == "NET_BIND_SERVICE") continue;
      found = true;
      added.push_back(quote(item.get_string()));
    }
    return found;
  });
  Names details;
  if (!not_dropping.empty())
    details.push_back(must(not_dropping, "set securityContext.capabilities.drop=[\"ALL\"]"));
  if (!adding.empty())
    details.push_back(
        must(adding, fmt::format("not include {} in securityContext.capabilities.add", join(added, ", "))));
  if (details.empty()) return std::nullopt;
  return PodSecurityViolation{"unrestricted capabilities", join(details, "; ")};
}

Finding host_path_volumes(const Pod& pod) {
  Names bad;
  for (const json::value& volume : array_at(pod.spec, {"volumes"})) {
    if (volume.is_object() && find(volume.get_object(), {"hostPath"}))
      bad.push_back(quote(text_at(volume.get_object(), {"name"})));
  }
  if (bad.empty()) return std::nullopt;
  return PodSecurityViolation{"hostPath volumes",
                              fmt::format("volume{} {}", bad.size() == 1 ? "" : "s", join(bad, ", "))};
}

Finding host_ports(const Pod& pod) {
  Names ports;
  const Names bad = offenders(pod.spec, [&](const auto& container) {
    bool found = false;
    for (const json::value& port : array_at(container, {"ports"})) {
      const int64_t number = port.is_object() ? number_at(port.get_object(), {"hostPort"}) : 0;
      if (number == 0) continue;
      found = true;
      ports.push_back(std::to_string(number));
    }
    return found;
  });
  if (bad.empty()) return std::nullopt;
  return PodSecurityViolation{
      "hostPort", fmt::format("{} use{} hostPort{} {}", containers(bad), bad.size() == 1 ? "s" : "",
                              ports.size() == 1 ? "" : "s", join(ports, ", "))};
}

Finding app_armor(const Pod& pod) {
  constexpr std::string_view kPrefix = "container.apparmor.security.beta.kubernetes.io/";
  Names bad;
  if (const json::object* annotations = object_at(pod.metadata, {"annotations"})) {
    for (const auto& [key, value] : *annotations) {
      const std::string_view profile = value.is_string() ? std::string_view(value.get_string()) : "";
      if (!std::string_view(key).starts_with(kPrefix) || profile.empty() || profile == "runtime/default" ||
          profile.starts_with("localhost/")) {
        continue;
      }
      bad.push_back(fmt::format("annotation {}={}", quote(key), quote(profile)));
    }
  }
  const auto unconfined = [](const json::object& object) {
    return text_at(object, {"securityContext", "appArmorProfile", "type"}) == "Unconfined";
  };
  if (unconfined(pod.spec)) bad.push_back("pod must not set AppArmor profile type to \"Unconfined\"");
  const Names names = offenders(pod.spec, unconfined);
  if (!names.empty()) bad.push_back(must(names, "not set AppArmor profile type to \"Unconfined\""));
  if (bad.empty()) return std::nullopt;
  return PodSecurityViolation{bad.size() == 1 ? "forbidden AppArmor profile" : "forbidden AppArmor profiles",
                              join(bad, ", ")};
}

Finding selinux(const Pod& pod) {
  Names details;
  const auto breaks = [&](const json::object& object) {
    const json::object* options = object_at(object, {"securityContext", "seLinuxOptions"});
    if (!options) return false;
    const std::string_view type = text_at(*options, {"type"});
    return !one_of(type, {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}) ||
           !text_at(*options, {"user"}).empty() || !text_at(*options, {"role"}).empty();
  };
  if (breaks(pod.spec)) details.push_back("pod set forbidden securityContext.seLinuxOptions");
  const Names names = offenders(pod.spec, breaks);
  if (!names.empty()) details.push_back(containers(names) + " set forbidden securityContext.seLinuxOptions");
  if (details.empty()) return std::nullopt;
  return PodSecurityViolation{"seLinuxOptions", join(details, "; ")};
}

Finding proc_mount(const Pod& pod) {
  if (is_false(pod.spec, {"hostUsers"})) return std::nullopt;
  const Names bad = offenders(pod.spec, [](const auto& container) {
    return !one_of(text_at(container, {"securityContext", "procMount"}), {"", "Default"});
  });
  if (bad.empty()) return std::nullopt;
  return PodSecurityViolation{"procMount", must(bad, "not set securityContext.procMount to \"Unmasked\"")};
}

bool is_seccomp_allowed(std::string_view type) { return one_of(type, {"RuntimeDefault", "Localhost"}); }

Finding seccomp_baseline(const Pod& pod) {
  Names details;
  const auto unconfined = [](const json::object& object) {
    return text_at(object, {"securityContext", "seccompProfile", "type"}) == "Unconfined";
  };
  if (unconfined(pod.spec))
    details.push_back("pod must not set securityContext.seccompProfile.type to \"Unconfined\"");
  const Names names = offenders(pod.spec, unconfined);
  if (!names.empty())
    details.push_back(must(names, "not set securityContext.seccompProfile.type to \"Unconfined\""));
  if (details.empty()) return std::nullopt;
  return PodSecurityViolation{"seccompProfile", join(details, "; ")};
}

Finding seccomp_restricted(const Pod& pod) {
  if (pod.on_windows()) return std::nullopt;
  const std::string_view of_pod = text_at(pod.spec, {"securityContext", "seccompProfile", "type"});
  if (!of_pod.empty() && !is_seccomp_allowed(of_pod))
    return PodSecurityViolation{
        "seccompProfile",
        fmt::format("pod must not set securityContext.seccompProfile.type to {}", quote(of_pod))};
  const Names bad = offenders(pod.spec, [&](const auto& container) {
    const std::string_view type = text_at(container, {"securityContext", "seccompProfile", "type"});
    return type.empty() ? of_pod.empty() : !is_seccomp_allowed(type);
  });
  if (bad.empty()) return std::nullopt;
  return PodSecurityViolation{
      "seccompProfile",
      fmt::format(
          "pod or {}",
          must(bad, "set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\""))};
}

Finding sysctls(const Pod& pod) {
  static constexpr std::initializer_list<std::string_view> kSafe{"kernel.shm_rmid_forced",
                                                                 "net.ipv4.ip_local_port_range",
                                                                 "net.ipv4.ip_unprivileged_port_start",
                                                                 "net.ipv4.tcp_syncookies",
                                                                 "net.ipv4.ping_group_range",
                                                                 "net.ipv4.ip_local_reserved_ports",
                                                                 "net.ipv4.tcp_keepalive_time",
                                                                 "net.ipv4.tcp_fin_timeout",
                                                                 "net.ipv4.tcp_keepalive_intvl",
                                                                 "net.ipv4.tcp_keepalive_probes",
                                                                 "net.ipv4.tcp_rmem",
                                                                 "net.ipv4.tcp_wmem"};
  Names bad;
  for (const json::value& item : array_at(pod.spec, {"securityContext", "sysctls"})) {
    if (!item.is_object()) continue;
    const std::string_view name = text_at(item.get_object(), {"name"});
    if (!one_of(name, kSafe)) bad.emplace_back(name);
  }
  if (bad.empty()) return std::nullopt;
  return PodSecurityViolation{"forbidden sysctls", join(bad, ", ")};
}

Finding host_process(const Pod& pod) {
  Names bad = offenders(pod.spec, [](const auto& container) {
    return is_true(container, {"securityContext", "windowsOptions", "hostProcess"});
  });
  const bool by_pod = is_true(pod.spec, {"securityContext", "windowsOptions", "hostProcess"});
  if (bad.empty() && !by_pod) return std::nullopt;
  std::string who = bad.empty() ? "pod" : by_pod ? "pod and " + containers(bad) : containers(bad);
  return PodSecurityViolation{"hostProcess",
                              who + " must not set securityContext.windowsOptions.hostProcess=true"};
}

Finding host_probes(const Pod& pod) {
  const auto sets_host = [](const json::object& container, Path path) {
    return !one_of(text_at(container, path), {"", "127.0.0.1", "::1", "localhost"});
  };
  const Names bad = offenders(pod.spec, [&](const json::object& container) {
    for (const char* probe : {"livenessProbe", "readinessProbe", "startupProbe"}) {
      if (sets_host(container, {probe, "httpGet", "host"}) ||
          sets_host(container, {probe, "tcpSocket", "host"}))
        return true;
    }
    for (const char* hook : {"postStart", "preStop"}) {
      if (sets_host(container, {"lifecycle", hook, "httpGet", "host"}) ||
          sets_host(container, {"lifecycle", hook, "tcpSocket", "host"}))
        return true;
    }
    return false;
  });
  if (bad.empty()) return std::nullopt;
  return PodSecurityViolation{"probe or lifecycle host",
                              must(bad, "not set host in probes or lifecycle hooks")};
}

Finding volume_types(const Pod& pod) {
  Names bad;
  Names types;
  for (const json::value& item : array_at(pod.spec, {"volumes"})) {
    if (!item.is_object()) continue;
    for (const auto& [key, unused] : item.get_object()) {
      if (one_of(key, {"name", "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral",
                       "persistentVolumeClaim", "projected", "secret", "image"})) {
        continue;
      }
      bad.push_back(quote(text_at(item.get_object(), {"name"})));
      const std::string type = quote(key);
      if (std::ranges::find(types, type) == types.end()) types.push_back(type);
    }
  }
  if (bad.empty()) return std::nullopt;
  return PodSecurityViolation{
      "restricted volume types",
      fmt::format("volume{} {} use{} restricted volume type{} {}", bad.size() == 1 ? "" : "s",
                  join(bad, ", "), bad.size() == 1 ? "s" : "", types.size() == 1 ? "" : "s",
                  join(types, ", "))};
}

Finding privilege_escalation(const Pod& pod) {
  if (pod.on_windows()) return std::nullopt;
  const Names bad = offenders(pod.spec, [](const auto& container) {
    return !is_false(container, {"securityContext", "allowPrivilegeEscalation"});
  });
  if (bad.empty()) return std::nullopt;
  return PodSecurityViolation{"allowPrivilegeEscalation != false",
                              must(bad, "set securityContext.allowPrivilegeEscalation=false")};
}

Finding non_root(const Pod& pod) {
  if (is_false(pod.spec, {"hostUsers"})) return std::nullopt;
  const bool by_pod = is_true(pod.spec, {"securityContext", "runAsNonRoot"});
  const Names wrong = offenders(pod.spec, [](const auto& container) {
    return is_false(container, {"securityContext", "runAsNonRoot"});
  });
  if (!wrong.empty())
    return PodSecurityViolation{"runAsNonRoot != true",
                                must(wrong, "not set securityContext.runAsNonRoot=false")};
  const Names unset = offenders(pod.spec, [&](const auto& container) {
    return !by_pod && !is_true(container, {"securityContext", "runAsNonRoot"});
  });
  if (unset.empty()) return std::nullopt;
  return PodSecurityViolation{"runAsNonRoot != true",
                              "pod or " + must(unset, "set securityContext.runAsNonRoot=true")};
}

Finding root_user(const Pod& pod) {
  if (is_false(pod.spec, {"hostUsers"})) return std::nullopt;
  const auto is_root = [](const json::object& object) {
    return number_at(object, {"securityContext", "runAsUser"}, -1) == 0;
  };
  Names details;
  if (is_root(pod.spec)) details.emplace_back("pod must not set runAsUser=0");
  const Names bad = offenders(pod.spec, is_root);
  if (!bad.empty()) details.push_back(must(bad, "not set runAsUser=0"));
  if (details.empty()) return std::nullopt;
  return PodSecurityViolation{"runAsUser=0", join(details, "; ")};
}

struct Rule {
  PodSecurityLevel level;  // from which on it holds
  bool only_there;         // a stricter rule takes its place at restricted
  Finding (*check)(const Pod&);
};

constexpr auto kBaseline = PodSecurityLevel::kBaseline;
constexpr auto kRestricted = PodSecurityLevel::kRestricted;
constexpr std::array kRules{
    Rule{kRestricted, false, privilege_escalation},
    Rule{kBaseline, false, app_armor},
    Rule{kBaseline, true, capabilities_baseline},
    Rule{kRestricted, false, capabilities_restricted},
    Rule{kBaseline, false, host_namespaces},
    Rule{kBaseline, true, host_path_volumes},
    Rule{kBaseline, false, host_ports},
    Rule{kBaseline, false, host_probes},
    Rule{kBaseline, false, privileged},
    Rule{kBaseline, false, proc_mount},
    Rule{kRestricted, false, volume_types},
    Rule{kRestricted, false, non_root},
    Rule{kRestricted, false, root_user},
    Rule{kBaseline, false, selinux},
    Rule{kBaseline, true, seccomp_baseline},
    Rule{kRestricted, false, seccomp_restricted},
    Rule{kBaseline, false, sysctls},
    Rule{kBaseline, false, host_process},
};

}  // namespace

std::string_view to_string(PodSecurityLevel level) {
  switch (level) {
    case PodSecurityLevel::kPrivileged:
      return "privileged";
    case PodSecurityLevel::kBaseline:
      return "baseline";
    case PodSecurityLevel::kRestricted:
      return "restricted";
  }
  return "";
}

std::optional<PodSecurityLevel> parse_pod_security_level(std::string_view text) {
  for (const auto level :
       {PodSecurityLevel::kPrivileged, PodSecurityLevel::kBaseline, PodSecurityLevel::kRestricted}) {
    if (text == to_string(level)) return level;
  }
  return std::nullopt;
}

std::vector<PodSecurityViolation> check_pod_security(PodSecurityLevel level, const json::object& metadata,
                                                     const json::object& spec) {
  std::vector<PodSecurityViolation> out;
  for (const Rule& rule : kRules) {
    if (rule.level > level || (rule.only_there && rule.level != level)) continue;
    if (auto violation = rule.check(Pod{metadata, spec})) out.push_back(std::move(*violation));
  }
  return out;
}

std::string to_text(const std::vector<PodSecurityViolation>& violations) {
  std::vector<std::string> texts;
  for (const auto& violation : violations)
    texts.push_back(fmt::format("{} ({})", violation.reason, violation.detail));
  return join(texts, ", ");
}

}  // namespace cloudless::apiserver::admission

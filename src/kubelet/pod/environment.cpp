#include "kubelet/pod/environment.hpp"

#include <algorithm>

#include "base/strings.hpp"
#include "kubelet/pod/resources.hpp"

namespace cloudless::kubelet {

namespace {

// The key of "metadata.labels['key']" for a path that begins with `prefix`; nothing for another path.
std::optional<std::string> subscript(std::string_view path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return std::nullopt;
  path.remove_prefix(prefix.size());
  if (path.size() < 4 || !path.starts_with("['") || !path.ends_with("']")) return std::nullopt;
  return std::string(path.substr(2, path.size() - 4));
}

// Label sets as the downward API writes them to files: name="value", one a line.
std::string lines_of(const std::map<std::string, std::string>& values) {
  std::vector<std::string> lines;
  for (const auto& [name, value] : values) lines.push_back(name + "=" + quote(value));
  return join(lines, "\n");
}

const core::Container* container_named(const core::Pod& pod, const std::string& name) {
  for (const auto* list : {&pod.spec.containers, &pod.spec.initContainers}) {
    for (const core::Container& container : *list) {
      if (container.name == name) return &container;
    }
  }
  return nullptr;
}

class EnvironmentMaker {
 public:
  EnvironmentMaker(const core::Pod& pod, const core::Container& container, const NamedObjects& objects,
                   const DownwardFacts& facts)
      : pod_(pod), container_(container), objects_(objects), facts_(facts) {}

  Result<Environment> run(const Environment& services) {
    for (const auto& [name, value] : services) values_[name] = value;
    for (const core::EnvFromSource& source : container_.envFrom) TRY(add_all(source));
    // Later definitions win, and each may use those before it.
    for (const core::EnvVar& variable : container_.env) {
      const std::optional<std::string> value = TRY(value_of(variable));
      if (value) put(variable.name, *value);
    }
    Environment out;
    std::set<std::string> own(order_.begin(), order_.end());
    for (const auto& [name, value] : services) {
      if (!own.contains(name)) out.emplace_back(name, value);
    }
    for (const std::string& name : order_) out.emplace_back(name, values_.at(name));
    return out;
  }

 private:
  void put(const std::string& name, std::string value) {
    if (std::ranges::find(order_, name) == order_.end()) order_.push_back(name);
    values_[name] = std::move(value);
  }

  Result<> add_all(const core::EnvFromSource& source) {
    if (source.configMapRef)
      TRY(put_all("configmap", *source.configMapRef, objects_.config_maps, source.prefix));
    if (source.secretRef) TRY(put_all("secret", *source.secretRef, objects_.secrets, source.prefix));
    return {};
  }

  Result<> put_all(std::string_view kind, const auto& ref, const auto& objects, const std::string& prefix) {
    const auto found = objects.find(ref.name);
    if (found == objects.end()) {
      if (ref.optional.value_or(false)) return {};
      return fail(Code::kInvalid, "{} \"{}\" not found", kind, ref.name);
    }
    for (const auto& [key, value] : found->second.data) put(prefix + key, value);
    return {};
  }

  // Nothing where an optional source is missing: the variable is left out.
  Result<std::optional<std::string>> value_of(const core::EnvVar& variable) {
    if (!variable.valueFrom) return expand_variables(variable.value, values_);
    const core::EnvVarSource& from = *variable.valueFrom;
    if (from.fieldRef) return TRY(pod_field(pod_, from.fieldRef->fieldPath, facts_));
    if (from.resourceFieldRef) {
      const std::string& name = from.resourceFieldRef->containerName;
      const core::Container* of = name.empty() ? &container_ : container_named(pod_, name);
      if (!of) return fail(Code::kInvalid, "container {} not found", name);
      return TRY(resource_field(*of, *from.resourceFieldRef, facts_.node_allocatable));
    }
    if (from.configMapKeyRef)
      return key_of(objects_.config_maps, *from.configMapKeyRef, "configmap", "ConfigMap");
    if (from.secretKeyRef) return key_of(objects_.secrets, *from.secretKeyRef, "secret", "Secret");
    return std::string();
  }

  template <class Objects, class Ref>
  Result<std::optional<std::string>> key_of(const Objects& objects, const Ref& ref, std::string_view lower,
                                            std::string_view upper) {
    const bool optional = ref.optional.value_or(false);
    const auto object = objects.find(ref.name);
    if (object == objects.end()) {
      if (optional) return std::nullopt;
      return fail(Code::kInvalid, "{} \"{}\" not found", lower, ref.name);
    }
    const auto value = object->second.data.find(ref.key);
    if (value == object->second.data.end()) {
      if (optional) return std::nullopt;
      return fail(Code::kInvalid, "couldn't find key {} in {} {}/{}", ref.key, upper,
                  pod_.metadata.namespace_, ref.name);
    }
    return value->second;
  }

  const core::Pod& pod_;
  const core::Container& container_;
  const NamedObjects& objects_;
  const DownwardFacts& facts_;
  std::map<std::string, std::string> values_;
  std::vector<std::string> order_;
};

std::string variable_name(std::string_view text) {
  std::string name = to_upper(text);
  std::ranges::replace(name, '-', '_');
  return name;
}

void add_service(const core::Service& service, Environment& out) {
  const std::string prefix = variable_name(service.metadata.name);
  const std::string& ip = service.spec.clusterIP;
  const std::string host = ip.find(':') == std::string::npos ? ip : "[" + ip + "]";
  out.emplace_back(prefix + "_SERVICE_HOST", ip);
  out.emplace_back(prefix + "_SERVICE_PORT", std::to_string(service.spec.ports.front().port));
  for (const core::ServicePort& port : service.spec.ports) {
    if (!port.name.empty())
      out.emplace_back(prefix + "_SERVICE_PORT_" + variable_name(port.name), std::to_string(port.port));
  }
  // The variables of Docker links, which older images read.
  for (size_t i = 0; i < service.spec.ports.size(); ++i) {
    const core::ServicePort& port = service.spec.ports[i];
    const std::string protocol = port.protocol.empty() ? "TCP" : port.protocol;
    const std::string url = fmt::format("{}://{}:{}", to_lower(protocol), host, port.port);
    const std::string link = fmt::format("{}_PORT_{}_{}", prefix, port.port, to_upper(protocol));
    if (i == 0) out.emplace_back(prefix + "_PORT", url);
    out.emplace_back(link, url);
    out.emplace_back(link + "_PROTO", to_lower(protocol));
    out.emplace_back(link + "_PORT", std::to_string(port.port));
    out.emplace_back(link + "_ADDR", ip);
  }
}

}  // namespace

std::string expand_variables(std::string_view text, const std::map<std::string, std::string>& values) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    if (text[i + 1] == '$') {
      out += '$';
      ++i;
      continue;
    }
    const size_t end = text[i + 1] == '(' ? text.find(')', i + 2) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += text[i];
      continue;
    }
    const auto found = values.find(std::string(text.substr(i + 2, end - i - 2)));
    out += found == values.end() ? text.substr(i, end - i + 1) : std::string_view(found->second);
    i = end;
  }
  return out;
}

Result<std::string> pod_field(const core::Pod& pod, const std::string& path, const DownwardFacts& facts) {
  const auto first = [](const std::vector<std::string>& items) {
    return items.empty() ? std::string() : items[0];
  };
  if (path == "metadata.name") return pod.metadata.name;
  if (path == "metadata.namespace") return pod.metadata.namespace_;
  if (path == "metadata.uid") return pod.metadata.uid;
  if (path == "metadata.labels") return lines_of(pod.metadata.labels);
  if (path == "metadata.annotations") return lines_of(pod.metadata.annotations);
  if (path == "spec.nodeName") return pod.spec.nodeName;
  if (path == "spec.serviceAccountName") return pod.spec.serviceAccountName;
  if (path == "status.hostIP") return first(facts.host_ips);
  if (path == "status.hostIPs") return join(facts.host_ips, ",");
  if (path == "status.podIP") return first(facts.pod_ips);
  if (path == "status.podIPs") return join(facts.pod_ips, ",");
  if (const auto key = subscript(path, "metadata.labels")) return label_of(pod.metadata.labels, *key);
  if (const auto key = subscript(path, "metadata.annotations"))
    return label_of(pod.metadata.annotations, *key);
  return fail(Code::kInvalid, "unsupported fieldPath: {}", path);
}

ObjectNames names_in_environment(const core::Container& container) {
  ObjectNames names;
  for (const core::EnvFromSource& source : container.envFrom) {
    if (source.configMapRef) names.config_maps.insert(source.configMapRef->name);
    if (source.secretRef) names.secrets.insert(source.secretRef->name);
  }
  for (const core::EnvVar& variable : container.env) {
    if (!variable.valueFrom) continue;
    if (variable.valueFrom->configMapKeyRef)
      names.config_maps.insert(variable.valueFrom->configMapKeyRef->name);
    if (variable.valueFrom->secretKeyRef) names.secrets.insert(variable.valueFrom->secretKeyRef->name);
  }
  return names;
}

Environment service_environment(const std::vector<std::shared_ptr<const core::Service>>& services,
                                const std::string& ns, bool service_links) {
  Environment out;
  for (const auto& service : services) {
    const std::string& ip = service->spec.clusterIP;
    if (ip.empty() || ip == "None" || service->spec.ports.empty()) continue;
    const bool is_api = service->metadata.namespace_ == "default" && service->metadata.name == "kubernetes";
    if (is_api || (service_links && service->metadata.namespace_ == ns)) add_service(*service, out);
  }
  return out;
}

Result<Environment> make_environment(const core::Pod& pod, const core::Container& container,
                                     const NamedObjects& objects, const Environment& services,
                                     const DownwardFacts& facts) {
  return EnvironmentMaker(pod, container, objects, facts).run(services);
}

}  // namespace cloudless::kubelet

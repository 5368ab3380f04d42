#include "cli/node_layout.hpp"

#include <boost/json.hpp>
#include <functional>
#include <map>

#include "base/strings.hpp"
#include "schema/yaml.hpp"

namespace cloudless::cli {

namespace json = boost::json;

namespace {

constexpr std::string_view kVariable = "KUBELET_KUBEADM_ARGS=";

using Apply = Result<> (*)(const json::value& value, NodeAgentOptions& agent);

Result<std::string> text_of(const json::value& value) {
  if (!value.is_string()) return fail(Code::kInvalid, "not a string");
  return std::string(value.as_string());
}

Result<int64_t> number_of(const json::value& value, int64_t limit) {
  if (!value.is_int64() || value.as_int64() < 0 || value.as_int64() > limit)
    return fail(Code::kInvalid, "not a number from 0 to {}", limit);
  return value.as_int64();
}

template <std::string NodeAgentOptions::* kMember>
Result<> set_text(const json::value& value, NodeAgentOptions& agent) {
  agent.*kMember = TRY(text_of(value));
  return {};
}

template <auto kMember, int64_t kLimit>
Result<> set_number(const json::value& value, NodeAgentOptions& agent) {
  auto& member = agent.*kMember;
  member = static_cast<std::remove_reference_t<decltype(member)>>(TRY(number_of(value, kLimit)));
  return {};
}

Result<> set_cluster_dns(const json::value& value, NodeAgentOptions& agent) {
  if (!value.is_array()) return fail(Code::kInvalid, "not a list");
  if (value.as_array().empty()) return {};
  agent.cluster_dns = TRY(net::IpAddress::parse(TRY(text_of(value.as_array().front()))));
  return {};
}

Result<> set_taints(const json::value& value, NodeAgentOptions& agent) {
  if (!value.is_array()) return fail(Code::kInvalid, "not a list");
  for (const json::value& taint : value.as_array()) {
    if (!taint.is_object()) return fail(Code::kInvalid, "not a list of taints");
    const json::object& fields = taint.as_object();
    const std::string key = TRY(text_of(fields.contains("key") ? fields.at("key") : json::value()));
    const std::string effect = TRY(text_of(fields.contains("effect") ? fields.at("effect") : json::value()));
    const std::string given = fields.contains("value") ? TRY(text_of(fields.at("value"))) : std::string();
    agent.register_with_taints.push_back(fmt::format("{}={}:{}", key, given, effect));
  }
  return {};
}

const std::map<std::string_view, Apply>& settings() {
  static const std::map<std::string_view, Apply> table{
      {"staticPodPath", set_text<&NodeAgentOptions::manifest_dir>},
      {"clusterDNS", set_cluster_dns},
      {"clusterDomain", set_text<&NodeAgentOptions::cluster_domain>},
      {"maxPods", set_number<&NodeAgentOptions::max_pods, 100'000>},
      {"cgroupRoot", set_text<&NodeAgentOptions::cgroup_root>},
      {"resolvConf", set_text<&NodeAgentOptions::resolv_conf>},
      {"port", set_number<&NodeAgentOptions::kubelet_port, 65'535>},
      {"registerWithTaints", set_taints},
      {"containerRuntimeEndpoint", set_text<&NodeAgentOptions::runtime_endpoint>},
  };
  return table;
}

}  // namespace

Result<std::string> encode_flags_file(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    if (argument.find_first_of(" \t\r\n\"\\") != std::string::npos)
      return fail(Code::kInvalid,
                  "the argument {} of the node agent cannot hold white space or quotation marks",
                  quote(argument));
  }
  return fmt::format("{}\"{}\"\n", kVariable, join(arguments, " "));
}

std::vector<std::string> decode_flags_file(std::string_view text) {
  std::vector<std::string> arguments;
  for (const std::string_view raw : split(text, '\n')) {
    std::string_view line = trim(raw);
    if (!line.starts_with(kVariable)) continue;
    line.remove_prefix(kVariable.size());
    if (line.size() >= 2 && line.front() == '"' && line.back() == '"') line = line.substr(1, line.size() - 2);
    for (const std::string_view word : split(line, ' ')) {
      if (!word.empty()) arguments.emplace_back(word);
    }
  }
  return arguments;
}

Result<std::vector<std::string>> apply_kubelet_configuration(std::string_view text, NodeAgentOptions& agent) {
  const json::value value = TRY(schema::parse_yaml(text));
  if (!value.is_object()) return fail(Code::kInvalid, "a KubeletConfiguration has to be an object");
  std::vector<std::string> unused;
  for (const auto& [name, field] : value.as_object()) {
    if (name == "apiVersion" || name == "kind") continue;
    const auto found = settings().find(std::string_view(name));
    if (found == settings().end()) {
      unused.emplace_back(name);
    } else if (const auto applied = found->second(field, agent); !applied) {
      return wrap(applied.error(), "KubeletConfiguration: {}", std::string_view(name));
    }
  }
  return unused;
}

}  // namespace cloudless::cli

#include "bootstrap/kubeconfig.hpp"

#include "base/encoding.hpp"
#include "base/strings.hpp"

namespace cloudless::bootstrap {

namespace {

std::string data_line(std::string_view name, std::string_view pem) {
  return fmt::format("    {}: {}\n", name, base64_encode(pem));
}

std::string render_user(const Kubeconfig& config) {
  std::string out = fmt::format("- name: {}\n  user:\n", config.user);
  if (!config.credential_file.empty()) {
    out += fmt::format("    client-certificate: {0}\n    client-key: {0}\n", config.credential_file);
  } else if (!config.token.empty()) {
    out += fmt::format("    token: {}\n", config.token);
  } else {
    out += data_line("client-certificate-data", config.credential.certificate);
    out += data_line("client-key-data", config.credential.key);
  }
  return out;
}

}  // namespace

std::string render(const Kubeconfig& config) {
  std::string out = "apiVersion: v1\nclusters:\n- cluster:\n";
  if (!config.ca.empty()) out += data_line("certificate-authority-data", config.ca);
  out += fmt::format("    server: {}\n  name: {}\n", config.server, quote(config.cluster));
  if (config.user.empty()) {
    return out + "contexts: null\ncurrent-context: \"\"\nkind: Config\nusers: null\n";
  }
  const std::string context = fmt::format("{}@{}", config.user, config.cluster);
  out +=
      fmt::format("contexts:\n- context:\n    cluster: {}\n    user: {}\n  name: {}\ncurrent-context: {}\n",
                  quote(config.cluster), config.user, context, context);
  return out + "kind: Config\nusers:\n" + render_user(config);
}

std::vector<KubeconfigSpec> kubeconfig_specs(const std::string& node_name) {
  return {{"admin.conf", {"kubernetes-admin", {"kubeadm:cluster-admins"}}},
          {"super-admin.conf", {"kubernetes-super-admin", {"system:masters"}}},
          {"controller-manager.conf", {"system:kube-controller-manager", {}}, Reaches::kLocal},
          {"scheduler.conf", {"system:kube-scheduler", {}}, Reaches::kLocal},
          {"kubelet.conf", {"system:node:" + node_name, {"system:nodes"}}}};
}

}  // namespace cloudless::bootstrap

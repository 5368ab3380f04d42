#include "cli/dry_run.hpp"

#include <boost/json.hpp>

#include "base/strings.hpp"
#include "bootstrap/cluster_info.hpp"
#include "bootstrap/cluster_objects.hpp"
#include "cli/cluster_bootstrap.hpp"
#include "cli/control_plane_node.hpp"
#include "cli/gossip_secret.hpp"
#include "cli/shared_certificates.hpp"
#include "schema/yaml.hpp"

namespace cloudless::cli {

namespace {

using bootstrap::ClusterObject;
using bootstrap::ResetStep;

class Report {
 public:
  void line(std::string_view text) { text_ += fmt::format("[dryrun] {}\n", text); }

  void file(std::string_view path) { line(fmt::format("Would write file {}", quote(path))); }
  void file(std::string_view path, std::string_view content) {
    line(fmt::format("Would write file {} with content:", quote(path)));
    for (const std::string_view row : split(content, '\n')) {
      if (!row.empty()) text_ += fmt::format("\t{}\n", row);
    }
  }
  void object(std::string_view verb, std::string_view resource, std::string_view group_version,
              std::string_view ns, std::string_view name) {
    line(fmt::format("Would perform action {} on resource {} in API group {}", verb, quote(resource),
                     quote(group_version)));
    line(ns.empty() ? fmt::format("Resource name {}", quote(name))
                    : fmt::format("Resource name {}, namespace {}", quote(name), quote(ns)));
  }
  void objects(const std::vector<ClusterObject>& all) {
    for (const ClusterObject& one : all)
      object("CREATE", one.resource.resource, one.resource.api_version(), one.ns, one.name);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

void add_certificates(Report& report, const NodeLayout& layout, const std::string& node_name) {
  std::vector<std::string> bases;
  for (const auto& ca : bootstrap::ca_specs()) bases.push_back(ca.base);
  for (const char* leaf : {"apiserver", "apiserver-kubelet-client", "front-proxy-client"})
    bases.emplace_back(leaf);
  for (const std::string& base : bases) {
    report.file(fmt::format("{}/{}.crt", layout.pki_dir(), base));
    report.file(fmt::format("{}/{}.key", layout.pki_dir(), base));
  }
  for (const char* name : {"sa.key", "sa.pub", "encryption.yaml"})
    report.file(fmt::format("{}/{}", layout.pki_dir(), name));
  for (const auto& spec : bootstrap::kubeconfig_specs(node_name))
    report.file(fmt::format("{}/{}", layout.kubernetes_dir, spec.file));
}

void add_manifests(Report& report, const NodeLayout& layout, ControlPlaneConfiguration configuration) {
  // The store's endpoint is part of a manifest; its password is not shown.
  configuration.cluster = published_configuration(std::move(configuration.cluster));
  const auto options = control_plane_pod_options(layout, configuration);
  for (const bootstrap::StaticPod& pod : control_plane_pods(options, configuration.cluster))
    report.file(layout.manifest_dir() + "/" + pod.file, bootstrap::manifest_of(pod.pod));
}

void add_flags_file(Report& report, const NodeLayout& layout, const std::vector<std::string>& arguments) {
  const auto text = encode_flags_file(arguments);
  report.file(layout.kubelet_flags(), text ? *text : text.error().message);
}

std::string yaml_of(const std::string& json) {
  const auto value = schema::parse_yaml(json);
  return value ? schema::serialize_yaml(*value) : json;
}

void add_cluster_objects(Report& report, const InitPlan& plan) {
  report.objects(bootstrap::admin_objects());
  report.objects(bootstrap::join_objects());
  report.objects(bootstrap::node_role_objects());
  report.objects(bootstrap::configuration_objects(published_configuration(plan.configuration.cluster),
                                                  plan.kubelet_configuration));
  report.object("CREATE", "configmaps", "v1", bootstrap::kPublicNamespace, bootstrap::kClusterInfoName);
  report.object("CREATE", "secrets", "v1", "kube-system", kGossipSecret);
  for (const auto& token : plan.tokens)
    report.object("CREATE", "secrets", "v1", bootstrap::kTokenNamespace,
                  fmt::format("{}{}", bootstrap::kTokenSecretPrefix, token.token.id));
  report.object("PATCH", "nodes", "v1", "", plan.configuration.init.nodeRegistration.name);
  if (!plan.certificate_key.empty()) {
    report.objects(bootstrap::certificate_reader_objects());
    report.object("CREATE", "secrets", "v1", "kube-system", kCertificatesSecret);
  }
}

}  // namespace

std::string describe(const InitPlan& plan) {
  Report report;
  add_certificates(report, plan.layout, plan.configuration.init.nodeRegistration.name);
  report.file(plan.layout.kubelet_config(), yaml_of(plan.kubelet_configuration));
  add_flags_file(report, plan.layout, plan.kubelet_arguments);
  report.file(plan.layout.facts());
  report.file(plan.layout.control_plane());
  add_manifests(report, plan.layout, plan.configuration);
  report.line("Would start the node's agent, and wait for the API server that it starts as a static pod");
  add_cluster_objects(report, plan);
  for (const auto& document : plan.further)
    report.line(fmt::format("Would apply the object of line {} of the configuration file", document.line));
  return report.take();
}

std::string describe(const JoinPlan& plan) {
  Report report;
  const NodeFiles files = plan.layout.node_files();
  report.line(
      plan.discovery_file.empty()
          ? fmt::format(
                "Would read the ConfigMap \"cluster-info\" of https://{}, and check its signature by the "
                "token{}",
                plan.server, plan.skip_ca_verification ? "" : " and its CA by the hash")
          : fmt::format("Would read where the cluster is from {}", plan.discovery_file));
  report.file(files.ca);
  if (plan.control_plane) {
    report.line(
        "Would read the ConfigMap \"kubeadm-config\" and check that the cluster can have another API server");
    if (!plan.control_plane->certificate_key.empty())
      report.line("Would download the certificates in the Secret \"kubeadm-certs\"");
    add_certificates(report, plan.layout, plan.control_plane->init.nodeRegistration.name);
    report.file(plan.layout.control_plane());
    for (const char* component : {"kube-apiserver", "kube-controller-manager", "kube-scheduler"})
      report.file(fmt::format("{}/{}.yaml", plan.layout.manifest_dir(), component));
  }
  report.object("CREATE", "certificatesigningrequests", "certificates.k8s.io/v1", "", "node-csr-...");
  report.file(files.client_pair());
  report.file(files.kubeconfig);
  report.file(plan.layout.facts());
  report.file(plan.layout.kubelet_config());
  add_flags_file(report, plan.layout, plan.kubelet_arguments);
  report.line("Would start the node's agent, and wait until its Node is Ready");
  if (plan.control_plane)
    report.object("PATCH", "nodes", "v1", "", plan.control_plane->init.nodeRegistration.name);
  return report.take();
}

std::string describe(const std::vector<ResetStep>& steps, const std::string& state_dir) {
  Report report;
  report.line(fmt::format("Would stop the agent that runs on {}", state_dir));
  report.line("Would stop and remove all pods of this node");
  for (const ResetStep& step : steps) {
    switch (step.kind) {
      case ResetStep::Kind::kUnmountBelow:
        report.line(fmt::format("Would unmount what is mounted below {}", quote(step.path)));
        break;
      case ResetStep::Kind::kRemoveContents:
        report.line(fmt::format("Would delete the contents of the directory {}", quote(step.path)));
        break;
      case ResetStep::Kind::kRemoveTree:
        report.line(fmt::format("Would delete the directory {}", quote(step.path)));
        break;
      case ResetStep::Kind::kRemoveFile:
        report.line(fmt::format("Would delete the file {}", quote(step.path)));
        break;
    }
  }
  report.line("Would remove the pod network's devices, routes and nf_tables rules");
  report.line("Would remove the pods' cgroups");
  report.line(fmt::format("Would delete the directory {}", quote(state_dir)));
  return report.take();
}

}  // namespace cloudless::cli

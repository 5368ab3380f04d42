// `cloudless status`: what runs here, how long certificates last, the nodes, who announces which address, and
// the store's size. The exit status is 0 when all is well and 1 when there is a problem.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <csignal>
#include <filesystem>

#include "api/core_v1.hpp"
#include "base/strings.hpp"
#include "bootstrap/node_certificates.hpp"
#include "cli/command.hpp"
#include "cli/files.hpp"
#include "cli/instance.hpp"
#include "cli/kubelet_flags.hpp"
#include "cli/status_report.hpp"
#include "client/connection.hpp"
#include "client/kubeconfig.hpp"
#include "lb/resources.hpp"
#include "runtime/timer.hpp"

namespace cloudless::cli {

namespace json = boost::json;
namespace fs = std::filesystem;
using api::core::v1::Node;
using api::core::v1::Service;
using client::Client;
using runtime::Task;

namespace {

constexpr Duration kApiLimit = std::chrono::seconds(10);

struct StatusFlags {
  std::string data_dir = "/var/lib/cloudless";
  std::string kubeconfig;
  std::string output = "text";
};

// Where things lie on this machine, be it from `up`, `init` or `join`.
struct Places {
  NodeLayout layout;
  std::vector<std::string> certificate_folders;
  std::vector<std::string> kubeconfigs;
};

Places find_places(const std::string& data_dir) {
  Places places;
  places.layout.data_dir = data_dir;
  if (const auto text = read_file(places.layout.kubelet_flags())) {
    if (auto flags = parse_kubelet_flags(decode_flags_file(*text))) places.layout = flags->layout;
    places.certificate_folders = {places.layout.pki_dir(), places.layout.node_files().cert_dir};
    for (const char* file : {"admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf"})
      places.kubeconfigs.push_back(places.layout.kubernetes_dir + "/" + file);
  } else {
    places.certificate_folders = {data_dir + "/pki"};
    places.kubeconfigs = {data_dir + "/admin.conf"};
  }
  return places;
}

int running_pid(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return 0;
  const std::string_view digits = trim(*text);
  pid_t pid = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), pid);
  return pid > 0 && kill(pid, 0) == 0 ? pid : 0;
}

void add_certificate(const std::string& path, std::string_view pem, StatusReport& report) {
  if (const auto certificate = pki::Certificate::from_pem(pem); certificate && !certificate->is_ca())
    report.certificates.push_back({path, certificate->not_after()});
}

void add_certificates(const Places& places, StatusReport& report) {
  for (const std::string& folder : places.certificate_folders) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      const std::string name = entry.path().filename().string();
      if (!name.ends_with(".crt") && !name.ends_with("-current.pem")) continue;
      if (const auto pem = read_file(entry.path().string()))
        add_certificate(entry.path().string(), *pem, report);
    }
  }
  for (const std::string& path : places.kubeconfigs) {
    if (const auto config = client::load_kubeconfig(path))
      add_certificate(path, config->client_certificate, report);
  }
  std::ranges::sort(report.certificates, {}, &StatusReport::CertificateEnd::file);
}

std::optional<uint64_t> folder_bytes(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return std::nullopt;
  uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path, error)) {
    if (entry.is_regular_file(error)) bytes += entry.file_size(error);
  }
  return bytes;
}

StatusReport look_at_machine(const Places& places) {
  StatusReport report;
  const std::string& data_dir = places.layout.data_dir;
  report.processes.push_back({"cloudless", running_instance(data_dir).value_or(0)});
  if (fs::exists(data_dir + "/containerd"))
    report.processes.push_back({"containerd", running_pid(data_dir + "/containerd/containerd.pid")});
  report.store_bytes = folder_bytes(places.layout.store_dir());
  add_certificates(places, report);
  return report;
}

StatusReport::NodeState state_of(const Node& node) {
  StatusReport::NodeState state;
  state.name = node.metadata.name;
  state.version = node.status.nodeInfo.kubeletVersion;
  state.ready = std::ranges::any_of(node.status.conditions, [](const auto& condition) {
    return condition.type == "Ready" && condition.status == "True";
  });
  for (const auto& address : node.status.addresses) {
    if (address.type == "InternalIP" && state.address.empty()) state.address = address.address;
  }
  return state;
}

// By "namespace/name" of the Service. Clusters without the load balancer's resources have none.
Task<std::map<std::string, std::string>> announcers(const Client& client) {
  std::map<std::string, std::string> nodes;
  const auto add = [&nodes](const json::value& object) -> Result<> {
    const json::value* status = object.as_object().if_contains("status");
    if (!status || !status->is_object()) return {};
    const auto text = [&](std::string_view name) {
      const json::value* value = status->as_object().if_contains(name);
      return value && value->is_string() ? std::string(value->as_string()) : std::string();
    };
    nodes[text("serviceNamespace") + "/" + text("serviceName")] = text("node");
    return {};
  };
  static_cast<void>(co_await client.list_each(lb::service_l2_status_resource(), "", {}, add));
  co_return nodes;
}

Task<Result<>> look_at_cluster(const Client& client, StatusReport& report) {
  for (const Node& node : CO_TRY(co_await client.list<Node>("")).items)
    report.nodes.push_back(state_of(node));
  const auto nodes = co_await announcers(client);
  for (const Service& service : CO_TRY(co_await client.list<Service>("")).items) {
    if (service.spec.type != "LoadBalancer" || service.status.loadBalancer.ingress.empty()) continue;
    StatusReport::Announcement announcement;
    announcement.service = service.metadata.namespace_ + "/" + service.metadata.name;
    for (const auto& ingress : service.status.loadBalancer.ingress)
      announcement.addresses.push_back(ingress.ip);
    if (const auto found = nodes.find(announcement.service); found != nodes.end())
      announcement.node = found->second;
    report.announcements.push_back(std::move(announcement));
  }
  co_return {};
}

Task<Result<>> ask_cluster(std::string kubeconfig, net::Resolver& resolver, Logger log,
                           StatusReport& report) {
  const auto config = CO_TRY(client::load_kubeconfig(kubeconfig));
  const auto connection =
      CO_TRY(client::Connection::make(CO_TRY(client::connection_options(config)), resolver, log));
  const Client client(*connection, {.user_agent = "cloudless/status", .call_timeout = kApiLimit});
  Result<> asked = co_await look_at_cluster(client, report);
  co_await connection->stop();
  co_return asked;
}

// The administrator's where there is one, else the node's own.
std::string kubeconfig_of(const StatusFlags& flags, const Places& places) {
  if (!flags.kubeconfig.empty()) return flags.kubeconfig;
  for (const std::string& path : {places.kubeconfigs.front(), places.layout.node_files().kubeconfig}) {
    if (access(path.c_str(), R_OK) == 0) return path;
  }
  return places.kubeconfigs.front();
}

int run_status(const StatusFlags& flags) {
  const Places places = find_places(flags.data_dir);
  StatusReport report = look_at_machine(places);
  runtime::WorkerPool workers("resolver", 1, 10);
  net::Resolver resolver(workers);
  runtime::LoopThread thread("status");
  const Result<> asked = runtime::run_blocking(
      thread.loop(), ask_cluster(kubeconfig_of(flags, places), resolver, Logger(), report));
  if (!asked) report.api_error = asked.error().message;
  const WallTime now = SystemClock().wall_now();
  fmt::print("{}", flags.output == "json" ? status_json(report, now) : status_text(report, now));
  return problems_of(report, now).empty() ? kSuccess : kFailure;
}

}  // namespace

void add_status_command(CLI::App& app, Invocation& invocation) {
  auto flags = std::make_shared<StatusFlags>();
  CLI::App* status = app.add_subcommand("status", "What runs here, and how the cluster is");
  status->add_option("--data-dir", flags->data_dir, "Whose state to tell")->capture_default_str();
  status->add_option("--kubeconfig", flags->kubeconfig, "Whom to ask (default: this machine's own)");
  status->add_option("--output,-o", flags->output, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  status->callback([flags, &invocation] { invocation.run = [flags] { return run_status(*flags); }; });
}

}  // namespace cloudless::cli

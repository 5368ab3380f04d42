// `cloudless reset`: leaves the machine as it was before `up`, `init`, `join` or the demos: no process, pod,
// mount, device, rule, cgroup or file of that data directory and of /etc/kubernetes that they made remains.
#include <sys/mount.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <ranges>

#include "base/strings.hpp"
#include "bootstrap/documents.hpp"
#include "bootstrap/reset.hpp"
#include "cli/command.hpp"
#include "cli/dry_run.hpp"
#include "cli/files.hpp"
#include "cli/instance.hpp"
#include "cli/kubelet_flags.hpp"
#include "cli/node_agent.hpp"
#include "kubelet/containerd/containerd.hpp"
#include "kubelet/containerd/shims.hpp"
#include "kubelet/cri/cri_client.hpp"
#include "network/network.hpp"
#include "runtime/timer.hpp"

namespace cloudless::cli {

using runtime::Task;

namespace {

constexpr Duration kStopLimit = std::chrono::seconds(30);
constexpr Duration kStopLook = std::chrono::milliseconds(50);

struct ResetCommandOptions {
  std::string data_dir = "/var/lib/cloudless";
  std::string config;
  api::kubeadm::v1beta4::ResetConfiguration document;
  std::string table_prefix = "cloudless";
  bool force = false;
  bool dry_run = false;
  LogOptions log;
};

// Ends the running process of this data directory, if there is one.
Task<Result<>> stop_instance(std::string data_dir) {
  const auto pid = running_instance(data_dir);
  if (!pid) co_return {};
  kill(*pid, SIGTERM);
  for (Duration waited{0}; running_instance(data_dir); waited += kStopLook) {
    if (waited >= kStopLimit) {
      kill(*pid, SIGKILL);
      co_return {};
    }
    CO_TRY(co_await runtime::sleep_for(kStopLook));
  }
  co_return {};
}

// Through the runtime, so that each pod's network is taken down by the plugin that made it.
Task<Result<>> remove_pods(kubelet::cri::CriClient& cri, Logger log) {
  for (const auto& sandbox : CO_TRY(co_await cri.list_sandboxes({}))) {
    if (const auto stopped = co_await cri.stop_sandbox(sandbox.id); !stopped) {
      log.warn("a pod does not stop", {{"pod", sandbox.metadata.name}, {"error", stopped.error()}});
    }
    if (const auto removed = co_await cri.remove_sandbox(sandbox.id); !removed) {
      log.warn("a pod cannot be removed", {{"pod", sandbox.metadata.name}, {"error", removed.error()}});
    }
  }
  co_return {};
}

// What cannot be ended through containerd, because that does not start or does not manage it, is killed.
Task<Result<>> remove_all_pods(std::string data_dir, runtime::WorkerPool& workers, Logger log) {
  if (!std::filesystem::exists(data_dir + "/containerd")) co_return {};
  const kubelet::ContainerdOptions options = node_containerd_options(data_dir);
  kubelet::Containerd containerd(options, workers, log);
  Result<> removed = co_await containerd.start();
  kubelet::cri::CriClient cri(containerd.endpoint());
  if (removed) removed = co_await remove_pods(cri, log);
  if (!removed) log.warn("pods cannot be removed in order and are killed", {{"error", removed.error()}});
  co_await containerd.stop();
  const std::string socket = kubelet::containerd_socket(options);
  co_return co_await workers.run([socket] { return kubelet::end_shims(socket); });
}

// Mount points at or below `path`, the innermost first.
std::vector<std::string> mounts_below(const std::string& path) {
  std::vector<std::string> found;
  const auto mounts = read_file("/proc/self/mounts");
  if (!mounts) return found;
  for (const std::string_view line : split(*mounts, '\n')) {
    const auto words = split(line, ' ');
    if (words.size() < 2) continue;
    if (words[1] == path || words[1].starts_with(path + "/")) found.emplace_back(words[1]);
  }
  std::ranges::reverse(found);
  return found;
}

Result<> unmount_below(const std::string& path) {
  for (const std::string& mount : mounts_below(path)) {
    if (umount2(mount.c_str(), MNT_DETACH) != 0)
      return std::unexpected(system_error(errno, "unmount " + mount));
  }
  return {};
}

Result<> remove_folder(const std::string& path) {
  TRY(unmount_below(path));
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return std::unexpected(system_error(error.value(), "remove " + path));
  return {};
}

// The pods' cgroups, in every hierarchy (v1) or the one (v2). The kernel refuses to remove what is in use, so
// those of another node on this machine stay.
void remove_pod_cgroups() {
  namespace fs = std::filesystem;
  std::error_code ignored;
  std::vector<fs::path> roots{"/sys/fs/cgroup/kubepods"};
  for (const auto& hierarchy : fs::directory_iterator("/sys/fs/cgroup", ignored)) {
    roots.push_back(hierarchy.path() / "kubepods");
  }
  for (const fs::path& root : roots) {
    std::vector<fs::path> groups{root};
    for (const auto& entry : fs::recursive_directory_iterator(root, ignored)) {
      if (entry.is_directory(ignored)) groups.push_back(entry.path());
    }
    for (const fs::path& group : groups | std::views::reverse) rmdir(group.c_str());
  }
}

Result<> perform(const bootstrap::ResetStep& step) {
  using Kind = bootstrap::ResetStep::Kind;
  std::error_code error;
  switch (step.kind) {
    case Kind::kUnmountBelow:
      return unmount_below(step.path);
    case Kind::kRemoveTree:
      return remove_folder(step.path);
    case Kind::kRemoveFile:
      std::filesystem::remove(step.path, error);
      break;
    case Kind::kRemoveContents: {
      if (!std::filesystem::is_directory(step.path, error)) return {};
      std::vector<std::filesystem::path> entries;
      for (const auto& entry : std::filesystem::directory_iterator(step.path, error))
        entries.push_back(entry.path());
      for (const auto& entry : entries) TRY(remove_folder(entry.string()));
      break;
    }
  }
  if (error) return std::unexpected(system_error(error.value(), "remove " + step.path));
  return {};
}

// Where `init` or `join` has put the node's files; nothing on a machine that only `up` has used.
std::optional<NodeLayout> layout_of(const std::string& data_dir) {
  const auto text = read_file(NodeLayout{.data_dir = data_dir}.kubelet_flags());
  if (!text) return std::nullopt;
  auto flags = parse_kubelet_flags(decode_flags_file(*text));
  if (!flags) return std::nullopt;
  return std::move(flags->layout);
}

// Folders that were made for these files go with them, those of others stay.
void remove_if_empty(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_empty(path, ignored)) std::filesystem::remove(path, ignored);
}

std::vector<bootstrap::ResetStep> kubernetes_steps(const NodeLayout& layout,
                                                   const api::kubeadm::v1beta4::ResetConfiguration& config) {
  bootstrap::ResetOptions options;
  options.kubernetes_directory = layout.kubernetes_dir;
  options.kubelet_directory = layout.data_dir + "/kubelet";
  auto wanted = config;
  if (wanted.certificatesDir.empty()) wanted.certificatesDir = layout.pki_dir();
  return bootstrap::plan_reset(options, wanted);
}

Result<> remove_kubernetes_files(const NodeLayout& layout,
                                 const api::kubeadm::v1beta4::ResetConfiguration& config) {
  for (const bootstrap::ResetStep& step : kubernetes_steps(layout, config)) TRY(perform(step));
  const std::string certificates = config.certificatesDir.empty() ? layout.pki_dir() : config.certificatesDir;
  for (const std::string& folder : {layout.manifest_dir(), certificates, layout.kubernetes_dir})
    remove_if_empty(folder);
  return {};
}

int run_dry(const ResetCommandOptions& options) {
  const auto layout = layout_of(options.data_dir);
  fmt::print("{}", describe(layout ? kubernetes_steps(*layout, options.document)
                                   : std::vector<bootstrap::ResetStep>(),
                            options.data_dir));
  return kSuccess;
}

Result<> remove_state(const ResetCommandOptions& options) {
  network::NetworkOptions network;
  network.table_prefix = options.table_prefix;
  network.cni_config_dir = options.data_dir + "/cni/net.d";
  network.cni_bin_dir = options.data_dir + "/cni/bin";
  network.state_dir = options.data_dir + "/network";
  TRY(network::remove_network(network));
  remove_pod_cgroups();
  TRY(remove_folder(node_run_dir(options.data_dir)));
  return remove_folder(options.data_dir);
}

Task<Result<>> reset(ResetCommandOptions options, runtime::WorkerPool& workers, Logger log) {
  CO_TRY(co_await stop_instance(options.data_dir));
  const std::optional<NodeLayout> layout = layout_of(options.data_dir);
  CO_TRY(co_await remove_all_pods(options.data_dir, workers, log));
  if (layout) {
    CO_TRY(co_await workers.run(
        [layout = *layout, config = options.document] { return remove_kubernetes_files(layout, config); }));
  }
  co_return co_await workers.run([options] { return remove_state(options); });
}

Task<void> reset_and_stop(ResetCommandOptions options, runtime::EventLoop& loop, runtime::WorkerPool& workers,
                          Logger log, Result<>& outcome) {
  outcome = co_await reset(std::move(options), workers, std::move(log));
  loop.post([&loop] { loop.post([&loop] { loop.stop(); }); });
}

bool confirmed(const ResetCommandOptions& options) {
  if (options.force) return true;
  fmt::print("This removes all pods and all data of {}. Are you sure you want to proceed? [y/N]: ",
             options.data_dir);
  std::fflush(stdout);
  std::string answer;
  std::getline(std::cin, answer);
  return to_lower(trim(answer)) == "y";
}

Result<> read_document(ResetCommandOptions& options) {
  if (options.config.empty()) return {};
  const auto documents = TRY(bootstrap::read_documents(TRY(read_file(options.config)), options.config));
  if (!documents.reset) return fail(Code::kInvalid, "{} has no ResetConfiguration", options.config);
  options.document = *documents.reset;
  options.force = options.force || options.document.force;
  options.dry_run = options.dry_run || options.document.dryRun;
  return {};
}

int run_reset(ResetCommandOptions options) {
  if (geteuid() != 0) return report_failure({Code::kPermissionDenied, "reset needs root: use sudo"});
  if (const auto read = read_document(options); !read) return report_failure(read.error());
  if (!std::filesystem::exists(options.data_dir)) return kSuccess;
  if (options.dry_run) return run_dry(options);
  if (!confirmed(options)) return report_failure({Code::kCancelled, "aborted reset operation"});
  const Logger log = options.log.make_logger();
  runtime::EventLoop loop;
  runtime::WorkerPool workers("reset-worker", 2, 100);
  runtime::TaskScope scope(loop, log);
  Result<> outcome;
  scope.spawn(reset_and_stop(options, loop, workers, log.named("reset"), outcome));
  loop.run();
  return outcome ? kSuccess : report_failure(outcome.error());
}

}  // namespace

void add_reset_command(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<ResetCommandOptions>();
  options->log.level = "warn";
  CLI::App* reset =
      app.add_subcommand("reset", "Stop cloudless and remove everything that it made on this machine");
  reset->add_option("--data-dir", options->data_dir, "Whose cluster to remove")->capture_default_str();
  reset->add_option("--config", options->config, "A kubeadm.k8s.io/v1beta4 ResetConfiguration");
  reset->add_option("--nft-table-prefix", options->table_prefix, "The nft tables' name")
      ->capture_default_str();
  reset->add_flag("--dry-run", options->dry_run, "Say what would be removed, and remove nothing");
  reset->add_flag("-f,--force", options->force, "Do not ask");
  options->log.add_to(*reset);
  reset->callback([options, &invocation] { invocation.run = [options] { return run_reset(*options); }; });
}

}  // namespace cloudless::cli

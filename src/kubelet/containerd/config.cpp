#include "kubelet/containerd/config.hpp"

#include <linux/capability.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/strings.hpp"

namespace cloudless::kubelet {

namespace fs = std::filesystem;

namespace {

bool has_capability(int number) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("CapEff:")) continue;
    return (std::strtoull(line.c_str() + 7, nullptr, 16) >> number & 1) != 0;
  }
  return false;
}

bool overlay_mounts_below(const std::string& dir) {
  std::string scratch = dir + "/overlay-check-XXXXXX";
  if (!::mkdtemp(scratch.data())) return false;
  std::error_code ignored;
  for (const char* name : {"lower", "upper", "work", "merged"})
    fs::create_directory(scratch + "/" + name, ignored);
  const std::string options = fmt::format("lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work", scratch);
  const std::string merged = scratch + "/merged";
  const bool mounted = ::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) == 0;
  if (mounted) ::umount2(merged.c_str(), MNT_DETACH);
  fs::remove_all(scratch, ignored);
  return mounted;
}

std::string toml_string(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace

void detect_host(ContainerdConfig& config) {
  config.restrict_oom_score_adj = !has_capability(CAP_SYS_RESOURCE);
  // systemd as the host's init and the unified hierarchy: it owns the tree, so pods are slices below it.
  const bool systemd = fs::exists("/run/systemd/system");
  const bool unified = fs::exists("/sys/fs/cgroup/cgroup.controllers");
  config.cgroup_driver = systemd && unified ? CgroupDriver::kSystemd : CgroupDriver::kCgroupfs;
  config.apparmor =
      fs::exists("/sys/kernel/security/apparmor/profiles") && fs::exists("/sbin/apparmor_parser");
  config.snapshotter = overlay_mounts_below(config.root_dir) ? "overlayfs" : "native";
}

std::string render_containerd_config(const ContainerdConfig& c) {
  const auto q = [](const std::string& text) { return toml_string(text); };
  std::string out;
  out += "version = 2\n";
  out += fmt::format("root = {}\nstate = {}\n", q(c.root_dir), q(c.state_dir));
  // Plugins for hosts and uses that are not ours; each would cost start-up time, memory or a warning.
  out +=
      "disabled_plugins = [\n"
      "  \"io.containerd.snapshotter.v1.aufs\", \"io.containerd.snapshotter.v1.btrfs\",\n"
      "  \"io.containerd.snapshotter.v1.devmapper\", \"io.containerd.snapshotter.v1.zfs\",\n"
      "  \"io.containerd.internal.v1.opt\", \"io.containerd.internal.v1.restart\",\n"
      "  \"io.containerd.tracing.processor.v1.otlp\", \"io.containerd.internal.v1.tracing\"]\n\n";
  out += fmt::format("[grpc]\naddress = {}\n\n", q(c.socket));
  out += "[plugins.\"io.containerd.grpc.v1.cri\"]\n";
  out += fmt::format("sandbox_image = {}\n", q(c.sandbox_image));
  out += "stream_server_address = \"127.0.0.1\"\nstream_server_port = \"0\"\n";
  // Pods' network namespaces below the state folder: there they belong to this containerd, for all to see.
  out += "netns_mounts_under_state_dir = true\n";
  out += fmt::format("restrict_oom_score_adj = {}\n", c.restrict_oom_score_adj);
  out += fmt::format("disable_apparmor = {}\n\n", !c.apparmor);
  out += "[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n";
  out += fmt::format("snapshotter = {}\ndefault_runtime_name = \"runc\"\n\n", q(c.snapshotter));
  out += "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n";
  out += "runtime_type = \"io.containerd.runc.v2\"\n\n";
  out += "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n";
  out += fmt::format("SystemdCgroup = {}\n\n", c.cgroup_driver == CgroupDriver::kSystemd);
  out += "[plugins.\"io.containerd.grpc.v1.cri\".cni]\n";
  out += fmt::format("bin_dir = {}\nconf_dir = {}\n\n", q(c.cni_bin_dir), q(c.cni_conf_dir));
  out += "[plugins.\"io.containerd.grpc.v1.cri\".registry]\n";
  out += fmt::format("config_path = {}\n", q(c.registry_dir));
  return out;
}

}  // namespace cloudless::kubelet

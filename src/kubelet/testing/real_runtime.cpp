#include "kubelet/testing/real_runtime.hpp"

#include <gmock/gmock.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "base/files.hpp"
#include "kubelet/containerd/process.hpp"
#include "kubelet/containerd/shims.hpp"
#include "kubelet/image/oci_image.hpp"
#include "kubelet/pod/pod_runtime.hpp"

namespace cloudless::kubelet::testing {

namespace fs = std::filesystem;

namespace {

constexpr const char* kCniPlugin = R"(#!/bin/sh
cat > /dev/null
case "$CNI_COMMAND" in
  VERSION) echo '{"cniVersion":"0.4.0","supportedVersions":["0.3.1","0.4.0"]}' ;;
  ADD)
    nsenter --net="$CNI_NETNS" ip link set lo up
    [ "$CNI_IFNAME" = lo ] || nsenter --net="$CNI_NETNS" ip addr add 10.99.0.2/32 dev lo
    echo '{"cniVersion":"0.4.0","interfaces":[{"name":"'"$CNI_IFNAME"'","sandbox":"'"$CNI_NETNS"'"}],
           "ips":[{"version":"4","address":"10.99.0.2/24","interface":0}]}' ;;
esac
)";
constexpr const char* kCniConfig =
    R"({"cniVersion":"0.4.0","name":"test","plugins":[{"type":"cloudless-test"}]})";

std::vector<std::string> mounts_below(const std::string& dir) {
  std::ifstream mounts("/proc/self/mounts");
  std::vector<std::string> points;
  for (std::string device, point, rest; mounts >> device >> point && std::getline(mounts, rest);) {
    if (point.starts_with(dir + "/")) points.push_back(point);
  }
  return points;
}

// Whatever is still mounted below `dir`, the innermost first.
void unmount_below(const std::string& dir) {
  const auto points = mounts_below(dir);
  for (auto point = points.rbegin(); point != points.rend(); ++point) ::umount2(point->c_str(), MNT_DETACH);
}

// Folders named `name` in any cgroup hierarchy.
std::vector<fs::path> cgroups_named(const std::string& name) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& hierarchy : fs::directory_iterator("/sys/fs/cgroup", error)) {
    if (fs::exists(hierarchy.path() / name, error)) found.push_back(hierarchy.path() / name);
  }
  if (fs::exists("/sys/fs/cgroup/" + name, error)) found.push_back("/sys/fs/cgroup/" + name);
  return found;
}

void remove_cgroups(const std::string& name) {
  std::error_code error;
  for (const fs::path& root : cgroups_named(name)) {
    std::vector<fs::path> groups{root};
    for (fs::recursive_directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
      if (it->is_directory(error)) groups.push_back(it->path());
    }
    for (auto group = groups.rbegin(); group != groups.rend(); ++group) ::rmdir(group->c_str());
  }
}

void check(const Result<>& result) {
  if (!result) throw std::runtime_error(result.error().message);
}

Result<ImageSpec> busybox_image() {
  ImageSpec spec;
  spec.reference = kBusybox;
  spec.files.push_back(TRY(image_file_from_disk("/bin/busybox", "/bin/busybox")));
  for (const char* name :
       {"sh",  "sleep", "echo", "cat", "ls",       "true", "false", "httpd", "nc",   "wget", "test",
        "env", "touch", "rm",   "id",  "hostname", "trap", "mkdir", "head",  "tail", "grep"})
    spec.files.push_back(
        {.type = ImageFile::Type::kSymlink, .path = std::string("/bin/") + name, .content = "busybox"});
  for (const char* folder : {"/tmp", "/etc", "/dev", "/proc", "/sys"})
    spec.files.push_back({.type = ImageFile::Type::kDirectory, .path = folder, .mode = 0755});
  spec.env = {"PATH=/bin"};
  spec.command = {"sh"};
  return spec;
}

}  // namespace

std::string RealRuntime::missing() {
  if (::geteuid() != 0) return "needs root";
  for (const char* program : {"containerd", "runc", "ctr", "ip", "nsenter"}) {
    if (!find_program(program)) return std::string("needs ") + program;
  }
  return fs::exists("/bin/busybox") ? "" : "needs busybox-static";
}

RealRuntime::RealRuntime() {
  std::string path = "/tmp/cl-kubelet-XXXXXX";
  if (!::mkdtemp(path.data())) throw std::runtime_error("mkdtemp failed");
  dir_ = path;
  const std::string bin = dir_ + "/cni/bin";
  const std::string conf = dir_ + "/cni/conf";
  for (const char* name : {"loopback", "cloudless-test"})
    check(write_file(bin + "/" + name, kCniPlugin, 0755));
  check(write_file(conf + "/10-test.conflist", kCniConfig, 0644));
  containerd_ = std::make_unique<Containerd>(
      ContainerdOptions{
          .dir = dir_ + "/containerd", .run_dir = dir_ + "/run", .cni_bin_dir = bin, .cni_conf_dir = conf},
      pool_, Logger());
  client_ = std::make_unique<cri::CriClient>(containerd_->endpoint());
  check(run(start()));
}

runtime::Task<Result<>> RealRuntime::start() {
  CO_TRY(co_await containerd_->start());
  co_return co_await containerd_->import_image(CO_TRY(build_oci_archive(CO_TRY(busybox_image()))));
}

// A sandbox that was being made when its pod's agent stopped appears after that, so one look is not enough.
runtime::Task<void> RealRuntime::remove_pods() {
  constexpr int kLooks = 3;
  for (int i = 0; i < kLooks; ++i) {
    const auto sandboxes = co_await client_->list_sandboxes({});
    if (!sandboxes || sandboxes->empty()) co_return;
    for (const cri::Sandbox& sandbox : *sandboxes) {
      (void)co_await client_->stop_sandbox(sandbox.id);
      (void)co_await client_->remove_sandbox(sandbox.id);
    }
  }
}

std::string RealRuntime::socket() const { return containerd_socket({.run_dir = dir_ + "/run"}); }
std::string RealRuntime::cgroup_root() const { return "/" + fs::path(dir_).filename().string(); }

Options RealRuntime::agent_options() const {
  Options options;
  options.node_name = "node-1";
  options.node_ips = {"127.0.0.1"};
  options.root_dir = dir_ + "/kubelet";
  options.log_dir = dir_ + "/logs";
  options.cgroup_root = cgroup_root();
  return options;
}

std::vector<std::string> RealRuntime::traces() const {
  std::vector<std::string> found;
  for (const pid_t shim : shims_of(socket())) found.push_back(fmt::format("shim {}", shim));
  for (const std::string& mount : mounts_below(dir_)) found.push_back("mount " + mount);
  for (const fs::path& group : cgroups_named(cgroup_root().substr(1)))
    found.push_back("cgroup " + group.string());
  if (fs::exists(dir_)) found.push_back("folder " + dir_);
  return found;
}

RealRuntime::~RealRuntime() {
  run(remove_pods());
  run(containerd_->stop());
  client_.reset();
  const Result<> ended = end_shims(socket());
  EXPECT_TRUE(ended.has_value()) << ended.error().message;
  unmount_below(dir_);
  remove_cgroups(cgroup_root().substr(1));
  std::error_code ignored;
  fs::remove_all(dir_, ignored);
  EXPECT_THAT(traces(), ::testing::IsEmpty());
}

}  // namespace cloudless::kubelet::testing

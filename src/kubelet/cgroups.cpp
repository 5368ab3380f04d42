#include "kubelet/cgroups.hpp"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "base/strings.hpp"

namespace cloudless::kubelet {

namespace fs = std::filesystem;

namespace {

Result<> write_value(const std::string& path, const std::string& value) {
  std::ofstream out(path);
  out << value;
  out.flush();
  if (!out) return fail(Code::kUnavailable, "write {} to {}: failed", value, path);
  return {};
}

Result<> make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return std::unexpected(system_error(error.value(), "make cgroup " + path));
  return {};
}

// A new cpuset is empty, and nothing can run in it, until it has its parent's CPUs and memory nodes.
Result<> inherit_cpuset(const std::string& root, const std::string& cgroup) {
  std::string path = root;
  for (const std::string_view name : split(cgroup, '/')) {
    if (name.empty()) continue;
    const std::string parent = path;
    path += "/" + std::string(name);
    TRY(make_folder(path));
    for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
      std::string own, inherited;
      std::ifstream(path + file) >> own;
      std::ifstream(parent + file) >> inherited;
      if (own.empty() && !inherited.empty()) TRY(write_value(path + file, inherited));
    }
  }
  return {};
}

// Controllers are handed down level by level.
Result<> enable_controllers(const std::string& root, const std::string& cgroup) {
  std::string path = root;
  for (const std::string_view name : split(cgroup, '/')) {
    if (name.empty()) continue;
    std::ifstream in(path + "/cgroup.controllers");
    for (std::string controller; in >> controller;) {
      if (controller == "cpu" || controller == "memory" || controller == "pids" || controller == "cpuset" ||
          controller == "io")
        TRY(write_value(path + "/cgroup.subtree_control", "+" + controller));
    }
    path += "/" + std::string(name);
    TRY(make_folder(path));
  }
  return {};
}

// Deepest first: only empty cgroups can be removed.
void remove_tree(const std::string& path) {
  std::error_code error;
  std::vector<std::string> folders{path};
  for (fs::recursive_directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    if (it->is_directory(error)) folders.push_back(it->path());
  }
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) ::rmdir(folder->c_str());
}

}  // namespace

Cgroups::Cgroups(std::string mount_point) : mount_point_(std::move(mount_point)) {
  std::error_code error;
  unified_ = fs::exists(mount_point_ + "/cgroup.controllers", error);
  if (unified_) return;
  for (const auto& entry : fs::directory_iterator(mount_point_, error)) {
    const std::string name = entry.path().filename();
    if (entry.is_symlink(error) || name == "unified") continue;
    if (fs::exists(entry.path() / "cgroup.procs", error)) controllers_.push_back(name);
  }
}

Result<> Cgroups::make_pod(const std::string& cgroup, const PodCgroupLimits& limits) const {
  if (unified_) {
    const std::string path = mount_point_ + cgroup;
    TRY(enable_controllers(mount_point_, cgroup));
    TRY(write_value(path + "/cpu.weight", std::to_string(cpu_weight_of_shares(limits.cpu_shares))));
    if (limits.cpu_quota > 0)
      TRY(write_value(path + "/cpu.max", fmt::format("{} {}", limits.cpu_quota, kCpuPeriodMicroseconds)));
    if (limits.memory_limit_bytes > 0)
      TRY(write_value(path + "/memory.max", std::to_string(limits.memory_limit_bytes)));
    return {};
  }
  for (const std::string& controller : controllers_) {
    const std::string root = mount_point_ + "/" + controller;
    const std::string path = root + cgroup;
    if (fs::exists(root + "/cpuset.cpus")) TRY(inherit_cpuset(root, cgroup));
    TRY(make_folder(path));
    if (fs::exists(path + "/cpu.shares")) {
      TRY(write_value(path + "/cpu.shares", std::to_string(limits.cpu_shares)));
      if (limits.cpu_quota > 0) {
        TRY(write_value(path + "/cpu.cfs_period_us", std::to_string(kCpuPeriodMicroseconds)));
        TRY(write_value(path + "/cpu.cfs_quota_us", std::to_string(limits.cpu_quota)));
      }
    }
    if (limits.memory_limit_bytes > 0 && fs::exists(path + "/memory.limit_in_bytes"))
      TRY(write_value(path + "/memory.limit_in_bytes", std::to_string(limits.memory_limit_bytes)));
  }
  return {};
}

Result<> Cgroups::remove_pod(const std::string& cgroup) const {
  if (unified_) {
    remove_tree(mount_point_ + cgroup);
    return {};
  }
  for (const std::string& controller : controllers_) remove_tree(mount_point_ + "/" + controller + cgroup);
  return {};
}

}  // namespace cloudless::kubelet

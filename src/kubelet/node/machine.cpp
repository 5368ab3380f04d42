#include "kubelet/node/machine.hpp"

#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>

#include "base/strings.hpp"

namespace cloudless::kubelet {

namespace {

std::string first_line(const char* path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return std::string(trim(line));
}

std::string os_image() {
  std::ifstream in("/etc/os-release");
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("PRETTY_NAME=")) continue;
    std::string value = line.substr(12);
    if (value.size() >= 2 && value.front() == '"') value = value.substr(1, value.size() - 2);
    return value;
  }
  return "Linux";
}

int64_t memory_bytes() {
  std::ifstream in("/proc/meminfo");
  std::string name;
  int64_t kib = 0;
  while (in >> name >> kib) {
    if (name == "MemTotal:") return kib * 1024;
    in.ignore(64, '\n');
  }
  return 0;
}

}  // namespace

Machine read_machine(const std::string& root_dir) {
  Machine machine;
  machine.cpus = ::sysconf(_SC_NPROCESSORS_ONLN);
  machine.memory_bytes = memory_bytes();
  struct statvfs file_system{};
  if (::statvfs(root_dir.c_str(), &file_system) == 0)
    machine.storage_bytes = static_cast<int64_t>(file_system.f_blocks * file_system.f_frsize);
  machine.machine_id = first_line("/etc/machine-id");
  machine.system_uuid = first_line("/sys/class/dmi/id/product_uuid");
  if (machine.system_uuid.empty()) machine.system_uuid = machine.machine_id;
  machine.boot_id = first_line("/proc/sys/kernel/random/boot_id");
  machine.os_image = os_image();
  utsname names{};
  if (::uname(&names) == 0) {
    machine.kernel_version = names.release;
    machine.architecture = names.machine;
  }
  if (machine.architecture == "x86_64") machine.architecture = "amd64";
  if (machine.architecture == "aarch64") machine.architecture = "arm64";
  return machine;
}

}  // namespace cloudless::kubelet

// What this machine is: the facts of a Node object that do not change while the agent runs.
#pragma once

#include <cstdint>
#include <string>

namespace cloudless::kubelet {

struct Machine {
  int64_t cpus = 0;
  int64_t memory_bytes = 0;
  int64_t storage_bytes = 0;  // of the file system with the kubelet's folder
  std::string machine_id;
  std::string system_uuid;
  std::string boot_id;
  std::string kernel_version;
  std::string os_image;
  std::string architecture;  // Go's name: "amd64", "arm64"
};

/// What cannot be read stays empty. Blocks briefly.
Machine read_machine(const std::string& root_dir);

}  // namespace cloudless::kubelet

// The shell of preflight: looks at the machine.
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/strings.hpp"
#include "bootstrap/preflight.hpp"

namespace cloudless::bootstrap {

namespace {

constexpr uint64_t kBytesPerMb = 1024 * 1024;

// Whether somebody listens there already: binding tells without a packet.
bool is_port_in_use(uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return false;
  const int reuse = 1;  // connections that linger from before do not count
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  const bool in_use =
      ::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 && errno == EADDRINUSE;
  ::close(socket);
  return in_use;
}

bool is_in_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  for (const std::string_view folder : split(path ? path : "/usr/sbin:/usr/bin:/sbin:/bin", ':')) {
    if (::access(fmt::format("{}/{}", folder, program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

bool is_directory_in_use(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error) && !std::filesystem::is_empty(path, error);
}

}  // namespace

MachineFacts gather_facts(const PreflightNeeds& needs) {
  MachineFacts facts;
  struct sysinfo info{};
  ::sysinfo(&info);
  facts.is_root = ::geteuid() == 0;
  facts.memory_mb = info.totalram * info.mem_unit / kBytesPerMb;
  facts.has_swap = info.totalswap > 0;
  for (const uint16_t port : needs.ports) {
    if (is_port_in_use(port)) facts.ports_in_use.insert(port);
  }
  for (const std::string& file : needs.absent_files) {
    if (std::filesystem::exists(file)) facts.existing_files.insert(file);
  }
  for (const std::string& directory : needs.empty_directories) {
    if (is_directory_in_use(directory)) facts.directories_in_use.insert(directory);
  }
  for (const std::string& program : needs.programs) {
    if (!is_in_path(program)) facts.missing_programs.insert(program);
  }
  return facts;
}

}  // namespace cloudless::bootstrap

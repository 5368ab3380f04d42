#include "net/netns.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <thread>

namespace cloudless::net {

namespace {

// Runs `function` on a thread that ends with it, so that what it does to its own namespace harms nobody.
Result<> on_fresh_thread(const std::function<Result<>()>& function) {
  Result<> result;
  std::thread([&result, &function] { result = function(); }).join();
  return result;
}

Result<> loopback_up() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  const int status = ::ioctl(fd, SIOCSIFFLAGS, &request);
  const int error_number = errno;
  ::close(fd);
  if (status != 0) return std::unexpected(system_error(error_number, "set lo up"));
  return {};
}

Result<> bind_current(const std::string& path) {
  if (::unshare(CLONE_NEWNET) != 0) return std::unexpected(system_error(errno, "make a network namespace"));
  TRY(loopback_up());
  if (::mount("/proc/thread-self/ns/net", path.c_str(), "none", MS_BIND, nullptr) != 0) {
    return std::unexpected(system_error(errno, "bind a network namespace to " + path));
  }
  return {};
}

}  // namespace

Result<> run_in_netns(const std::string& path, const std::function<Result<>()>& function) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::unexpected(system_error(errno, "open network namespace " + path));
  Result<> result = on_fresh_thread([&]() -> Result<> {
    if (::setns(fd, CLONE_NEWNET) != 0) {
      return std::unexpected(system_error(errno, "enter network namespace " + path));
    }
    return function();
  });
  ::close(fd);
  return result;
}

Result<> make_netns(const std::string& path) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
  if (fd < 0 && errno == EEXIST) return fail(Code::kAlreadyExists, "network namespace {} exists", path);
  if (fd < 0) return std::unexpected(system_error(errno, "create " + path));
  ::close(fd);
  Result<> result = on_fresh_thread([&path] { return bind_current(path); });
  if (!result) ::unlink(path.c_str());
  return result;
}

Result<> remove_netns(const std::string& path) {
  // EINVAL: a plain file that nothing is bound to.
  if (::umount2(path.c_str(), MNT_DETACH) != 0 && errno != ENOENT && errno != EINVAL) {
    return std::unexpected(system_error(errno, "unbind network namespace " + path));
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return std::unexpected(system_error(errno, "remove " + path));
  }
  return {};
}

}  // namespace cloudless::net

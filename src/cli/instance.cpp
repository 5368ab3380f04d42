#include "cli/instance.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/strings.hpp"
#include "cli/files.hpp"

namespace cloudless::cli {

namespace {

std::string lock_path(const std::string& data_dir) { return data_dir + "/cloudless.pid"; }

std::optional<pid_t> read_pid(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return std::nullopt;
  const std::string_view digits = trim(*text);
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
  return error == std::errc() && pid > 0 ? std::optional(pid) : std::nullopt;
}

}  // namespace

Result<InstanceLock> InstanceLock::take(const std::string& data_dir) {
  TRY(make_directories(data_dir));
  const std::string path = lock_path(data_dir);
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return std::unexpected(system_error(errno, "open " + path));
  InstanceLock lock(fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const auto pid = read_pid(path);
    return fail(Code::kAlreadyExists,
                "cloudless already runs on {}{}; stop it first, or use another --data-dir", data_dir,
                pid ? fmt::format(" as process {}", *pid) : "");
  }
  const std::string text = fmt::format("{}\n", getpid());
  if (ftruncate(fd, 0) != 0 || pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    return std::unexpected(system_error(errno, "write " + path));
  }
  return lock;
}

InstanceLock::InstanceLock(InstanceLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

InstanceLock& InstanceLock::operator=(InstanceLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

InstanceLock::~InstanceLock() {
  if (fd_ >= 0) close(fd_);
}

std::optional<pid_t> running_instance(const std::string& data_dir) {
  const std::string path = lock_path(data_dir);
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  const bool free = flock(fd, LOCK_EX | LOCK_NB) == 0;
  close(fd);
  return free ? std::nullopt : read_pid(path);
}

Result<Detached> Detached::start(const std::string& log_path) {
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) return std::unexpected(system_error(errno, "make a pipe"));
  const pid_t child = fork();
  if (child < 0) return std::unexpected(system_error(errno, "fork"));
  if (child > 0) {
    close(pipe_ends[1]);
    // The child's first byte is its status, the rest its message; nothing means that it has died.
    std::string report;
    char buffer[512];
    for (ssize_t got; (got = read(pipe_ends[0], buffer, sizeof buffer)) > 0;)
      report.append(buffer, static_cast<size_t>(got));
    if (report.empty())
      report = fmt::format("{}error: cloudless ended while it started; see {}\n", '\x01', log_path);
    const int status = report[0];
    std::fputs(report.c_str() + 1, status == 0 ? stdout : stderr);
    std::fflush(nullptr);
    _exit(status);
  }
  close(pipe_ends[0]);
  setsid();
  const int log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (log < 0) return std::unexpected(system_error(errno, "open " + log_path));
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(null, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  close(null);
  close(log);
  return Detached(pipe_ends[1]);
}

void Detached::report(int status, const std::string& message) {
  if (fd_ < 0) return;
  const std::string bytes = static_cast<char>(status) + message;
  // A parent that is gone needs no report.
  [[maybe_unused]] const ssize_t ignored = write(fd_, bytes.data(), bytes.size());
  close(std::exchange(fd_, -1));
}

}  // namespace cloudless::cli

#include "kubelet/containerd/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/strings.hpp"
#include "net/descriptor.hpp"
#include "runtime/timer.hpp"

extern char** environ;

namespace cloudless::kubelet {

namespace {

struct SpawnSettings {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;

  SpawnSettings() {
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    // The child starts with no signal blocked and none ignored, whatever this program does.
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }
};

Result<pid_t> spawn(const std::vector<std::string>& argv, SpawnSettings& settings) {
  const std::string program = TRY(find_program(argv.front()));
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, program.c_str(), &settings.files, &settings.attributes, words.data(), environ);
  if (error != 0) return std::unexpected(system_error(error, "start " + program));
  return pid;
}

int exit_code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

// Reads until the end, the output's bound or the deadline; false where time ran out.
bool drain(int fd, std::string& out, std::chrono::steady_clock::time_point end) {
  char buffer[4096];
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd poll_fd{fd, POLLIN, 0};
    if (::poll(&poll_fd, 1, static_cast<int>(left.count())) <= 0) continue;
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return true;
    out.append(buffer, std::min<size_t>(static_cast<size_t>(count), kProcessOutputBytes - out.size()));
  }
}

}  // namespace

Result<std::string> find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = std::getenv("PATH");
  const std::string folders =
      std::string(path ? path : "") + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin";
  for (const std::string_view folder : split(folders, ':')) {
    if (folder.empty()) continue;
    std::string candidate = std::string(folder) + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return fail(Code::kNotFound, "{} is not installed", name);
}

Result<pid_t> spawn_detached(const std::vector<std::string>& argv, const std::string& log_path) {
  SpawnSettings settings;
  posix_spawn_file_actions_addopen(&settings.files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&settings.files, 1, log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&settings.files, 1, 2);
  return spawn(argv, settings);
}

Result<ProcessOutput> run_process(const std::vector<std::string>& argv, Duration limit) {
  int pipe_fds[2];
  if (::pipe2(pipe_fds, O_CLOEXEC) != 0) return std::unexpected(system_error(errno, "make a pipe"));
  SpawnSettings settings;
  posix_spawn_file_actions_addopen(&settings.files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&settings.files, pipe_fds[1], 1);
  posix_spawn_file_actions_adddup2(&settings.files, pipe_fds[1], 2);
  const Result<pid_t> pid = spawn(argv, settings);
  ::close(pipe_fds[1]);
  if (!pid) {
    ::close(pipe_fds[0]);
    return std::unexpected(pid.error());
  }
  ProcessOutput result;
  const bool in_time = drain(pipe_fds[0], result.output, std::chrono::steady_clock::now() + limit);
  ::close(pipe_fds[0]);
  if (!in_time) ::kill(*pid, SIGKILL);
  int status = 0;
  while (::waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!in_time)
    return fail(Code::kDeadlineExceeded, "{} took longer than {}", argv.front(), format_duration(limit));
  result.exit_code = exit_code_of(status);
  return result;
}

runtime::Task<Result<>> wait_process(pid_t pid) {
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0 && errno == ESRCH) co_return {};
  if (fd < 0) co_return std::unexpected(system_error(errno, "watch a process"));
  runtime::EventLoop* loop = co_await net::current_loop();
  net::Descriptor descriptor(*loop, fd);
  CO_TRY(co_await descriptor.readable());
  ::waitpid(pid, nullptr, WNOHANG);
  co_return {};
}

runtime::Task<Result<>> stop_process(pid_t pid, int signal, Duration limit) {
  if (::kill(pid, signal) != 0) {
    if (errno == ESRCH) co_return {};
    co_return std::unexpected(system_error(errno, "signal a process"));
  }
  co_return co_await runtime::with_timeout(limit, "the end of a process", wait_process(pid));
}

std::string command_line_of(pid_t pid) {
  std::ifstream in(fmt::format("/proc/{}/cmdline", pid), std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  std::string line = std::move(text).str();
  for (char& c : line) {
    if (c == '\0') c = ' ';
  }
  return line;
}

}  // namespace cloudless::kubelet

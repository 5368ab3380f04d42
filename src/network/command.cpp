#include "network/command.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/strings.hpp"

extern char** environ;

namespace cloudless::network {

namespace {

// A file in memory: input and output of any size without a pipe that could fill up.
class MemoryFile {
 public:
  explicit MemoryFile(const char* name) : fd_(memfd_create(name, MFD_CLOEXEC)) {}
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() {
    if (fd_ >= 0) close(fd_);
  }
  int fd() const { return fd_; }

  Result<> fill(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return std::unexpected(system_error(errno, "write to a memory file"));
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    lseek(fd_, 0, SEEK_SET);
    return {};
  }

  std::string contents() {
    std::string all;
    std::array<char, 4096> buffer;
    off_t offset = 0;
    for (;;) {
      const ssize_t count = pread(fd_, buffer.data(), buffer.size(), offset);
      if (count <= 0) return all;
      all.append(buffer.data(), static_cast<size_t>(count));
      offset += count;
    }
  }

 private:
  int fd_;
};

Result<std::string> find_program(const std::string& program) {
  if (program.starts_with('/')) return program;
  const char* path = getenv("PATH");
  const std::string directories = std::string(path ? path : "") + ":/usr/sbin:/sbin:/usr/bin:/bin";
  for (const std::string_view directory : split(directories, ':')) {
    if (directory.empty()) continue;
    std::string candidate = std::string(directory) + "/" + program;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return fail(Code::kNotFound, "there is no program \"{}\" in PATH", program);
}

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Result<CommandOutput> run_command(const std::string& program, const std::vector<std::string>& arguments,
                                  std::string_view input) {
  const std::string path = TRY(find_program(program));
  MemoryFile in("input"), out("output"), err("errors");
  if (in.fd() < 0 || out.fd() < 0 || err.fd() < 0)
    return std::unexpected(system_error(errno, "make a memory file"));
  TRY(in.fill(input));

  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.fd(), 0);
  posix_spawn_file_actions_adddup2(&actions, out.fd(), 1);
  posix_spawn_file_actions_adddup2(&actions, err.fd(), 2);
  pid_t child = 0;
  const int error = posix_spawn(&child, path.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return std::unexpected(system_error(error, "start " + path));

  CommandOutput result;
  result.status = wait_for(child);
  result.output = out.contents();
  result.errors = err.contents();
  return result;
}

Result<> run_nft(std::string_view script) {
  if (script.empty()) return {};
  const auto output = run_command("nft", {"-f", "-"}, script);
  if (!output && output.error().code == Code::kNotFound)
    return fail(Code::kUnavailable,
                "nft is missing: pods and Services cannot be wired without it; install the package nftables");
  if (!output) return std::unexpected(output.error());
  if (output->status == 0) return {};
  const std::string_view said = trim(output->errors);
  const bool forbidden = said.find("Operation not permitted") != std::string_view::npos;
  return fail(forbidden ? Code::kPermissionDenied : Code::kUnavailable, "nft refused the rules: {}",
              said.substr(0, 500));
}

}  // namespace cloudless::network

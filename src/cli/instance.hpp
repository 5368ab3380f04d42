// One running cloudless per data directory: a lock that the kernel drops with the process, and how a detached
// one tells its starter that it is ready.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/result.hpp"

namespace cloudless::cli {

/// Held for the life of the process.
class InstanceLock {
 public:
  /// kAlreadyExists, naming the process that has it, where another one runs on this directory.
  static Result<InstanceLock> take(const std::string& data_dir);
  InstanceLock(InstanceLock&& other) noexcept;
  InstanceLock& operator=(InstanceLock&& other) noexcept;
  ~InstanceLock();

 private:
  explicit InstanceLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

/// The process that holds the lock; nothing where none does.
std::optional<pid_t> running_instance(const std::string& data_dir);

/// Forks: the child goes on in a session of its own with its output in `log_path`, the parent waits for the
/// child's report() and exits with it. Before any thread is started.
class Detached {
 public:
  static Result<Detached> start(const std::string& log_path);
  /// Lets the parent go: it prints `message` and exits with `status`.
  void report(int status, const std::string& message);

 private:
  explicit Detached(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace cloudless::cli

// Real programs for tests: started with their output kept, ended with the test, never found by name.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace cloudless::testing {

/// A folder of its own below TMPDIR, removed with all it holds at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// A running program. Ended by SIGTERM, and SIGKILL after kStopLimit, when destroyed.
class Process {
 public:
  static constexpr std::chrono::seconds kStopLimit{10};

  /// Starts `argv`; both output streams go to `log_path`.
  Process(const std::vector<std::string>& argv, std::string log_path);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool running();
  void send(int signal);
  /// Waits for the end; the exit status, or 128 + signal.
  int wait();
  /// What it has printed so far.
  std::string output() const;

 private:
  pid_t pid_ = -1;
  int status_ = -1;
  std::string log_path_;
};

struct CommandResult {
  int exit_code = -1;
  std::string output;  // both streams
};

/// Runs a program to its end; killed after `limit`.
CommandResult run_command(const std::vector<std::string>& argv,
                          std::chrono::seconds limit = std::chrono::seconds(60));

/// Calls `condition` until it holds, with short pauses; false when `limit` has passed.
bool eventually(const std::function<bool()>& condition,
                std::chrono::seconds limit = std::chrono::seconds(60));

/// A TCP and UDP port of loopback that was free a moment ago.
uint16_t free_port();

void write_file(const std::string& path, const std::string& content);
std::string read_file(const std::string& path);

}  // namespace cloudless::testing

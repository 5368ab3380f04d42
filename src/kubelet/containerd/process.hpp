// Child processes: started detached from our terminal and session, awaited by pidfd.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "runtime/task.hpp"

namespace cloudless::kubelet {

/// Starts `argv` (argv[0] is looked up in PATH) in a session of its own, with its output appended to
/// `log_path` and /dev/null as input. kNotFound where there is no such program.
Result<pid_t> spawn_detached(const std::vector<std::string>& argv, const std::string& log_path);

struct ProcessOutput {
  int exit_code = 0;   // 128 + signal where a signal ended it
  std::string output;  // both streams, at most kProcessOutputBytes
};
inline constexpr size_t kProcessOutputBytes = 64 * 1024;

/// Runs `argv` to its end; killed after `limit` (kDeadlineExceeded). Blocks: for a WorkerPool.
Result<ProcessOutput> run_process(const std::vector<std::string>& argv, Duration limit);

/// Returns once the process has ended, whoever its parent is; reaps it where it is our child. On an
/// EventLoop.
runtime::Task<Result<>> wait_process(pid_t pid);

/// Sends `signal` and waits up to `limit` for the end. kDeadlineExceeded where the process goes on.
runtime::Task<Result<>> stop_process(pid_t pid, int signal, Duration limit);

/// The path of a program in PATH, or in the folders where Debian keeps system programs.
Result<std::string> find_program(const std::string& name);

/// The command line of a running process, its words apart by blanks; empty where there is none.
std::string command_line_of(pid_t pid);

}  // namespace cloudless::kubelet

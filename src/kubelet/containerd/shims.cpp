#include "kubelet/containerd/shims.hpp"

#include <signal.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "base/strings.hpp"
#include "kubelet/containerd/process.hpp"

namespace cloudless::kubelet {

namespace {

constexpr std::chrono::milliseconds kLook{10};

std::vector<pid_t> all_processes() {
  std::vector<pid_t> pids;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    const auto [end, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad == std::errc() && end == name.data() + name.size()) pids.push_back(pid);
  }
  return pids;
}

// "pid (name) state parent ...": the name may hold anything, so what follows its last parenthesis counts.
// Nothing for the dead that nobody has waited for.
std::optional<pid_t> living_parent(pid_t pid) {
  std::ifstream in(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(in, text);
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  const auto words = split(std::string_view(text).substr(name_end + 1), ' ');
  if (words.size() < 3 || words[1] == "Z" || words[1] == "X") return std::nullopt;
  pid_t parent = 0;
  std::from_chars(words[2].data(), words[2].data() + words[2].size(), parent);
  return parent;
}

std::vector<pid_t> children_of(const std::vector<pid_t>& parents) {
  std::vector<pid_t> children;
  for (const pid_t pid : all_processes()) {
    const auto parent = living_parent(pid);
    if (parent && std::ranges::find(parents, *parent) != parents.end()) children.push_back(pid);
  }
  return children;
}

}  // namespace

std::vector<pid_t> shims_of(const std::string& socket) {
  std::vector<pid_t> shims;
  for (const pid_t pid : all_processes()) {
    const std::string line = command_line_of(pid);
    const auto words = split(line, ' ');
    const auto address = std::ranges::find(words, "-address");
    if (words.front().find("containerd-shim") == std::string_view::npos || address == words.end()) continue;
    if (std::next(address) != words.end() && *std::next(address) == socket && living_parent(pid))
      shims.push_back(pid);
  }
  return shims;
}

Result<> end_shims(const std::string& socket) {
  const auto deadline = std::chrono::steady_clock::now() + kEndShimsLimit;
  for (;;) {
    const std::vector<pid_t> shims = shims_of(socket);
    if (shims.empty()) return {};
    if (std::chrono::steady_clock::now() > deadline)
      return fail(Code::kDeadlineExceeded, "shims of {} do not end: {}", socket, fmt::join(shims, ", "));
    // Children of the killed become the shim's own, so it goes last.
    const std::vector<pid_t> children = children_of(shims);
    for (const pid_t pid : children.empty() ? shims : children) ::kill(pid, SIGKILL);
    std::this_thread::sleep_for(kLook);
  }
}

}  // namespace cloudless::kubelet

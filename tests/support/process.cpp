#include "support/process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace cloudless::testing {

using Steady = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPause{10};

TempDir::TempDir() {
  std::string pattern = std::filesystem::temp_directory_path().string() + "/cl-test-XXXXXX";
  if (!mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp " + pattern);
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Process::Process(const std::vector<std::string>& argv, std::string log_path)
    : log_path_(std::move(log_path)) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const int error = posix_spawnp(&pid_, words[0], &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error("cannot start " + argv[0]);
}

Process::~Process() {
  if (!running()) return;
  send(SIGTERM);
  if (!eventually([this] { return !running(); }, kStopLimit)) {
    send(SIGKILL);
    wait();
  }
}

bool Process::running() {
  if (status_ >= 0) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return true;
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return false;
}

void Process::send(int signal) {
  if (running()) kill(pid_, signal);
}

int Process::wait() {
  while (running()) std::this_thread::sleep_for(kPause);
  return status_;
}

std::string Process::output() const { return read_file(log_path_); }

CommandResult run_command(const std::vector<std::string>& argv, std::chrono::seconds limit) {
  const TempDir dir;
  Process process(argv, dir / "output");
  if (!eventually([&] { return !process.running(); }, limit)) {
    process.send(SIGKILL);
    return {.exit_code = process.wait(), .output = process.output() + "\n(killed: it took too long)"};
  }
  return {.exit_code = process.wait(), .output = process.output()};
}

bool eventually(const std::function<bool()>& condition, std::chrono::seconds limit) {
  const auto end = Steady::now() + limit;
  while (!condition()) {
    if (Steady::now() >= end) return false;
    std::this_thread::sleep_for(kPause);
  }
  return true;
}

uint16_t free_port() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  close(fd);
  return ntohs(address.sin_port);
}

void write_file(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

}  // namespace cloudless::testing

#include "apiserver/cluster.hpp"

#include <csignal>
#include <cstdlib>
#include <filesystem>

namespace cloudless::testing {

namespace {

constexpr std::chrono::seconds kStartLimit{60};
constexpr std::chrono::seconds kCommandLimit{120};

// The folder of this test program, where the product's stands too.
std::filesystem::path build_folder() { return std::filesystem::read_symlink("/proc/self/exe").parent_path(); }

}  // namespace

Cluster::Cluster() : port_(free_port()) { start(); }

void Cluster::start() {
  const std::string log = dir_ / "up.log";
  std::filesystem::remove(log);
  up_ = std::make_unique<Process>(
      std::vector<std::string>{build_folder() / "cloudless", "up", "--disable-agent", "--data-dir",
                               dir_ / "data", "--node-ip", "127.0.0.1", "--secure-port",
                               std::to_string(port_)},
      log);
  const bool ready = eventually(
      [&] { return !up_->running() || up_->output().contains("The cluster is ready"); }, kStartLimit);
  if (!ready || !up_->running()) FAIL() << "the control plane did not start:\n" << up_->output();
}

void Cluster::kill() {
  up_->send(SIGKILL);
  up_->wait();
}

std::string Cluster::file(const std::string& name, const std::string& content) const {
  write_file(dir_ / name, content);
  return dir_ / name;
}

std::vector<std::string> Cluster::argv(const std::string& line, const std::string& input_path) const {
  const char* path = std::getenv("PATH");
  const std::filesystem::path clients = build_folder().parent_path() / "clients";
  return {"env",
          "PATH=" + clients.string() + ":" + (path ? path : "/usr/bin:/bin"),
          "KUBECONFIG=" + kubeconfig(),
          "HOME=" + dir_.path(),
          "CLIENTS=" + clients.string(),
          "sh",
          "-c",
          "cd \"$HOME\" && exec < " + input_path + "\n" + line};
}

CommandResult Cluster::shell(const std::string& line, const std::string& input) const {
  const std::string input_path = file("input-" + std::to_string(count_++), input);
  return run_command(argv(line, input_path), kCommandLimit);
}

CommandResult Cluster::kubectl(const std::string& arguments, const std::string& input) const {
  return shell(program_ + " " + arguments, input);
}

std::string Cluster::ok(const std::string& arguments, const std::string& input) const {
  const CommandResult result = kubectl(arguments, input);
  EXPECT_EQ(result.exit_code, 0) << program_ << " " << arguments << "\n" << result.output;
  return result.output;
}

std::string Cluster::fails(const std::string& arguments, const std::string& input) const {
  const CommandResult result = kubectl(arguments, input);
  EXPECT_NE(result.exit_code, 0) << program_ << " " << arguments << "\n" << result.output;
  return result.output;
}

void Cluster::await(const std::string& arguments, const std::string& wanted) const {
  std::string last;
  const auto holds = [&] { return (last = kubectl(arguments).output) == wanted; };
  EXPECT_TRUE(eventually(holds)) << program_ << " " << arguments << "\nprinted: " << last
                                 << "\nwanted: " << wanted;
}

std::unique_ptr<Process> Cluster::background(const std::string& line) const {
  return std::make_unique<Process>(argv("exec " + line, "/dev/null"),
                                   path("background-" + std::to_string(count_++)));
}

}  // namespace cloudless::testing

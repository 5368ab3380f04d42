// What the tests of etcd's API share: a store served in this process, real etcd servers, and etcdctl.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "etcd/server.hpp"
#include "store/open.hpp"
#include "support/process.hpp"

namespace cloudless::etcd::testing {

using cloudless::testing::CommandResult;
using cloudless::testing::eventually;
using cloudless::testing::Process;
using cloudless::testing::TempDir;

/// A store in this process behind etcd's API, on a port of its own.
class ServedStore {
 public:
  explicit ServedStore(store::Options options = {.endpoint = "memory://"}, ServerOptions server = {},
                       std::vector<std::string> listen = {"127.0.0.1:0"}) {
    auto opened = store::open_store(std::move(options), clock_, random_, Logger());
    if (!opened) throw std::runtime_error(opened.error().message);
    store_ = std::move(*opened);
    server.listen = std::move(listen);
    server_ = std::make_unique<Server>(std::move(server), *store_, thread_.loop(), registry_, Logger());
    if (const auto started = server_->start(); !started) throw std::runtime_error(started.error().message);
  }
  ~ServedStore() {
    server_.reset();
    store_.reset();
  }

  std::string endpoint() const { return "127.0.0.1:" + std::to_string(server_->ports().at(0)); }
  store::Store& store() { return *store_; }
  runtime::EventLoop& loop() { return thread_.loop(); }
  metrics::Registry& registry() { return registry_; }

 private:
  SystemClock clock_;
  SystemRandom random_;
  metrics::Registry registry_;
  runtime::LoopThread thread_{"etcd-test"};
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Server> server_;
};

/// Debian's etcdctl against an endpoint.
class Etcdctl {
 public:
  explicit Etcdctl(std::string endpoint, std::vector<std::string> flags = {})
      : endpoint_(std::move(endpoint)), flags_(std::move(flags)) {
    setenv("ETCDCTL_API", "3", 1);
  }

  std::vector<std::string> argv(const std::vector<std::string>& words) const {
    std::vector<std::string> all = {"etcdctl", "--endpoints=" + endpoint_};
    all.insert(all.end(), flags_.begin(), flags_.end());
    all.insert(all.end(), words.begin(), words.end());
    return all;
  }
  CommandResult run(const std::vector<std::string>& words,
                    std::chrono::seconds limit = std::chrono::seconds(60)) const {
    return cloudless::testing::run_command(argv(words), limit);
  }
  /// What it prints; its words must succeed.
  std::string operator()(const std::vector<std::string>& words) const {
    const CommandResult result = run(words);
    EXPECT_EQ(result.exit_code, 0) << result.output;
    return result.output;
  }
  /// The same with something on standard input.
  std::string with_input(const std::string& input, const std::vector<std::string>& words) const {
    const TempDir dir;
    cloudless::testing::write_file(dir / "input", input);
    std::vector<std::string> shell = {"sh", "-c", "exec \"$@\" < \"$0\"", dir / "input"};
    const std::vector<std::string> command = argv(words);
    shell.insert(shell.end(), command.begin(), command.end());
    return cloudless::testing::run_command(shell).output;
  }

 private:
  const std::string endpoint_;
  const std::vector<std::string> flags_;
};

/// Debian's etcd, one member, in a folder of its own.
class RealEtcd {
 public:
  RealEtcd() { start(); }
  /// On the data of a snapshot, by etcdctl.
  explicit RealEtcd(const std::string& snapshot) {
    const CommandResult restored = cloudless::testing::run_command(
        {"env", "ETCDCTL_API=3", "etcdctl", "snapshot", "restore", snapshot, "--data-dir", dir_ / "data",
         "--name", "default", "--initial-advertise-peer-urls", peer_url(), "--initial-cluster",
         "default=" + peer_url()});
    if (restored.exit_code != 0) throw std::runtime_error("etcdctl cannot restore: " + restored.output);
    start();
  }

  std::string endpoint() const { return "127.0.0.1:" + std::to_string(port_); }
  /// Ends it and starts it again on the same data and port.
  void restart() {
    process_.reset();
    start();
  }

 private:
  std::string peer_url() const { return "http://127.0.0.1:" + std::to_string(peer_port_); }
  void start() {
    const std::string client = "http://" + endpoint();
    const std::string peer = peer_url();
    process_ = std::make_unique<Process>(
        std::vector<std::string>{"etcd", "--data-dir", dir_ / "data", "--listen-client-urls", client,
                                 "--advertise-client-urls", client, "--listen-peer-urls", peer,
                                 "--initial-advertise-peer-urls", peer, "--initial-cluster",
                                 "default=" + peer, "--log-level", "error", "--logger", "zap"},
        dir_ / "log");
    const Etcdctl ctl(endpoint());
    if (!eventually([&] { return ctl.run({"endpoint", "health"}).exit_code == 0; })) {
      throw std::runtime_error("etcd does not start: " + process_->output());
    }
  }

  const TempDir dir_;
  const uint16_t port_ = cloudless::testing::free_port();
  const uint16_t peer_port_ = cloudless::testing::free_port();
  std::unique_ptr<Process> process_;
};

}  // namespace cloudless::etcd::testing

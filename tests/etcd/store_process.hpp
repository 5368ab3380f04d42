// `cloudless store` as a process of its own, on a SQLite file, behind a Unix socket.
#pragma once

#include <filesystem>
#include <memory>

#include "etcd/kv_client.hpp"
#include "support/process.hpp"

namespace cloudless::etcd::testing {

class StoreProcess {
 public:
  /// Starts it on the file `database`, with its socket and log in `scratch`. A port would be another's by the
  /// time it is used.
  StoreProcess(const std::string& database, const cloudless::testing::TempDir& scratch,
               const std::vector<std::string>& flags = {})
      : socket_(fmt::format("{}/{}.sock", scratch.path(), ++started_)),
        process_(argv(database, flags), scratch / fmt::format("{}.log", started_)) {}

  /// True once it answers; false where it has ended instead.
  bool serves() {
    bool answered = false;
    const bool settled = cloudless::testing::eventually([&] {
      if (!process_.running()) return true;
      answered = std::filesystem::exists(socket_) &&
                 !KvClient(endpoint(), std::chrono::seconds(5)).get("ready").starts_with("error");
      return answered;
    });
    return settled && answered;
  }
  /// "unix:/path", as the gRPC library writes it.
  std::string endpoint() const { return "unix:" + socket_; }
  std::string output() const { return process_.output(); }
  bool running() { return process_.running(); }
  /// The exit status, or 128 + signal.
  int wait() { return process_.wait(); }
  void kill(int signal) {
    process_.send(signal);
    process_.wait();
  }

 private:
  // The program of the build that this test is of.
  static std::string program() {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "cloudless-store";
  }
  std::vector<std::string> argv(const std::string& database, const std::vector<std::string>& flags) const {
    std::vector<std::string> words{program(),
                                   "store",
                                   "--endpoint",
                                   "sqlite://" + database,
                                   "--listen-address",
                                   "unix://" + socket_,
                                   "--metrics-bind-address",
                                   "0"};
    words.insert(words.end(), flags.begin(), flags.end());
    return words;
  }

  static inline int started_ = 0;
  const std::string socket_;
  cloudless::testing::Process process_;
};

}  // namespace cloudless::etcd::testing

// Cluster: a control plane of its own (`cloudless up --disable-agent`), and the real clients that speak to
// it.
//
//     Cluster cluster;
//     cluster.ok("create configmap a --from-literal=k=v");      // kubectl, as a shell takes it
//     cluster.fails("get cm b");                                // its words
//     cluster.kill(); cluster.start();                          // the same data again
//
// Everything lies in a folder that goes with it; the port was free a moment ago.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "support/process.hpp"

namespace cloudless::testing {

class Cluster {
 public:
  /// Returns when the API answers; a failure to start fails the test with what the program printed.
  Cluster();

  void start();
  /// By SIGKILL, as a power cut ends it.
  void kill();

  std::string server() const { return "https://127.0.0.1:" + std::to_string(port_); }
  std::string kubeconfig() const { return dir_ / "data/admin.conf"; }
  std::string pki(const std::string& file) const { return dir_ / "data/pki/" + file; }
  /// A file of this test's own, with `content`; its path.
  std::string file(const std::string& name, const std::string& content) const;
  std::string path(const std::string& name) const { return dir_ / name; }
  const Process& process() const { return *up_; }

  /// A line for sh with KUBECONFIG and the clients' folder in PATH, in the test's folder; `input` is its
  /// standard input.
  CommandResult shell(const std::string& line, const std::string& input = "") const;
  CommandResult kubectl(const std::string& arguments, const std::string& input = "") const;
  /// What a kubectl that succeeds prints; fails the test when it does not.
  std::string ok(const std::string& arguments, const std::string& input = "") const;
  /// What a kubectl that fails prints; fails the test when it succeeds.
  std::string fails(const std::string& arguments, const std::string& input = "") const;
  /// Waits until kubectl prints exactly `wanted`; fails the test with the last output.
  void await(const std::string& arguments, const std::string& wanted) const;
  /// A kubectl (or another client) that goes on running; its output is in the Process.
  std::unique_ptr<Process> background(const std::string& line) const;

  /// The kubectl that all of these use: "kubectl" (1.35) or "kubectl-1.32".
  void use(std::string program) { program_ = std::move(program); }

 private:
  std::vector<std::string> argv(const std::string& line, const std::string& input_path) const;

  TempDir dir_;
  uint16_t port_;
  std::string program_ = "kubectl";
  std::unique_ptr<Process> up_;
  mutable int count_ = 0;
};

}  // namespace cloudless::testing

// Lan: network namespaces for tests with real packets, removed with the object. Names carry the process's
// id, so that test programs may run side by side.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "net/address.hpp"

namespace cloudless::network::testing {

/// True where namespaces and nft can be used; tests that need them skip otherwise.
bool can_use_namespaces();

class Lan {
 public:
  Lan() = default;
  Lan(const Lan&) = delete;
  Lan& operator=(const Lan&) = delete;
  ~Lan();

  /// A new namespace; the path that it is bound to. Failures are test failures.
  std::string add(const std::string& name);
  /// A cable between two namespaces: the ends are named and addressed ("192.0.2.1/24", "" for none).
  void connect(const std::string& a, const std::string& a_interface, const std::string& a_address,
               const std::string& b, const std::string& b_interface, const std::string& b_address);
  /// Runs a shell command in the namespace; its output, trimmed. A failure is a test failure.
  std::string sh(const std::string& netns, const std::string& command);
  /// The same, and its exit status alone.
  int status(const std::string& netns, const std::string& command);

 private:
  std::vector<std::string> paths_;
};

/// Answers connections (TCP) or datagrams (UDP) in a namespace with "<label> <address of the peer>", on all
/// addresses of both families.
class Responder {
 public:
  enum class Transport { kTcp, kUdp };
  Responder(const std::string& netns, Transport transport, uint16_t port, std::string label);
  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;
  ~Responder();

 private:
  void serve();
  int fd_ = -1;
  const Transport transport_;
  const std::string label_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

/// What a Responder says to a client in that namespace; "" and errno in words on failure ("refused",
/// "timeout", "unreachable").
std::string ask(const std::string& netns, const std::string& address, uint16_t port,
                Responder::Transport transport = Responder::Transport::kTcp);

}  // namespace cloudless::network::testing

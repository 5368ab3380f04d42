// Announcer: answers for addresses on the links of this machine without configuring them, and tells the links
// when it takes one over. It follows interfaces as they come and go.
//
// Used on its loop's thread.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "net/address.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/scope.hpp"

namespace cloudless::lb {

/// Addresses and the interfaces to announce them on; no interface named: all.
using AnnouncedAddresses = std::map<net::IpAddress, std::set<std::string>>;

class Announcer {
 public:
  /// `excluded`: shell patterns of interfaces that are never used.
  Announcer(std::vector<std::string> excluded, runtime::EventLoop& loop, Logger log);
  ~Announcer();

  /// kPermissionDenied where packets cannot be sent as we like (CAP_NET_RAW).
  runtime::Task<Result<>> start();
  runtime::Task<void> stop();

  /// Replaces what is announced. What is new is told to the links at once and again a few times, as one
  /// packet may be lost; what is gone is not answered for any more.
  void set(AnnouncedAddresses addresses);
  /// Tells the links of everything again: somebody else may have announced it meanwhile.
  void repeat();

  /// The names of the interfaces in use.
  std::vector<std::string> interfaces() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cloudless::lb

// DeathAnnouncer: writes which nodes gossip calls dead (gossip/death_report.hpp) onto this node's own Node
// object, as the annotation controllers/node_lifecycle.hpp reads. A node may write no other Node
// (NodeRestriction), so the condition is left to the controller manager, wherever it runs.
#pragma once

#include <memory>
#include <string>

#include "base/log.hpp"
#include "client/informers.hpp"
#include "gossip/death_report.hpp"
#include "runtime/channel.hpp"

namespace cloudless::cli {

class DeathAnnouncer {
 public:
  static constexpr Duration kRetry = std::chrono::milliseconds(500);

  /// All references outlive the task that run() is.
  DeathAnnouncer(std::string node_name, gossip::AtHalf at_half, client::Informers& informers,
                 gossip::Membership& membership, Logger log);
  /// Until cancelled.
  runtime::Task<void> run();

 private:
  runtime::Task<Result<>> announce(const std::string& wanted);
  runtime::Task<Result<>> wait(SteadyTime now);

  const std::string node_name_;
  gossip::DeathReport report_;
  client::Informers& informers_;
  gossip::Membership& membership_;
  Logger log_;
  std::string announced_;
  std::shared_ptr<runtime::Signal> changed_ = std::make_shared<runtime::Signal>();
  std::shared_ptr<void> subscription_;
};

}  // namespace cloudless::cli

// Leader election on a coordination.k8s.io Lease, compatible with client-go's (tools/leaderelection): among
// processes of both kinds one leads.
//
// A candidate trusts its own clock alone: a lease counts as expired once the candidate has seen the same
// record for its whole duration. The leader gives up when it could not renew for kRenewDeadline, which is
// shorter than kLeaseDuration, so two never lead at once while clocks run at the same speed.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/log.hpp"
#include "base/random.hpp"
#include "client/client.hpp"

namespace cloudless::client {

struct LeaderElectionOptions {
  std::string ns = "kube-system";
  std::string lease_name;
  std::string identity;  // unique among the candidates: host name and a uuid
  Duration lease_duration = std::chrono::seconds(15);
  Duration renew_deadline = std::chrono::seconds(10);
  Duration retry_period = std::chrono::seconds(2);
};

/// The fields of a Lease that the election is about.
struct LeaseRecord {
  std::string holder;
  int32_t duration_seconds = 0;
  std::optional<WallTime> acquire_time;
  std::optional<WallTime> renew_time;
  int32_t transitions = 0;

  friend bool operator==(const LeaseRecord&, const LeaseRecord&) = default;
};

/// What a candidate has seen of the lease.
struct LeaseObservation {
  LeaseRecord record;
  SteadyTime since;  // when this very record was first seen
};

/// The record to write in order to acquire or renew, or nothing while another holds the lease.
std::optional<LeaseRecord> plan_lease(const LeaderElectionOptions& options,
                                      const std::optional<LeaseObservation>& seen, SteadyTime now,
                                      WallTime wall);

class LeaderElector {
 public:
  LeaderElector(const Client& client, LeaderElectionOptions options, Random& random, Logger log);

  /// Waits to lead, runs `lead` (cancelled when the lease is lost), and returns: with `lead`'s end when this
  /// task is cancelled (the lease is then released), or with kUnavailable when the lease was lost.
  runtime::Task<Result<>> run(std::function<runtime::Task<void>()> lead);

  bool leads() const { return leads_; }

 private:
  runtime::Task<Result<bool>> try_acquire_or_renew();
  runtime::Task<Result<>> release();
  runtime::Task<void> renew_until_lost(runtime::CancelState& lost);

  const Client& client_;
  const LeaderElectionOptions options_;
  Random& random_;
  Logger log_;
  bool leads_ = false;
  std::optional<LeaseObservation> seen_;
};

}  // namespace cloudless::client

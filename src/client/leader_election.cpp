#include "client/leader_election.hpp"

#include "api/coordination_v1.hpp"
#include "runtime/scope.hpp"
#include "runtime/timer.hpp"

namespace cloudless::client {

using api::coordination::v1::Lease;

namespace {

LeaseRecord record_of(const Lease& lease) {
  LeaseRecord record;
  record.holder = lease.spec.holderIdentity.value_or("");
  record.duration_seconds = lease.spec.leaseDurationSeconds.value_or(0);
  record.transitions = lease.spec.leaseTransitions.value_or(0);
  record.acquire_time = lease.spec.acquireTime;
  record.renew_time = lease.spec.renewTime;
  return record;
}

void put_record(const LeaseRecord& record, Lease& lease) {
  lease.spec.holderIdentity = record.holder;
  lease.spec.leaseDurationSeconds = record.duration_seconds;
  lease.spec.leaseTransitions = record.transitions;
  lease.spec.acquireTime = record.acquire_time;
  lease.spec.renewTime = record.renew_time;
}

}  // namespace

std::optional<LeaseRecord> plan_lease(const LeaderElectionOptions& options,
                                      const std::optional<LeaseObservation>& seen, SteadyTime now,
                                      WallTime wall) {
  LeaseRecord record{.holder = options.identity,
                     .duration_seconds = static_cast<int32_t>(
                         std::chrono::duration_cast<std::chrono::seconds>(options.lease_duration).count()),
                     .acquire_time = wall,
                     .renew_time = wall};
  if (!seen) return record;
  const bool ours = seen->record.holder == options.identity;
  const bool released = seen->record.holder.empty();
  const bool expired = now >= seen->since + std::chrono::seconds(seen->record.duration_seconds);
  if (!ours && !released && !expired) return std::nullopt;
  record.transitions = seen->record.transitions + (ours ? 0 : 1);
  if (ours) record.acquire_time = seen->record.acquire_time;
  return record;
}

LeaderElector::LeaderElector(const Client& client, LeaderElectionOptions options, Random& random, Logger log)
    : client_(client), options_(std::move(options)), random_(random), log_(std::move(log)) {}

runtime::Task<Result<bool>> LeaderElector::try_acquire_or_renew() {
  const runtime::TaskContext context = co_await runtime::current_context();
  const Clock& clock = context.executor->clock();
  auto found = co_await client_.get<Lease>(options_.ns, options_.lease_name);
  if (!found && found.error().code != Code::kNotFound) co_return std::unexpected(found.error());
  if (found) {
    const LeaseRecord record = record_of(*found);
    if (!seen_ || seen_->record != record) seen_ = {record, clock.steady_now()};
  } else {
    seen_.reset();
  }
  const auto wanted = plan_lease(options_, seen_, clock.steady_now(), clock.wall_now());
  if (!wanted) co_return false;
  Lease lease = found ? std::move(*found) : Lease();
  lease.metadata.namespace_ = options_.ns;
  lease.metadata.name = options_.lease_name;
  put_record(*wanted, lease);
  const bool is_new = lease.metadata.resourceVersion.empty();
  const SteadyTime asked = clock.steady_now();
  const Lease written = CO_TRY(is_new ? co_await client_.create(lease) : co_await client_.update(lease));
  seen_ = {record_of(written), asked};
  co_return true;
}

runtime::Task<Result<>> LeaderElector::release() {
  Lease lease = CO_TRY(co_await client_.get<Lease>(options_.ns, options_.lease_name));
  if (lease.spec.holderIdentity.value_or("") != options_.identity) co_return {};
  lease.spec.holderIdentity = "";
  lease.spec.leaseDurationSeconds = 1;
  CO_TRY(co_await client_.update(lease));
  co_return {};
}

runtime::Task<void> LeaderElector::renew_until_lost(runtime::CancelState& lost) {
  const runtime::TaskContext context = co_await runtime::current_context();
  const Clock& clock = context.executor->clock();
  SteadyTime renewed = clock.steady_now();
  while (co_await runtime::sleep_for(options_.retry_period)) {
    const Duration left = renewed + options_.renew_deadline - clock.steady_now();
    const Result<bool> held = left <= Duration(0) ? Result<bool>(false)
                                                  : co_await runtime::with_timeout(left, "renewing the lease",
                                                                                   try_acquire_or_renew());
    if (held && *held) {
      renewed = clock.steady_now();
    } else if (held || clock.steady_now() - renewed >= options_.renew_deadline) {
      lost.cancel();
      co_return;
    }
  }
}

runtime::Task<Result<>> LeaderElector::run(std::function<runtime::Task<void>()> lead) {
  const runtime::TaskContext context = co_await runtime::current_context();
  for (;;) {
    const Result<bool> held = co_await try_acquire_or_renew();
    if (held && *held) break;
    if (!held) log_.debug("the lease cannot be read or written", {{"error", held.error()}});
    // Jitter keeps candidates from asking in step (client-go's JitterFactor, 1.2).
    const auto jitter =
        static_cast<int64_t>(static_cast<double>(options_.retry_period.count()) * 1.2 * random_.fraction());
    CO_TRY(co_await runtime::sleep_for(options_.retry_period + Duration(jitter)));
  }
  log_.info("became the leader", {{"lease", options_.lease_name}, {"identity", options_.identity}});
  leads_ = true;
  runtime::CancelState lost;
  {
    const runtime::LinkedCancel link(context.cancel, lost);
    runtime::TaskScope renewing(*context.executor, log_);
    renewing.spawn(renew_until_lost(lost));
    co_await runtime::run_in({context.executor, &lost}, lead());
    renewing.cancel();
    co_await renewing.join();
  }
  leads_ = false;
  if (!context.cancelled() && lost.cancelled()) {
    log_.warn("no longer the leader", {{"lease", options_.lease_name}});
    co_return fail(Code::kUnavailable, "the lease {} was lost", options_.lease_name);
  }
  // The caller's cancellation must not keep us from handing the lease on.
  static_cast<void>(co_await runtime::run_in(
      {context.executor, nullptr},
      runtime::with_timeout(options_.retry_period, "releasing the lease", release())));
  co_return {};
}

}  // namespace cloudless::client

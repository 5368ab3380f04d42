#include "cli/death_announcer.hpp"

#include <boost/json.hpp>

#include "base/strings.hpp"
#include "controllers/node_lifecycle.hpp"
#include "runtime/timer.hpp"

namespace cloudless::cli {

namespace json = boost::json;
using api::core::v1::Node;
using runtime::Task;

DeathAnnouncer::DeathAnnouncer(std::string node_name, gossip::AtHalf at_half, client::Informers& informers,
                               gossip::Membership& membership, Logger log)
    : node_name_(std::move(node_name)),
      report_(at_half),
      informers_(informers),
      membership_(membership),
      log_(std::move(log)),
      subscription_(membership.subscribe([changed = changed_] { changed->notify(); })) {}

Task<void> DeathAnnouncer::run() {
  auto& nodes = informers_.of<Node>();
  if (!co_await nodes.wait_synced()) co_return;
  // What an earlier life has left is taken back, too.
  if (const auto self = nodes.cache().get(node_name_)) {
    const auto left = self->metadata.annotations.find(controllers::kDeadNodesAnnotation);
    if (left != self->metadata.annotations.end()) announced_ = left->second;
  }
  for (;;) {
    const SteadyTime now = (co_await runtime::current_context()).executor->clock().steady_now();
    const std::string wanted = join(report_.look(*membership_.view(), now), ",");
    if (wanted == announced_) {
      if (!co_await wait(now)) co_return;
      continue;
    }
    const Result<> done = co_await announce(wanted);
    if (done) continue;
    log_.warn("the API is not told yet which nodes are dead", {{"nodes", wanted}, {"error", done.error()}});
    if (!co_await runtime::sleep_for(kRetry)) co_return;
  }
}

// For a change of the view, or until it counts as settled.
Task<Result<>> DeathAnnouncer::wait(SteadyTime now) {
  const auto settles = report_.settles_in(now);
  if (!settles) co_return co_await changed_->wait();
  const auto waited = co_await runtime::with_timeout(*settles, "the view to settle", changed_->wait());
  if (!waited && waited.error().code == Code::kDeadlineExceeded) co_return {};
  co_return waited;
}

Task<Result<>> DeathAnnouncer::announce(const std::string& wanted) {
  const json::value value = wanted.empty() ? json::value(nullptr) : json::value(wanted);
  const json::object patch{
      {"metadata", json::object{{"annotations", json::object{{controllers::kDeadNodesAnnotation, value}}}}}};
  CO_TRY(co_await informers_.client().patch<Node>("", node_name_, client::PatchType::kMerge,
                                                  json::serialize(patch)));
  log_.info("the API is told which nodes are dead", {{"nodes", wanted.empty() ? "none" : wanted}});
  announced_ = wanted;
  co_return {};
}

}  // namespace cloudless::cli

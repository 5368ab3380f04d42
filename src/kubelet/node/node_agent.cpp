#include "kubelet/node/node_agent.hpp"

#include <algorithm>

#include "api/coordination_v1.hpp"
#include "kubelet/node/node_status.hpp"
#include "runtime/timer.hpp"

namespace cloudless::kubelet {

namespace coordination = api::coordination::v1;
using client::EventLevel;

namespace {

constexpr const char* kLeaseNamespace = "kube-node-lease";

bool is_ready(const core::NodeStatus& status) {
  return std::ranges::any_of(status.conditions, [](const core::NodeCondition& condition) {
    return condition.type == "Ready" && condition.status == "True";
  });
}

}  // namespace

NodeAgent::NodeAgent(const Options& options, const Machine& machine, const client::Client& client,
                     cri::RuntimeService& runtime, cri::ImageService& images, Random& random,
                     EventSink record, Logger log)
    : options_(options),
      machine_(machine),
      client_(client),
      runtime_(runtime),
      images_(images),
      record_(std::move(record)),
      log_(log),
      informer_(client, client::resource_of<core::Node>(),
                {.field_selector = "metadata.name=" + options.node_name}, random, log) {
  informer_.add_handler([this](const auto&, const auto& now) { on_node(now); });
}

void NodeAgent::on_pod_cidrs(std::function<void(const std::vector<std::string>&)> callback) {
  if (!pod_cidrs_.empty()) callback(pod_cidrs_);
  callbacks_.push_back(std::move(callback));
}

void NodeAgent::on_node(const std::shared_ptr<const core::Node>& node) {
  if (!node) return;
  std::vector<std::string> cidrs = node->spec.podCIDRs;
  if (cidrs.empty() && !node->spec.podCIDR.empty()) cidrs.push_back(node->spec.podCIDR);
  if (cidrs.empty() || cidrs == pod_cidrs_) return;
  pod_cidrs_ = std::move(cidrs);
  for (const auto& callback : callbacks_) callback(pod_cidrs_);
}

client::EventText NodeAgent::event(std::string reason, std::string message) const {
  // Node events name the node as their uid, as upstream's do.
  return {
      .about = {.api_version = "v1", .kind = "Node", .name = options_.node_name, .uid = options_.node_name},
      .level = EventLevel::kNormal,
      .reason = std::move(reason),
      .message = std::move(message)};
}

void NodeAgent::start(runtime::TaskScope& scope) {
  scope_ = &scope;
  scope.spawn(run());
}

runtime::Task<void> NodeAgent::run() {
  Duration retry = kRetry;
  for (;;) {
    const Result<> registered = co_await register_node();
    if (registered) break;
    if (registered.error().code == Code::kCancelled) co_return;
    log_.info("cannot register the node yet", {{"error", registered.error()}});
    if (!co_await runtime::sleep_for(retry)) co_return;
    retry = std::min(retry * 2, kMaxRetry);
  }
  record_(event("Starting", "Starting kubelet."));
  scope_->spawn(informer_.run());
  scope_->spawn(keep_lease());
  co_await keep_status();
}

runtime::Task<Result<>> NodeAgent::register_node() {
  const auto version = CO_TRY(co_await runtime_.version());
  runtime_version_ = version.runtime_name + "://" + version.runtime_version;
  core::Node node = make_node(options_, machine_);
  fill_node_status({.options = options_,
                    .machine = machine_,
                    .runtime_version = runtime_version_,
                    .runtime = co_await runtime_.status(),
                    .now = scope_->executor().clock().wall_now()},
                   node.status);
  const auto created = co_await client_.create(node);
  if (created) {
    uid_ = created->metadata.uid;
    co_return {};
  }
  if (created.error().code != Code::kAlreadyExists) co_return std::unexpected(created.error());
  core::Node present = CO_TRY(co_await client_.get<core::Node>("", options_.node_name));
  uid_ = present.metadata.uid;
  const auto before = present.metadata.labels;
  for (const auto& [name, value] : node.metadata.labels) present.metadata.labels[name] = value;
  if (present.metadata.labels != before) CO_TRY(co_await client_.update(present));
  co_return {};
}

// Looks and writes; the next look is soon until the node is Ready.
runtime::Task<void> NodeAgent::keep_status() {
  for (;;) {
    const Result<bool> ready = co_await look();
    if (!ready && ready.error().code == Code::kCancelled) co_return;
    if (!ready) log_.warn("cannot report the node's status yet", {{"error", ready.error()}});
    if (!co_await runtime::sleep_for(ready && *ready ? kLook : kLookUntilReady)) co_return;
  }
}

// True where the node is Ready.
runtime::Task<Result<bool>> NodeAgent::look() {
  const Clock& clock = scope_->executor().clock();
  const auto cached = informer_.cache().get("", options_.node_name);
  core::Node node = cached ? *cached : CO_TRY(co_await client_.get<core::Node>("", options_.node_name));
  NodeInput input{.options = options_,
                  .machine = machine_,
                  .runtime_version = runtime_version_,
                  .runtime = co_await runtime_.status(),
                  .now = clock.wall_now()};
  if (auto images = co_await images_.list_images()) input.images = std::move(*images);
  // Whoever took this node for dead has said so in its status; that is to be taken back at once.
  const bool is_overruled = reported_ && is_ready(*reported_) != is_ready(node.status);
  if (reported_) node.status.conditions = reported_->conditions;
  fill_node_status(input, node.status);
  const bool ready = is_ready(node.status);
  const bool is_due = !reported_ || is_overruled || clock.steady_now() - reported_at_ >= kReport;
  if (!is_due && !differ(*reported_, node.status)) co_return ready;

  auto written = co_await client_.update_status(node);
  if (!written && written.error().code == Code::kConflict) {
    core::Node fresh = CO_TRY(co_await client_.get<core::Node>("", options_.node_name));
    fill_node_status(input, fresh.status);
    written = co_await client_.update_status(fresh);
  }
  if (!written) co_return std::unexpected(written.error());
  if (ready && (!reported_ || !is_ready(*reported_)))
    record_(event("NodeReady", "Node " + options_.node_name + " status is now: NodeReady"));
  reported_ = node.status;
  reported_at_ = clock.steady_now();
  co_return ready;
}

runtime::Task<void> NodeAgent::keep_lease() {
  for (;;) {
    const Result<> renewed = co_await renew_lease();
    if (!renewed && renewed.error().code == Code::kCancelled) co_return;
    if (!renewed) log_.warn("cannot renew the node's lease", {{"error", renewed.error()}});
    if (!co_await runtime::sleep_for(renewed ? kRenew : kRetry)) co_return;
  }
}

runtime::Task<Result<>> NodeAgent::renew_lease() {
  coordination::Lease lease;
  auto present = co_await client_.get<coordination::Lease>(kLeaseNamespace, options_.node_name);
  if (!present && present.error().code != Code::kNotFound) co_return std::unexpected(present.error());
  const bool is_new = !present;
  if (present) lease = std::move(*present);
  lease.metadata.name = options_.node_name;
  lease.metadata.namespace_ = kLeaseNamespace;
  lease.spec.holderIdentity = options_.node_name;
  lease.spec.leaseDurationSeconds = kLeaseSeconds;
  lease.spec.renewTime = scope_->executor().clock().wall_now();
  if (lease.metadata.ownerReferences.empty() && !uid_.empty()) {
    auto& owner = lease.metadata.ownerReferences.emplace_back();
    owner.apiVersion = "v1";
    owner.kind = "Node";
    owner.name = options_.node_name;
    owner.uid = uid_;
  }
  if (is_new)
    CO_TRY(co_await client_.create(lease));
  else
    CO_TRY(co_await client_.update(lease));
  co_return {};
}

}  // namespace cloudless::kubelet

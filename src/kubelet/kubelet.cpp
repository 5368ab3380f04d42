#include "kubelet/kubelet.hpp"

#include <algorithm>

#include "base/files.hpp"
#include "kubelet/kubelet_state.hpp"
#include "kubelet/node/node_status.hpp"
#include "runtime/timer.hpp"

namespace cloudless::kubelet {

namespace {

// The safety net under the runtime's events.
constexpr Duration kRelist = std::chrono::seconds(30);
// For a runtime that tells of no events.
constexpr Duration kRelistWithoutEvents = std::chrono::seconds(1);
constexpr Duration kWatchRetry = std::chrono::milliseconds(500);

}  // namespace

Kubelet::State::State(Options node_options, client::Client* api_client, cri::RuntimeService& runtime_service,
                      cri::ImageService& image_service, runtime::WorkerPool& worker_pool, Random& chance,
                      Logger logger)
    : options(std::move(node_options)),
      client(api_client),
      runtime(runtime_service),
      images(image_service),
      pool(worker_pool),
      random(chance),
      log(std::move(logger)) {}

Kubelet::Kubelet(Options options, client::Client* client, cri::RuntimeService& runtime,
                 cri::ImageService& images, runtime::WorkerPool& pool, Random& random, Logger log)
    : state_(std::make_unique<State>(std::move(options), client, runtime, images, pool, random,
                                     std::move(log))) {}
Kubelet::~Kubelet() = default;

Result<> Kubelet::State::prepare() {
  if (options.node_name.empty()) return fail(Code::kInvalid, "the node has no name");
  if (options.node_ips.empty()) return fail(Code::kInvalid, "the node has no address");
  TRY(write_file(options.root_dir + "/.writable", "", 0600));  // fails early and with the reason
  machine = read_machine(options.root_dir);
  facts.memory_capacity_bytes = machine.memory_bytes;
  facts.allocatable = node_allocatable(options, machine);
  if (const auto resolv_conf = read_file(options.resolv_conf))
    facts.host_dns = parse_resolv_conf(*resolv_conf);
  return {};
}

void Kubelet::State::record(client::EventText event) {
  log.debug("event", {{"about", event.about.name}, {"reason", event.reason}, {"message", event.message}});
  if (recorder) recorder->record(std::move(event));
}

void Kubelet::State::wire(runtime::Executor& executor) {
  scope = std::make_unique<runtime::TaskScope>(executor, log);
  const auto sink = [this](client::EventText event) { record(std::move(event)); };
  if (client) {
    recorder =
        std::make_unique<client::EventRecorder>(*client, *scope, random, "kubelet", options.node_name, log);
    pods = std::make_unique<client::Informer<core::Pod>>(
        *client, client::resource_of<core::Pod>(),
        client::InformerOptions{.field_selector = "spec.nodeName=" + options.node_name}, random, log);
    pods->add_handler([this](const auto& before, const auto& now) { on_api_pod(before, now); });
    services = std::make_unique<client::Informer<core::Service>>(
        *client, client::resource_of<core::Service>(), client::InformerOptions(), random, log);
    reporter = std::make_unique<StatusReporter>(
        *client,
        [this](const std::string& ns, const std::string& name) { return pods->cache().get(ns, name); }, log);
    node = std::make_unique<NodeAgent>(options, machine, *client, runtime, images, random, sink, log);
    for (const auto& callback : cidr_callbacks) node->on_pod_cidrs(callback);
    watches = std::make_unique<ObjectWatches>(
        *client, *scope, random, [this](const std::string& uid) { on_objects_changed(uid); }, log);
  }
  objects = std::make_unique<ApiObjects>(client, services.get());
  volumes = std::make_unique<Volumes>(options, *objects, pool);
  puller = std::make_unique<ImagePuller>(images, sink);
  prober = make_prober(runtime, pool, log);
  guard = std::make_unique<AccessGuard>(client, options.node_name, executor.clock(), log);
  shared = std::make_unique<PodServices>(PodServices{
      .options = options,
      .runtime = runtime,
      .images = *puller,
      .volumes = *volumes,
      .objects = *objects,
      .prober = *prober,
      .cgroups = cgroups,
      .pool = pool,
      .scope = *scope,
      .facts = facts,
      .record = sink,
      .report = [this](const core::Pod& pod, const core::PodStatus& status) { on_status(pod, status); },
      .ended = [this](const core::Pod& pod) { on_ended(pod); },
      .log = log});
}

runtime::Task<Result<>> Kubelet::start() {
  State& s = *state_;
  CO_TRY(s.prepare());
  const auto version = co_await s.runtime.version();
  if (!version) co_return wrap(version.error(), "the container runtime does not answer");
  s.wire(*(co_await runtime::current_context()).executor);
  s.scope->spawn(s.follow_runtime());
  s.scope->spawn(s.relist_often());
  s.scope->spawn(s.follow_manifests());
  if (s.client) {
    s.scope->spawn(s.services->run());
    s.scope->spawn(s.pods->run());
    s.scope->spawn(s.reporter->run());
    s.node->start(*s.scope);
    s.scope->spawn(s.end_orphans());
  }
  co_return {};
}

runtime::Task<void> Kubelet::stop() {
  State& s = *state_;
  if (!s.scope) co_return;
  s.scope->cancel();
  co_await s.scope->join();
  s.workers.clear();
  s.shared.reset();
  s.guard.reset();
  s.watches.reset();
  s.node.reset();
  s.reporter.reset();
  s.recorder.reset();
  s.scope.reset();
}

void Kubelet::on_pod_cidrs(std::function<void(const std::vector<std::string>&)> callback) {
  if (state_->node) state_->node->on_pod_cidrs(callback);
  state_->cidr_callbacks.push_back(std::move(callback));
}

net::Handler Kubelet::handler() {
  return [this](net::Request request, net::ResponseWriter& response) {
    return state_->serve(std::move(request), response);
  };
}

// Each event of the runtime leads to one look at all of it, which finds the pods that it concerns.
runtime::Task<void> Kubelet::State::follow_runtime() {
  runtime::Signal changed;
  scope->spawn([](State& self, runtime::Signal& signal) -> runtime::Task<void> {
    for (;;) {
      if (!co_await signal.wait()) co_return;
      if (const Result<> listed = co_await self.relist(); !listed)
        self.log.debug("cannot list containers", {{"error", listed.error()}});
    }
  }(*this, changed));
  for (;;) {
    const Result<> ended = co_await runtime.watch([&changed] { changed.notify(); });
    if (!ended && ended.error().code == Code::kCancelled) break;
    const bool silent = !ended && ended.error().code == Code::kUnimplemented;
    if (!silent) log.debug("the runtime's events have ended", {});
    changed.notify();
    if (!co_await runtime::sleep_for(silent ? kRelistWithoutEvents : kWatchRetry)) break;
  }
}

runtime::Task<void> Kubelet::State::relist_often() {
  for (;;) {
    if (!co_await runtime::sleep_for(kRelist)) co_return;
    (void)co_await relist();
  }
}

runtime::Task<Result<>> Kubelet::State::relist() {
  std::map<std::string, std::string> now;
  for (const cri::Sandbox& sandbox : CO_TRY(co_await runtime.list_sandboxes({})))
    now[sandbox.metadata.uid] += fmt::format("{}={};", sandbox.id, static_cast<int>(sandbox.state));
  for (const cri::Container& container : CO_TRY(co_await runtime.list_containers({})))
    now[label_of(container.labels, kPodUidLabel)] +=
        fmt::format("{}={};", container.id, static_cast<int>(container.state));
  for (const auto& [uid, worker] : workers) {
    const auto before = fingerprints.find(uid);
    const auto after = now.find(uid);
    const std::string_view old = before == fingerprints.end() ? std::string_view() : before->second;
    const std::string_view fresh = after == now.end() ? std::string_view() : after->second;
    if (old != fresh) worker->poke();
  }
  fingerprints = std::move(now);
  co_return {};
}

}  // namespace cloudless::kubelet

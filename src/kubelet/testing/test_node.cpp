#include "kubelet/testing/test_node.hpp"

#include "runtime/timer.hpp"

namespace cloudless::kubelet::testing {

runtime::Task<Result<core::ConfigMap>> MapObjects::config_map(std::string, std::string name) {
  const auto found = config_maps.find(name);
  if (found == config_maps.end()) co_return fail(Code::kNotFound, "configmaps \"{}\" not found", name);
  co_return found->second;
}

runtime::Task<Result<core::Secret>> MapObjects::secret(std::string, std::string name) {
  const auto found = secrets.find(name);
  if (found == secrets.end()) co_return fail(Code::kNotFound, "secrets \"{}\" not found", name);
  co_return found->second;
}

runtime::Task<Result<IssuedToken>> MapObjects::token(const core::Pod& pod, std::string audience,
                                                     int64_t seconds) {
  const WallTime now = (co_await runtime::current_context()).executor->clock().wall_now();
  co_return IssuedToken{"token-of-" + pod.metadata.name + "-for-" + audience,
                        now + std::chrono::seconds(seconds)};
}

TestNode::TestNode(Options node_options, cri::RuntimeService& runtime, cri::ImageService& images,
                   runtime::WorkerPool& pool, runtime::Executor& executor)
    : options(std::move(node_options)),
      runtime_(runtime),
      puller_(images, [this](client::EventText event) { events.push_back(std::move(event)); }),
      volumes_(options, objects, pool),
      prober_(make_prober(runtime, pool, Logger())),
      scope_(executor, Logger()),
      services_{.options = options,
                .runtime = runtime,
                .images = puller_,
                .volumes = volumes_,
                .objects = objects,
                .prober = *prober_,
                .cgroups = cgroups_,
                .pool = pool,
                .scope = scope_,
                .facts = facts_,
                .record = [this](client::EventText event) { events.push_back(std::move(event)); },
                .report =
                    [this](const core::Pod& pod, const core::PodStatus& status) {
                      statuses[pod.metadata.uid] = status;
                      changed_.notify();
                    },
                .ended =
                    [this](const core::Pod& pod) {
                      ended.push_back(pod.metadata.uid);
                      changed_.notify();
                    },
                .log = Logger()} {}

std::shared_ptr<PodWorker> TestNode::add(core::Pod pod) {
  auto worker = std::make_shared<PodWorker>(services_, std::make_shared<const core::Pod>(std::move(pod)));
  workers_.push_back(worker);
  worker->start();
  return worker;
}

void TestNode::follow() { scope_.spawn(watch_runtime()); }

runtime::Task<void> TestNode::watch_runtime() {
  (void)co_await runtime_.watch([this] {
    for (const auto& worker : workers_) worker->poke();
  });
}

runtime::Task<void> TestNode::stop() {
  scope_.cancel();
  co_await scope_.join();
  workers_.clear();
}

runtime::Task<Result<>> TestNode::wait_for(std::function<bool()> condition, Duration limit) {
  const SteadyTime end = scope_.executor().clock().steady_now() + limit;
  while (!condition()) {
    const Duration left = end - scope_.executor().clock().steady_now();
    if (left <= Duration(0)) co_return fail(Code::kDeadlineExceeded, "the condition did not come true");
    // Events and files change without a status, hence the short sleep beside the signal.
    (void)co_await runtime::with_timeout(std::min<Duration>(left, std::chrono::milliseconds(50)), "",
                                         changed_.wait());
  }
  co_return {};
}

std::string TestNode::event_text() const {
  std::string text;
  for (const client::EventText& event : events) text += event.reason + ": " + event.message + "\n";
  return text;
}

}  // namespace cloudless::kubelet::testing

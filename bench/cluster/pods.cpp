#include <fmt/format.h>

#include <unistd.h>

#include "api/core_v1.hpp"
#include "kubelet/cri/cri_client.hpp"
#include "runtime/timer.hpp"
#include "session.hpp"

namespace cloudless::bench {

using api::core::v1::Pod;
using kubelet::cri::CriClient;
using runtime::Task;

namespace {

constexpr int kPods = 15;
// What one pod leaves to be cleaned up must not slow the next one's start.
constexpr Duration kSettle = std::chrono::milliseconds(500);
constexpr std::chrono::seconds kStartLimit{60};
const std::string kNamespace = "default";

Pod make_pod(const std::string& name, const std::string& image) {
  Pod pod;
  pod.metadata.name = name;
  pod.metadata.namespace_ = kNamespace;
  auto& container = pod.spec.containers.emplace_back();
  container.name = "main";
  container.image = image;
  container.imagePullPolicy = "Never";
  return pod;
}

bool is_running(const Pod& pod) {
  return pod.status.phase == "Running" && !pod.status.containerStatuses.empty() &&
         pod.status.containerStatuses[0].ready;
}

Task<Result<>> await_running(client::Watch<Pod>& watch, std::string name) {
  for (;;) {
    const auto event = CO_TRY(co_await watch.next());
    if (!event) co_return fail(Code::kUnavailable, "the watch ended");
    if (event->object.metadata.name == name && is_running(event->object)) co_return {};
  }
}

Task<Result<>> await_gone(client::Watch<Pod>& watch, std::string name) {
  for (;;) {
    const auto event = CO_TRY(co_await watch.next());
    if (!event) co_return fail(Code::kUnavailable, "the watch ended");
    if (event->object.metadata.name == name && event->type == client::EventType::kDeleted) co_return {};
  }
}

// Milliseconds from the create request to the event that says Running.
Task<Result<double>> pod_through_the_api(Session session, std::string name, std::string image) {
  auto watch = CO_TRY(co_await session.client.watch<Pod>(
      kNamespace, {.field_selector = "metadata.name=" + name, .send_initial_events = true}));
  const SteadyTime begin = session.now();
  CO_TRY(co_await session.client.create(make_pod(name, image)));
  CO_TRY(co_await runtime::with_timeout(kStartLimit, "pod " + name, await_running(watch, name)));
  const double elapsed = session.ms_since(begin);
  CO_TRY(co_await session.client.remove<Pod>(kNamespace, name));
  CO_TRY(co_await runtime::with_timeout(kStartLimit, "the end of pod " + name, await_gone(watch, name)));
  co_return elapsed;
}

// The calls that any kubelet makes for such a pod, and nothing else.
Task<Result<double>> pod_by_bare_calls(Session session, CriClient& runtime, std::string name,
                                       std::string image) {
  kubelet::cri::SandboxConfig sandbox;
  sandbox.metadata = {.name = name, .uid = name, .ns = kNamespace, .attempt = 0};
  sandbox.hostname = name;
  sandbox.log_directory = "/tmp/" + name;
  sandbox.seccomp.type = kubelet::cri::SeccompProfile::kRuntimeDefault;
  kubelet::cri::ContainerConfig container;
  container.name = "main";
  container.image = image;
  container.user_specified_image = image;
  container.log_path = "main.log";
  const SteadyTime begin = session.now();
  const std::string sandbox_id = CO_TRY(co_await runtime.run_sandbox(sandbox));
  const std::string id = CO_TRY(co_await runtime.create_container(sandbox_id, container, sandbox));
  CO_TRY(co_await runtime.start_container(id));
  const double elapsed = session.ms_since(begin);
  CO_TRY(co_await runtime.stop_container(id, std::chrono::seconds(0)));
  CO_TRY(co_await runtime.stop_sandbox(sandbox_id));
  CO_TRY(co_await runtime.remove_sandbox(sandbox_id));
  co_return elapsed;
}

}  // namespace

Task<Result<>> measure_pods(Session session, std::string runtime_endpoint, std::string image) {
  CriClient runtime(runtime_endpoint);
  std::vector<double> ours;
  std::vector<double> bare;
  for (int i = 0; i < kPods; ++i) {
    const std::string name = fmt::format("bench-{}-{}", getpid(), i);
    co_await runtime::sleep_for(kSettle);
    bare.push_back(CO_TRY(co_await pod_by_bare_calls(session, runtime, "bare-" + name, image)));
    co_await runtime::sleep_for(kSettle);
    ours.push_back(CO_TRY(co_await pod_through_the_api(session, name, image)));
  }
  fmt::print("{:<40} {:>9.0f} ms\n", "bare CRI calls, median", median(bare));
  fmt::print("{:<40} {:>9.0f} ms {:>7.2f}x\n", "pod created to Running, median", median(ours),
             median(ours) / median(bare));
  co_return {};
}

}  // namespace cloudless::bench

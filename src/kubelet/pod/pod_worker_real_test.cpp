// Pods through a real containerd and runc.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.hpp"
#include "kubelet/testing/pods.hpp"
#include "kubelet/testing/real_runtime.hpp"
#include "kubelet/testing/test_node.hpp"
#include "runtime/timer.hpp"

namespace cloudless::kubelet {
namespace {

using testing::kBusybox;
using testing::make_container;
using testing::make_pod;
using testing::RealRuntime;
using testing::TestNode;

constexpr Duration kPatience = std::chrono::seconds(60);

class RealPods : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (RealRuntime::missing().empty()) real_ = new RealRuntime();
  }
  static void TearDownTestSuite() {
    delete real_;
    real_ = nullptr;
  }
  void SetUp() override {
    if (!real_) GTEST_SKIP() << RealRuntime::missing();
    node_ = make_node();
  }
  void TearDown() override {
    if (node_) real_->run(node_->stop());
  }

  static std::unique_ptr<TestNode> make_node() {
    auto node = std::make_unique<TestNode>(real_->agent_options(), real_->cri(), real_->cri(), real_->pool(),
                                           real_->loop());
    node->follow();
    return node;
  }

  // Starts the pod and waits for `condition` on its status.
  Result<> run_until(const core::Pod& pod, std::function<bool(const core::PodStatus&)> condition) {
    return real_->run([](TestNode& node, core::Pod p,
                         std::function<bool(const core::PodStatus&)> c) -> runtime::Task<Result<>> {
      const std::string uid = p.metadata.uid;
      node.add(std::move(p));
      co_return co_await node.wait_for([&] { return c(node.status(uid)); }, kPatience);
    }(*node_, pod, std::move(condition)));
  }
  // Deletes it as the API would, and waits until nothing is left.
  Result<> remove(core::Pod pod, int64_t grace) {
    pod.metadata.deletionTimestamp = WallTime();
    pod.metadata.deletionGracePeriodSeconds = grace;
    return real_->run([](TestNode& node, core::Pod p) -> runtime::Task<Result<>> {
      const std::string uid = p.metadata.uid;
      node.add(std::move(p));
      co_return co_await node.wait_for([&] { return std::ranges::count(node.ended, uid) > 0; }, kPatience);
    }(*node_, std::move(pod)));
  }
  std::string log_of(const core::Pod& pod, const std::string& container, int attempt = 0) {
    return read_file(fmt::format("{}/{}/{}.log", pod_log_dir(pod, node_->options), container, attempt))
        .value_or("");
  }

  static RealRuntime* real_;
  std::unique_ptr<TestNode> node_;
};

RealRuntime* RealPods::real_ = nullptr;

bool is_ready(const core::PodStatus& status) {
  for (const core::PodCondition& condition : status.conditions) {
    if (condition.type == "Ready") return condition.status == "True";
  }
  return false;
}

TEST_F(RealPods, APodRunsWithItsAddressEnvironmentAndFilesAndLeavesNothingBehind) {
  core::Pod pod = make_pod("web", {make_container("main", kBusybox,
                                                  {"sh", "-c",
                                                   "echo $GREETING from $NAME at $IP; cat /config/key; "
                                                   "cat /etc/hosts; sleep 1000"})});
  core::Container& main = pod.spec.containers[0];
  main.env.resize(3);
  main.env[0].name = "GREETING";
  main.env[0].value = "hello";
  main.env[1].name = "NAME";
  main.env[1].valueFrom.emplace().fieldRef.emplace().fieldPath = "metadata.name";
  main.env[2].name = "IP";
  main.env[2].valueFrom.emplace().fieldRef.emplace().fieldPath = "status.podIP";
  core::Volume& volume = pod.spec.volumes.emplace_back();
  volume.name = "config";
  volume.configMap.emplace().name = "settings";
  core::VolumeMount& mount = main.volumeMounts.emplace_back();
  mount.name = "config";
  mount.mountPath = "/config";
  node_->objects.config_maps["settings"].data["key"] = "from the config map\n";

  const auto running = run_until(pod, is_ready);
  ASSERT_TRUE(running.has_value()) << node_->event_text();
  const core::PodStatus status = node_->status(pod.metadata.uid);
  EXPECT_EQ(status.phase, "Running");
  EXPECT_EQ(status.podIP, testing::kPodIp);
  EXPECT_EQ(status.qosClass, "BestEffort");
  ASSERT_EQ(status.containerStatuses.size(), 1u);
  EXPECT_TRUE(status.containerStatuses[0].state.running);
  EXPECT_TRUE(status.containerStatuses[0].containerID.starts_with("containerd://"));
  const auto logged = real_->run(node_->wait_for(
      [&] {
        return log_of(pod, "main").find("web") != std::string::npos &&
               log_of(pod, "main").find("10.99.0.2\tweb") != std::string::npos;
      },
      kPatience));
  EXPECT_TRUE(logged.has_value()) << log_of(pod, "main");
  EXPECT_NE(log_of(pod, "main").find("hello from web at 10.99.0.2"), std::string::npos)
      << log_of(pod, "main");
  EXPECT_NE(log_of(pod, "main").find("from the config map"), std::string::npos);
  for (const char* event : {"Pulled: ", "Created: Container created", "Started: Container started"})
    EXPECT_NE(node_->event_text().find(event), std::string::npos) << node_->event_text();

  const auto id = status.containerStatuses[0].containerID.substr(13);
  const auto executed =
      real_->run(real_->cri().exec_sync(id, {"sh", "-c", "hostname; exit 3"}, std::chrono::seconds(60)));
  ASSERT_TRUE(executed.has_value()) << executed.error().message;
  EXPECT_EQ(executed->out, "web\n");
  EXPECT_EQ(executed->exit_code, 3);

  ASSERT_TRUE(remove(pod, 1).has_value()) << node_->event_text();
  EXPECT_TRUE(real_->run(real_->cri().list_containers({}))->empty());
  EXPECT_TRUE(real_->run(real_->cri().list_sandboxes({}))->empty());
  EXPECT_FALSE(std::filesystem::exists(pod_dir(pod.metadata.uid, node_->options)));
  EXPECT_NE(node_->event_text().find("Killing: Stopping container main"), std::string::npos);
}

TEST_F(RealPods, InitContainersRunInOrderAndACompletedPodSucceeds) {
  core::Pod pod = make_pod("job", {make_container("main", kBusybox, {"cat", "/data/file"})});
  pod.spec.restartPolicy = "Never";
  pod.spec.initContainers = {make_container("one", kBusybox, {"sh", "-c", "echo one >> /data/file"}),
                             make_container("two", kBusybox, {"sh", "-c", "echo two >> /data/file"})};
  core::Volume& volume = pod.spec.volumes.emplace_back();
  volume.name = "data";
  volume.emptyDir.emplace();
  for (auto* list : {&pod.spec.containers, &pod.spec.initContainers}) {
    for (core::Container& container : *list) {
      core::VolumeMount& mount = container.volumeMounts.emplace_back();
      mount.name = "data";
      mount.mountPath = "/data";
    }
  }
  ASSERT_TRUE(run_until(pod, [](const core::PodStatus& s) { return s.phase == "Succeeded"; }).has_value())
      << node_->event_text();
  const std::string log = log_of(pod, "main");
  EXPECT_LT(log.find("one"), log.find("two")) << log;
  EXPECT_NE(log.find("two"), std::string::npos) << log;
  EXPECT_TRUE(remove(pod, 0).has_value());
}

TEST_F(RealPods, ACrashingContainerIsRestartedAtOnceAndThenBackedOff) {
  core::Pod pod = make_pod(
      "crash",
      {make_container("main", kBusybox, {"sh", "-c", "echo last words > /dev/termination-log; exit 7"})});
  ASSERT_TRUE(run_until(pod,
                        [](const core::PodStatus& s) {
                          return !s.containerStatuses.empty() && s.containerStatuses[0].restartCount == 1 &&
                                 s.containerStatuses[0].state.waiting &&
                                 s.containerStatuses[0].state.waiting->reason == "CrashLoopBackOff";
                        })
                  .has_value())
      << node_->event_text();
  const core::ContainerStatus status = node_->status(pod.metadata.uid).containerStatuses[0];
  EXPECT_EQ(status.state.waiting->message,
            "back-off 10s restarting failed container=main pod=crash_default(uid-crash)");
  ASSERT_TRUE(status.lastState.terminated);
  EXPECT_EQ(status.lastState.terminated->exitCode, 7);
  EXPECT_EQ(status.lastState.terminated->reason, "Error");
  EXPECT_EQ(status.lastState.terminated->message, "last words\n");
  EXPECT_NE(node_->event_text().find(
                "BackOff: Back-off restarting failed container main in pod crash_default(uid-crash)"),
            std::string::npos);
  EXPECT_TRUE(remove(pod, 0).has_value());
}

TEST_F(RealPods, ReadinessFollowsTheProbeAndLivenessRestarts) {
  core::Pod pod =
      make_pod("probed",
               {make_container("main", kBusybox, {"sh", "-c", "touch /tmp/live; httpd -f -p 8080 -h /etc"})});
  core::Container& main = pod.spec.containers[0];
  main.readinessProbe.emplace().httpGet.emplace().port = 8080;
  main.readinessProbe->httpGet->path = "/hosts";
  main.readinessProbe->httpGet->host = "127.0.0.1";
  pod.spec.hostNetwork = true;
  main.readinessProbe->periodSeconds = 1;
  main.livenessProbe.emplace().exec.emplace().command = {"test", "-e", "/tmp/live"};
  main.livenessProbe->periodSeconds = 1;
  main.livenessProbe->failureThreshold = 1;
  main.livenessProbe->terminationGracePeriodSeconds = 1;
  ASSERT_TRUE(run_until(pod, is_ready).has_value()) << node_->event_text();
  const std::string id = node_->status(pod.metadata.uid).containerStatuses[0].containerID.substr(13);
  ASSERT_TRUE(
      real_->run(real_->cri().exec_sync(id, {"rm", "/tmp/live"}, std::chrono::seconds(60))).has_value());
  const auto restarted = real_->run(node_->wait_for(
      [&] {
        return node_->status(pod.metadata.uid).containerStatuses[0].restartCount == 1 &&
               is_ready(node_->status(pod.metadata.uid));
      },
      kPatience));
  EXPECT_TRUE(restarted.has_value()) << node_->event_text();
  EXPECT_NE(node_->event_text().find("Killing: Container main failed liveness probe, will be restarted"),
            std::string::npos)
      << node_->event_text();
  EXPECT_TRUE(remove(pod, 0).has_value());
}

TEST_F(RealPods, ANewAgentAdoptsWhatRunsAndItStaysReady) {
  core::Pod pod = make_pod("kept", {make_container("main", kBusybox, {"sleep", "1000"})});
  core::Probe& probe = pod.spec.containers[0].readinessProbe.emplace();
  probe.exec.emplace().command = {"true"};
  ASSERT_TRUE(run_until(pod, is_ready).has_value()) << node_->event_text();
  const std::string id = node_->status(pod.metadata.uid).containerStatuses[0].containerID;
  real_->run(node_->stop());
  // The API has the last status, and the next probe is far away.
  pod.status = node_->status(pod.metadata.uid);
  probe.initialDelaySeconds = 1000;
  node_ = make_node();
  ASSERT_TRUE(run_until(pod, [](const core::PodStatus& s) { return s.phase == "Running"; }).has_value());
  EXPECT_TRUE(is_ready(node_->status(pod.metadata.uid)));
  EXPECT_EQ(node_->status(pod.metadata.uid).containerStatuses[0].containerID, id);
  EXPECT_EQ(node_->event_text(), "");
  EXPECT_TRUE(remove(pod, 0).has_value());
}

TEST_F(RealPods, AMissingImageIsNamedAndBackedOff) {
  core::Pod pod = make_pod("absent", {make_container("main", "127.0.0.1:1/none:1")});
  ASSERT_TRUE(run_until(pod,
                        [](const core::PodStatus& s) {
                          return !s.containerStatuses.empty() && s.containerStatuses[0].state.waiting &&
                                 s.containerStatuses[0].state.waiting->reason == "ImagePullBackOff";
                        })
                  .has_value())
      << node_->event_text();
  EXPECT_EQ(node_->status(pod.metadata.uid).phase, "Pending");
  for (const char* event :
       {"Pulling: Pulling image \"127.0.0.1:1/none:1\"",
        "Failed: Failed to pull image \"127.0.0.1:1/none:1\": rpc error: ", "Failed: Error: ErrImagePull",
        "BackOff: Back-off pulling image \"127.0.0.1:1/none:1\"", "Failed: Error: ImagePullBackOff"})
    EXPECT_NE(node_->event_text().find(event), std::string::npos) << event << "\n" << node_->event_text();
  EXPECT_TRUE(remove(pod, 0).has_value());
}

}  // namespace
}  // namespace cloudless::kubelet

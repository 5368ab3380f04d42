#include "kubelet/pod/pod_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.hpp"
#include "kubelet/pod/pod_status.hpp"
#include "kubelet/testing/pods.hpp"

namespace cloudless::kubelet {
namespace {

using testing::make_container;
using testing::make_pod;
using Kind = PodAction::Kind;

constexpr WallTime kNow{std::chrono::seconds(1'790'000'000)};

int64_t nanos(WallTime time) { return time.time_since_epoch().count(); }

// A pod, what the runtime has of it, and what the worker remembers; plans are carried out by a runtime in
// memory.
struct World {
  core::Pod pod;
  PodRuntime runtime;
  WallTime now = kNow;
  bool volumes_ready = true;
  std::map<std::string, ContainerNote> notes;
  std::map<std::string, ProbeVerdict> probes;
  std::set<std::string> busy;
  std::map<std::string, WallTime> kill_deadlines;
  std::optional<Termination> termination;
  std::optional<PodFailure> failure;
  bool cleaned = false;
  int next_id = 0;

  PodView view() const {
    return {.pod = pod,
            .runtime = runtime,
            .now = now,
            .volumes_ready = volumes_ready,
            .notes = notes,
            .probes = probes,
            .busy = busy,
            .kill_deadlines = kill_deadlines,
            .termination = termination,
            .failure = failure};
  }
  PodPlan plan() const { return plan_pod(view()); }

  void add_sandbox(uint32_t attempt = 0) {
    cri::SandboxStatus status;
    status.sandbox.id = fmt::format("sandbox-{}", next_id++);
    status.sandbox.metadata.attempt = attempt;
    status.sandbox.state = cri::SandboxState::kReady;
    status.ips = {"10.0.0.1"};
    runtime.sandboxes.insert(runtime.sandboxes.begin(), status);
  }
  RuntimeContainer& add_container(const std::string& name, uint32_t attempt = 0) {
    RuntimeContainer container;
    container.sandbox_id = runtime.sandboxes.front().sandbox.id;
    container.status.id = fmt::format("container-{}", next_id++);
    container.status.name = name;
    container.status.attempt = attempt;
    container.status.state = cri::ContainerState::kRunning;
    container.status.started_at = nanos(now);
    runtime.containers.insert(runtime.containers.begin(), container);
    return runtime.containers.front();
  }
  void end(const std::string& name, int exit_code) {
    for (RuntimeContainer& container : runtime.containers) {
      if (container.status.name != name || container.status.state != cri::ContainerState::kRunning) continue;
      container.status.state = cri::ContainerState::kExited;
      container.status.exit_code = exit_code;
      container.status.finished_at = nanos(now);
    }
  }
  void perform(const PodAction& action) {
    switch (action.kind) {
      case Kind::kMountVolumes:
        volumes_ready = true;
        break;
      case Kind::kCreateSandbox:
        add_sandbox(action.attempt);
        break;
      case Kind::kStopSandbox:
        for (auto& s : runtime.sandboxes) {
          if (s.sandbox.id == action.id) s.sandbox.state = cri::SandboxState::kNotReady;
        }
        break;
      case Kind::kRemoveSandbox:
        std::erase_if(runtime.sandboxes, [&](const auto& s) { return s.sandbox.id == action.id; });
        break;
      case Kind::kStartContainer: {
        const RuntimeContainer* last = runtime.newest(action.container);
        if (last) notes[action.container].backoff.count(wall_time(last->status.finished_at), now);
        add_container(action.container, action.attempt);
        break;
      }
      case Kind::kKillContainer:
        end(action.container, 137);
        break;
      case Kind::kRemoveContainer:
        std::erase_if(runtime.containers, [&](const auto& c) { return c.status.id == action.id; });
        break;
      case Kind::kCleanUp:
        runtime = {};
        cleaned = true;
        break;
    }
  }
  // Plans and performs until nothing is asked for.
  PodPlan settle() {
    for (int i = 0; i < 100; ++i) {
      const PodPlan next = plan();
      if (next.actions.empty() || cleaned) return next;
      for (const PodAction& action : next.actions) perform(action);
    }
    ADD_FAILURE() << "the plan never settles";
    return {};
  }
};

std::vector<std::string> keys(const PodPlan& plan) {
  std::vector<std::string> out;
  for (const PodAction& action : plan.actions) out.push_back(action.key());
  return out;
}

World world_of(std::vector<core::Container> containers) {
  return {.pod = make_pod("p", std::move(containers))};
}

using Keys = std::vector<std::string>;

TEST(PodPlan, VolumesComeBeforeTheSandboxAndTheSandboxBeforeContainers) {
  World world = world_of({make_container("a", "i"), make_container("b", "i")});
  world.volumes_ready = false;
  EXPECT_EQ(keys(world.plan()), Keys{"volumes"});
  world.volumes_ready = true;
  EXPECT_EQ(keys(world.plan()), Keys{"sandbox"});
  world.add_sandbox();
  EXPECT_EQ(keys(world.plan()), (Keys{"start/a", "start/b"}));
}

TEST(PodPlan, WhatIsBusyIsNotAskedForAgain) {
  World world = world_of({make_container("a", "i")});
  world.busy = {"sandbox"};
  EXPECT_TRUE(world.plan().actions.empty());
  world.add_sandbox();
  world.busy = {"start/a"};
  EXPECT_TRUE(world.plan().actions.empty());
}

TEST(PodPlan, InitContainersGoOneByOneAndSidecarsOnlyNeedToHaveStarted) {
  World world = world_of({make_container("main", "i")});
  world.pod.spec.initContainers = {make_container("first", "i"), make_container("side", "i"),
                                   make_container("last", "i")};
  world.pod.spec.initContainers[1].restartPolicy = "Always";
  world.add_sandbox();
  EXPECT_EQ(keys(world.plan()), Keys{"start/first"});
  world.add_container("first");
  EXPECT_TRUE(world.plan().actions.empty());
  world.end("first", 0);
  EXPECT_EQ(keys(world.plan()), Keys{"start/side"});
  const std::string side = world.add_container("side").status.id;
  world.probes[side] = {.started = false};
  EXPECT_TRUE(world.plan().actions.empty());
  world.probes[side].started = true;
  EXPECT_EQ(keys(world.plan()), Keys{"start/last"});
  world.add_container("last");
  world.end("last", 0);
  EXPECT_EQ(keys(world.plan()), Keys{"start/main"});
}

TEST(PodPlan, RestartPolicyDecidesWhatHappensAfterAnExit) {
  struct Case {
    const char* policy;
    int exit_code;
    bool restarts;
  };
  for (const Case& c : {Case{"Always", 0, true}, Case{"Always", 1, true}, Case{"OnFailure", 0, false},
                        Case{"OnFailure", 1, true}, Case{"Never", 0, false}, Case{"Never", 1, false}}) {
    World world = world_of({make_container("a", "i")});
    world.pod.spec.restartPolicy = c.policy;
    world.settle();
    world.end("a", c.exit_code);
    const PodPlan plan = world.plan();
    EXPECT_EQ(plan.finished, !c.restarts) << c.policy << c.exit_code;
    EXPECT_EQ(std::ranges::count(keys(plan), "start/a"), c.restarts ? 1 : 0) << c.policy << c.exit_code;
  }
}

TEST(PodPlan, TheFirstRestartIsAtOnceThenTenSecondsDoublingToFiveMinutes) {
  World world = world_of({make_container("a", "i")});
  world.settle();
  for (const int wait_s : {0, 10, 20, 40, 80, 160, 300, 300}) {
    world.end("a", 1);
    if (wait_s > 0) {
      const PodPlan waiting = world.plan();
      EXPECT_TRUE(std::ranges::count(keys(waiting), "start/a") == 0);
      EXPECT_EQ(waiting.crash_loops.at("a"), std::chrono::seconds(wait_s));
      EXPECT_EQ(waiting.look_again, Duration(std::chrono::seconds(wait_s)));
      world.now += std::chrono::seconds(wait_s);
    }
    EXPECT_EQ(std::ranges::count(keys(world.plan()), "start/a"), 1) << wait_s;
    world.settle();
  }
  // After a long good run it begins anew.
  world.now += std::chrono::minutes(11);
  world.end("a", 1);
  EXPECT_EQ(std::ranges::count(keys(world.plan()), "start/a"), 1);
}

TEST(PodPlan, ALostSandboxIsReplacedAfterWhatRanInIt) {
  World world = world_of({make_container("a", "i")});
  world.settle();
  world.runtime.sandboxes[0].sandbox.state = cri::SandboxState::kNotReady;
  EXPECT_EQ(world.plan().actions[0].kind, Kind::kKillContainer);
  world.settle();
  EXPECT_EQ(world.runtime.sandboxes[0].sandbox.metadata.attempt, 1u);
  EXPECT_EQ(world.runtime.containers[0].sandbox_id, world.runtime.sandboxes[0].sandbox.id);
  EXPECT_EQ(world.runtime.containers[0].status.state, cri::ContainerState::kRunning);
}

TEST(PodPlan, AFailedProbeAndAChangedImageKillTheContainer) {
  World world = world_of({make_container("a", "i")});
  world.settle();
  world.probes[world.runtime.containers[0].status.id].failed_probe = "liveness";
  EXPECT_EQ(world.plan().actions.at(0).reason, "Container a failed liveness probe, will be restarted");
  world.probes.clear();
  world.runtime.containers[0].status.annotations[std::string(kHashAnnotation)] =
      container_hash(world.pod.spec.containers[0]);
  EXPECT_TRUE(world.plan().actions.empty());
  world.pod.spec.containers[0].image = "other";
  EXPECT_EQ(world.plan().actions.at(0).reason, "Container a definition changed, will be restarted");
}

TEST(PodPlan, TerminationKillsContainersThenSidecarsThenStopsTheSandboxAndCleansUp) {
  World world = world_of({make_container("main", "i")});
  world.pod.spec.initContainers = {make_container("side", "i")};
  world.pod.spec.initContainers[0].restartPolicy = "Always";
  world.settle();
  world.termination = Termination{std::chrono::seconds(30), world.now};
  Keys seen;
  for (int i = 0; i < 10 && !world.cleaned; ++i) {
    for (const PodAction& action : world.plan().actions) {
      seen.push_back(action.container.empty() ? action.key().substr(0, 4) : action.container);
      world.perform(action);
    }
  }
  EXPECT_EQ(seen, (Keys{"main", "side", "stop", "clea"}));
}

TEST(PodPlan, AShorterGraceKillsAgainAndTheSameDoesNot) {
  World world = world_of({make_container("a", "i")});
  world.settle();
  world.termination = Termination{std::chrono::seconds(30), world.now};
  EXPECT_EQ(world.plan().actions.at(0).grace, std::chrono::seconds(30));
  world.kill_deadlines[world.runtime.containers[0].status.id] = world.now + std::chrono::seconds(30);
  EXPECT_TRUE(world.plan().actions.empty());
  world.termination = Termination{std::chrono::seconds(0), world.now};
  EXPECT_EQ(world.plan().actions.at(0).grace, std::chrono::seconds(0));
}

TEST(PodPlan, ChaosAlwaysEndsInTheWantedState) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SeededRandom random(seed);
    World world = world_of({make_container("a", "i"), make_container("b", "i")});
    world.pod.spec.initContainers = {make_container("init", "i")};
    for (int step = 0; step < 60; ++step) {
      // Perform only some of what is asked for, and let things break in between.
      for (const PodAction& action : world.plan().actions) {
        if (random.below(3) > 0) world.perform(action);
      }
      if (random.below(4) == 0) world.end(random.below(2) ? "a" : "b", static_cast<int>(random.below(2)));
      if (random.below(4) == 0) world.end("init", static_cast<int>(random.below(2)));
      if (random.below(15) == 0 && !world.runtime.sandboxes.empty())
        world.runtime.sandboxes[0].sandbox.state = cri::SandboxState::kNotReady;
      world.now += std::chrono::seconds(random.below(30));
      for (const char* name : {"a", "b", "init"}) {
        const auto runs = std::ranges::count_if(world.runtime.containers, [&](const RuntimeContainer& c) {
          return c.status.name == name && c.status.state == cri::ContainerState::kRunning;
        });
        ASSERT_LE(runs, 1) << "seed " << seed << ": two of " << name << " run";
      }
    }
    for (int i = 0; i < 50; ++i) {
      world.settle();
      world.end("init", 0);
      world.now += std::chrono::seconds(301);
    }
    ASSERT_TRUE(world.runtime.newest("a") && world.runtime.newest("b")) << "seed " << seed;
    EXPECT_EQ(world.runtime.newest("a")->status.state, cri::ContainerState::kRunning) << "seed " << seed;
    EXPECT_EQ(world.runtime.newest("b")->status.state, cri::ContainerState::kRunning) << "seed " << seed;
    EXPECT_LE(world.runtime.containers.size(), 6u) << "the dead pile up, seed " << seed;
    world.termination = Termination{std::chrono::seconds(1), world.now};
    world.settle();
    EXPECT_TRUE(world.cleaned) << "seed " << seed;
  }
}

core::PodStatus status_of(const World& world, const core::PodStatus& previous = {}) {
  const PodView view = world.view();
  const PodPlan plan = plan_pod(view);
  return make_pod_status({.view = view, .plan = plan, .previous = previous, .host_ips = {"192.0.2.1"}});
}

std::string condition_of(const core::PodStatus& status, const std::string& type) {
  for (const core::PodCondition& condition : status.conditions) {
    if (condition.type == type)
      return condition.status + (condition.reason.empty() ? "" : " " + condition.reason);
  }
  return "";
}

TEST(PodStatus, FollowsThePodThroughItsLife) {
  World world = world_of({make_container("a", "i")});
  core::PodStatus status = status_of(world);
  EXPECT_EQ(status.phase, "Pending");
  EXPECT_EQ(status.containerStatuses[0].state.waiting->reason, "ContainerCreating");
  EXPECT_EQ(condition_of(status, "PodReadyToStartContainers"), "False");
  EXPECT_EQ(condition_of(status, "Ready"), "False ContainersNotReady");
  EXPECT_EQ(condition_of(status, "Initialized"), "True");
  world.settle();
  status = status_of(world, status);
  EXPECT_EQ(status.phase, "Running");
  EXPECT_EQ(status.podIP, "10.0.0.1");
  EXPECT_EQ(status.hostIP, "192.0.2.1");
  EXPECT_EQ(condition_of(status, "Ready"), "True");
  world.pod.spec.restartPolicy = "Never";
  world.end("a", 0);
  status = status_of(world, status);
  EXPECT_EQ(status.phase, "Succeeded");
  EXPECT_EQ(condition_of(status, "Ready"), "False PodCompleted");
  EXPECT_EQ(status.containerStatuses[0].state.terminated->reason, "Completed");
}

TEST(PodStatus, InitContainersHoldThePodInPending) {
  World world = world_of({make_container("a", "i")});
  world.pod.spec.initContainers = {make_container("init", "i")};
  world.settle();
  const core::PodStatus status = status_of(world);
  EXPECT_EQ(status.phase, "Pending");
  EXPECT_EQ(status.containerStatuses[0].state.waiting->reason, "PodInitializing");
  EXPECT_EQ(condition_of(status, "Initialized"), "False ContainersNotInitialized");
}

TEST(PodStatus, ATransitionTimeMovesOnlyWithItsCondition) {
  World world = world_of({make_container("a", "i")});
  const core::PodStatus before = status_of(world);
  world.now += std::chrono::seconds(5);
  EXPECT_EQ(status_of(world, before), before);
}

TEST(QosClass, FollowsRequestsAndLimits) {
  core::Pod pod = make_pod("p", {make_container("a", "i")});
  EXPECT_EQ(qos_class_of(pod), "BestEffort");
  pod.spec.containers[0].resources.requests["cpu"] = "100m";
  EXPECT_EQ(qos_class_of(pod), "Burstable");
  pod.spec.containers[0].resources.limits = {{"cpu", "0.1"}, {"memory", "1Gi"}};
  pod.spec.containers[0].resources.requests["memory"] = "1024Mi";
  EXPECT_EQ(qos_class_of(pod), "Guaranteed");
}

}  // namespace
}  // namespace cloudless::kubelet

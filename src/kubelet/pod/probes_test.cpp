#include "kubelet/pod/probes.hpp"

#include <gtest/gtest.h>

#include "kubelet/testing/pods.hpp"

namespace cloudless::kubelet {
namespace {

core::Container probed_container() {
  core::Container container = testing::make_container("main", "image");
  container.readinessProbe.emplace().tcpSocket.emplace().port = 80;
  container.startupProbe.emplace().tcpSocket.emplace().port = 80;
  return container;
}

core::PodStatus status_of(const std::string& id, bool started, bool ready) {
  core::PodStatus status;
  core::ContainerStatus& container = status.containerStatuses.emplace_back();
  container.name = "main";
  container.containerID = container_id_text(id);
  container.started = started;
  container.ready = ready;
  return status;
}

TEST(ProbeVerdict, ANewContainerIsWhatItsProbesLeaveOpen) {
  const ProbeVerdict probed = verdict_before_probes(probed_container(), "a", {});
  EXPECT_FALSE(probed.started);
  EXPECT_FALSE(probed.ready);
  const ProbeVerdict plain = verdict_before_probes(testing::make_container("main", "image"), "a", {});
  EXPECT_TRUE(plain.started);
  EXPECT_TRUE(plain.ready);
}

TEST(ProbeVerdict, ARunningContainerStaysWhatItsLastStatusSays) {
  for (const bool started : {false, true}) {
    for (const bool ready : {false, true}) {
      const ProbeVerdict verdict =
          verdict_before_probes(probed_container(), "a", status_of("a", started, ready));
      EXPECT_EQ(verdict.started, started);
      EXPECT_EQ(verdict.ready, ready);
    }
  }
}

TEST(ProbeVerdict, AnotherContainerOfTheSameNameInheritsNothing) {
  const ProbeVerdict verdict = verdict_before_probes(probed_container(), "b", status_of("a", true, true));
  EXPECT_FALSE(verdict.started);
  EXPECT_FALSE(verdict.ready);
}

TEST(ProbeCounter, AVerdictTakesAsManyInARowAsItsThreshold) {
  core::Probe probe;
  probe.successThreshold = 2;
  probe.failureThreshold = 3;
  ProbeCounter counter(probe);
  std::string verdicts;
  for (const bool success : {true, true, false, false, true, false, false, false, true, true}) {
    const auto verdict = counter.add(success);
    verdicts += !verdict ? '.' : *verdict ? '+' : '-';
  }
  EXPECT_EQ(verdicts, ".+.....-.+");
}

}  // namespace
}  // namespace cloudless::kubelet

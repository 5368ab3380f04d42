#include "kubelet/pod/resources.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.hpp"
#include "kubelet/cgroups.hpp"
#include "kubelet/testing/pods.hpp"

namespace cloudless::kubelet {
namespace {

namespace fs = std::filesystem;

core::Container container(const std::string& name, const std::string& cpu_request,
                          const std::string& cpu_limit, const std::string& memory_limit) {
  core::Container made = testing::make_container(name, "image");
  if (!cpu_request.empty()) made.resources.requests["cpu"] = cpu_request;
  if (!cpu_limit.empty()) made.resources.limits["cpu"] = cpu_limit;
  if (!memory_limit.empty()) made.resources.limits["memory"] = memory_limit;
  return made;
}

core::Container sidecar(core::Container made) {
  made.restartPolicy = "Always";
  return made;
}

TEST(Resources, RequestsAndLimitsBecomeSharesAndQuotas) {
  EXPECT_EQ(cpu_shares_of_milli(0), 2);
  EXPECT_EQ(cpu_shares_of_milli(250), 256);
  EXPECT_EQ(cpu_shares_of_milli(1'000'000), 262'144);
  EXPECT_EQ(cpu_quota_of_milli(0), 0);
  EXPECT_EQ(cpu_quota_of_milli(1), 1000);
  EXPECT_EQ(cpu_quota_of_milli(1500), 150'000);
  EXPECT_EQ(cpu_weight_of_shares(2), 1u);
  EXPECT_EQ(cpu_weight_of_shares(1024), 39u);
  EXPECT_EQ(cpu_weight_of_shares(262'144), 10'000u);
}

TEST(Resources, AContainerOfACgroupV2IsKilledAsAWhole) {
  const core::Pod pod = testing::make_pod("web", {container("main", "100m", "200m", "64Mi")});
  const core::Container& main = pod.spec.containers[0];
  const cri::Resources v1 = container_resources(pod, main, int64_t{1} << 30, false);
  EXPECT_EQ(v1.cpu_shares, 102);
  EXPECT_EQ(v1.cpu_quota, 20'000);
  EXPECT_EQ(v1.memory_limit_bytes, 64 << 20);
  EXPECT_TRUE(v1.unified.empty());
  EXPECT_EQ(container_resources(pod, main, int64_t{1} << 30, true).unified.at("memory.oom.group"), "1");
}

TEST(Resources, APodsCgroupHoldsItsContainersTogether) {
  const core::Pod pod =
      testing::make_pod("web", {container("a", "100m", "200m", "64Mi"), container("b", "", "300m", "32Mi")});
  const PodCgroupLimits limits = pod_cgroup_limits(pod);
  EXPECT_EQ(limits.cpu_shares, cpu_shares_of_milli(400));
  EXPECT_EQ(limits.cpu_quota, 50'000);
  EXPECT_EQ(limits.memory_limit_bytes, 96 << 20);
}

TEST(Resources, OneContainerWithoutALimitLeavesThePodWithoutOne) {
  const core::Pod pod =
      testing::make_pod("web", {container("a", "", "200m", "64Mi"), container("b", "", "200m", "")});
  EXPECT_EQ(pod_cgroup_limits(pod).cpu_quota, 40'000);
  EXPECT_EQ(pod_cgroup_limits(pod).memory_limit_bytes, 0);
}

TEST(Resources, SidecarsCountBesideTheContainersAndInitContainersInTheirPlace) {
  core::Pod pod = testing::make_pod("web", {container("main", "100m", "100m", "10Mi")});
  pod.spec.initContainers = {sidecar(container("proxy", "200m", "200m", "20Mi")),
                             container("init", "50m", "50m", "50Mi")};
  const PodCgroupLimits limits = pod_cgroup_limits(pod);
  EXPECT_EQ(limits.cpu_shares, cpu_shares_of_milli(300));  // proxy and main
  EXPECT_EQ(limits.cpu_quota, 30'000);
  EXPECT_EQ(limits.memory_limit_bytes, 70 << 20);  // proxy and init
}

// A folder in place of the kernel's, whose files keep what is written to them.
class CgroupFiles : public ::testing::Test {
 public:
  ~CgroupFiles() override {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }

 protected:
  CgroupFiles() {
    std::string path = "/tmp/cl-cgroups-XXXXXX";
    EXPECT_NE(::mkdtemp(path.data()), nullptr);
    root_ = path;
  }

  void put(const std::string& path, const std::string& text) {
    ASSERT_TRUE(write_file(root_ + "/" + path, text, 0644).has_value());
  }
  std::string at(const std::string& path) { return read_file(root_ + "/" + path).value_or("absent"); }

  std::string root_;
  const PodCgroupLimits limits_{.cpu_shares = 1024, .cpu_quota = 50'000, .memory_limit_bytes = 1 << 20};
};

TEST_F(CgroupFiles, TheUnifiedHierarchyGetsWeightAndMaxima) {
  put("cgroup.controllers", "cpuset cpu io memory pids");
  const Cgroups cgroups(root_);
  EXPECT_TRUE(cgroups.unified());
  const auto made = cgroups.make_pod("/kubepods/podx", limits_);
  ASSERT_TRUE(made.has_value()) << made.error().message;
  EXPECT_EQ(at("kubepods/podx/cpu.weight"), "39");
  EXPECT_EQ(at("kubepods/podx/cpu.max"), "50000 100000");
  EXPECT_EQ(at("kubepods/podx/memory.max"), "1048576");
  EXPECT_EQ(at("cgroup.subtree_control").front(), '+');
}

TEST_F(CgroupFiles, EachHierarchyOfVersionOneGetsItsPart) {
  for (const char* file : {"cpu/cgroup.procs", "memory/cgroup.procs", "cpu/kubepods/podx/cpu.shares",
                           "memory/kubepods/podx/memory.limit_in_bytes", "unified/cgroup.procs"})
    put(file, "");
  const Cgroups cgroups(root_);
  EXPECT_FALSE(cgroups.unified());
  ASSERT_TRUE(cgroups.make_pod("/kubepods/podx", limits_).has_value());
  EXPECT_EQ(at("cpu/kubepods/podx/cpu.shares"), "1024");
  EXPECT_EQ(at("cpu/kubepods/podx/cpu.cfs_quota_us"), "50000");
  EXPECT_EQ(at("cpu/kubepods/podx/cpu.cfs_period_us"), "100000");
  EXPECT_EQ(at("memory/kubepods/podx/memory.limit_in_bytes"), "1048576");
  EXPECT_FALSE(fs::exists(root_ + "/unified/kubepods"));
}

}  // namespace
}  // namespace cloudless::kubelet

#include "kubelet/containerd/containerd.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

#include "kubelet/containerd/config.hpp"
#include "kubelet/containerd/process.hpp"
#include "kubelet/testing/real_runtime.hpp"
#include "runtime/timer.hpp"

namespace cloudless::kubelet {
namespace {

TEST(ContainerdConfig, SaysWhatTheHostCanDo) {
  ContainerdConfig config{.root_dir = "/d/root",
                          .state_dir = "/r/state",
                          .socket = "/r/c.sock",
                          .cni_bin_dir = "/d/cni/bin",
                          .cni_conf_dir = "/d/cni/\"odd\"",
                          .registry_dir = "/d/certs.d",
                          .sandbox_image = "pause:1"};
  config.restrict_oom_score_adj = true;
  const std::string text = render_containerd_config(config);
  EXPECT_NE(text.find("restrict_oom_score_adj = true"), std::string::npos);
  EXPECT_NE(text.find("SystemdCgroup = false"), std::string::npos);
  EXPECT_NE(text.find("sandbox_image = \"pause:1\""), std::string::npos);
  EXPECT_NE(text.find("conf_dir = \"/d/cni/\\\"odd\\\"\""), std::string::npos);
  config.cgroup_driver = CgroupDriver::kSystemd;
  EXPECT_NE(render_containerd_config(config).find("SystemdCgroup = true"), std::string::npos);
}

class RealContainerd : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = testing::RealRuntime::missing(); !why.empty()) GTEST_SKIP() << why;
  }
};

TEST_F(RealContainerd, AnswersAndIsStartedAgainWhenKilled) {
  testing::RealRuntime real;
  const auto version = real.run(real.cri().version());
  ASSERT_TRUE(version.has_value()) << version.error().message;
  EXPECT_EQ(version->runtime_name, "containerd");

  pid_t pid = 0;
  std::ifstream(real.dir() + "/containerd/containerd.pid") >> pid;
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  const auto back = real.run([](testing::RealRuntime& r, pid_t old) -> runtime::Task<Result<>> {
    CO_TRY(co_await runtime::with_timeout(std::chrono::seconds(60), "the end", wait_process(old)));
    for (int i = 0; i < 3000; ++i) {
      if (co_await r.cri().version()) co_return {};
      CO_TRY(co_await runtime::sleep_for(std::chrono::milliseconds(20)));
    }
    co_return fail(Code::kDeadlineExceeded, "containerd did not come back");
  }(real, pid));
  EXPECT_TRUE(back.has_value()) << back.error().message;
}

}  // namespace
}  // namespace cloudless::kubelet

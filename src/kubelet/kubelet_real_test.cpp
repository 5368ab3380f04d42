// The whole agent with a real containerd and no API server: static pods, and its HTTP API in process.
#include "kubelet/kubelet.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.hpp"
#include "kubelet/testing/real_runtime.hpp"
#include "net/in_process.hpp"
#include "net/stream_mux.hpp"
#include "runtime/timer.hpp"

namespace cloudless::kubelet {
namespace {

using runtime::Task;
using testing::RealRuntime;

constexpr int kTries = 1500;
constexpr Duration kBetween = std::chrono::milliseconds(20);

std::string manifest(const std::string& text) {
  return R"(
apiVersion: v1
kind: Pod
metadata:
  name: hello
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: cloudless.test/busybox:1
    command: [sh, -c, "echo )" +
         text + R"(; httpd -p 127.0.0.1:8080 -h /etc; cat; sleep 1000"]
)";
}

class RealKubelet : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = RealRuntime::missing(); !why.empty()) GTEST_SKIP() << why;
    real_ = std::make_unique<RealRuntime>();
    start();
  }
  void TearDown() override {
    if (kubelet_) stop();
  }

  void start() {
    Options options = real_->agent_options();
    options.manifest_dir = real_->dir() + "/manifests";
    std::filesystem::create_directories(options.manifest_dir);
    kubelet_ = std::make_unique<Kubelet>(options, nullptr, real_->cri(), real_->cri(), real_->pool(), random_,
                                         Logger());
    const auto started = real_->run(kubelet_->start());
    ASSERT_TRUE(started.has_value()) << started.error().message;
    transport_ = std::make_unique<net::InProcessTransport>(real_->loop(), kubelet_->handler(), "kubelet-test",
                                                           std::vector<std::string>(), Logger());
  }
  void stop() {
    real_->run(transport_->stop());
    transport_.reset();
    real_->run(kubelet_->stop());
    kubelet_.reset();
  }

  static Task<Result<std::string>> fetch(net::Transport& transport, std::string target) {
    net::Request request;
    request.target = std::move(target);
    auto response = CO_TRY(co_await transport.send(std::move(request)));
    co_return CO_TRY(co_await net::read_all(*response.body, 1 << 20));
  }
  // The body of `target` once it holds `text`.
  std::string fetch_until(const std::string& target, const std::string& text) {
    std::string last;
    const auto look = [](net::Transport& transport, std::string t, std::string wanted,
                         std::string& seen) -> Task<Result<>> {
      for (int i = 0; i < kTries; ++i) {
        seen = CO_TRY(co_await fetch(transport, t));
        if (seen.find(wanted) != std::string::npos) co_return {};
        CO_TRY(co_await runtime::sleep_for(kBetween));
      }
      co_return fail(Code::kDeadlineExceeded, "never seen");
    };
    EXPECT_TRUE(real_->run(look(*transport_, target, text, last)).has_value()) << target << ": " << last;
    return last;
  }
  void put_manifest(const std::string& text) {
    ASSERT_TRUE(write_file(real_->dir() + "/manifests/hello.yaml", manifest(text), 0644).has_value());
  }

  std::unique_ptr<RealRuntime> real_;
  SystemRandom random_;
  std::unique_ptr<Kubelet> kubelet_;
  std::unique_ptr<net::InProcessTransport> transport_;
};

constexpr const char* kLogs = "/containerLogs/default/hello-node-1/main";

TEST_F(RealKubelet, AStaticPodRunsChangesWithItsManifestAndSurvivesTheAgent) {
  put_manifest("first");
  EXPECT_EQ(fetch_until(kLogs, "first"), "first\n");
  const std::string pods = fetch_until("/pods", R"("phase":"Running")");
  EXPECT_NE(pods.find(R"("kubernetes.io/config.source":"file")"), std::string::npos);

  stop();
  const auto before = real_->run(real_->cri().list_containers({}));
  ASSERT_EQ(before->size(), 1u);
  EXPECT_EQ((*before)[0].state, cri::ContainerState::kRunning);
  start();
  fetch_until("/pods", R"("phase":"Running")");
  EXPECT_EQ((*real_->run(real_->cri().list_containers({})))[0].id, (*before)[0].id);

  put_manifest("second");
  EXPECT_EQ(fetch_until(kLogs, "second"), "second\n");
  ASSERT_TRUE(std::filesystem::remove(real_->dir() + "/manifests/hello.yaml"));
  fetch_until("/pods", R"("items":[]})");
  EXPECT_TRUE(real_->run(real_->cri().list_sandboxes({}))->empty());
}

// Runs a command over streams as kubectl does: writes `input`, ends it, and reads to the end.
Task<Result<std::string>> execute(net::Transport& transport, std::string target, std::string input) {
  const auto mux =
      CO_TRY(co_await net::connect_streams(transport, std::move(target), "v4.channel.k8s.io", Logger()));
  const auto error = CO_TRY(co_await mux->open({{"streamtype", "error"}}));
  const auto in = CO_TRY(co_await mux->open({{"streamtype", "stdin"}}));
  const auto out = CO_TRY(co_await mux->open({{"streamtype", "stdout"}}));
  CO_TRY(co_await in->write(std::move(input)));
  CO_TRY(co_await in->close_write());
  std::string seen;
  for (net::MuxStream* stream : {out.get(), error.get()}) {
    for (;;) {
      const std::string bytes = CO_TRY(co_await stream->read(4096));
      if (bytes.empty()) break;
      seen += bytes;
    }
    seen += "|";
  }
  co_return seen;
}

Task<Result<std::string>> forward(net::Transport& transport, std::string target) {
  const auto mux =
      CO_TRY(co_await net::connect_streams(transport, std::move(target), "portforward.k8s.io", Logger()));
  const auto error =
      CO_TRY(co_await mux->open({{"streamtype", "error"}, {"port", "8080"}, {"requestid", "0"}}));
  CO_TRY(co_await error->close_write());
  const auto data =
      CO_TRY(co_await mux->open({{"streamtype", "data"}, {"port", "8080"}, {"requestid", "0"}}));
  CO_TRY(co_await data->write("GET /hostname HTTP/1.0\r\n\r\n"));
  std::string seen;
  while (seen.find("hello-node-1") == std::string::npos) {
    const std::string bytes = CO_TRY(co_await data->read(4096));
    if (bytes.empty()) break;
    seen += bytes;
  }
  co_return seen;
}

TEST_F(RealKubelet, ExecAndPortForwardReachTheContainer) {
  put_manifest("ready");
  fetch_until(kLogs, "ready");
  fetch_until("/pods", R"("phase":"Running")");
  const auto seen = real_->run(execute(
      *transport_,
      "/exec/default/hello-node-1/main?command=sh&command=-c&command=cat%3B%20exit%203&input=1&output=1",
      "through the streams"));
  ASSERT_TRUE(seen.has_value()) << seen.error().message;
  EXPECT_TRUE(seen->starts_with("through the streams|")) << *seen;
  EXPECT_NE(seen->find(R"("ExitCode","message":"3")"), std::string::npos) << *seen;

  const auto page = real_->run(runtime::with_timeout(
      std::chrono::seconds(60), "the page", forward(*transport_, "/portForward/default/hello-node-1")));
  ASSERT_TRUE(page.has_value()) << page.error().message;
  EXPECT_NE(page->find("200 OK"), std::string::npos) << *page;
}

}  // namespace
}  // namespace cloudless::kubelet

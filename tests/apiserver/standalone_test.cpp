// `cloudless apiserver` by kube-apiserver's flags, on Debian's real etcd and on `cloudless store`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>

#include "support/process.hpp"

namespace cloudless::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::chrono::seconds kStartLimit{60};

std::string program() {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "cloudless").string();
}

constexpr const char* kAuditPolicy = R"(
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: Metadata
  resources: [{group: "", resources: [configmaps]}]
)";

class Standalone : public ::testing::Test {
 protected:
  Standalone() {
    run_command({"openssl", "genrsa", "-traditional", "-out", dir_ / "sa.key", "2048"});
    run_command({"openssl", "rsa", "-in", dir_ / "sa.key", "-pubout", "-out", dir_ / "sa.pub"});
    write_file(dir_ / "tokens.csv", "admin-token,alice,1,\"system:masters\"\nuser-token,bob,2\n");
    write_file(dir_ / "policy.yaml", kAuditPolicy);
  }

  void start_etcd() {
    const std::string url = etcd_url();
    const std::string peer = "http://127.0.0.1:" + std::to_string(free_port());
    datastore_ = std::make_unique<Process>(
        std::vector<std::string>{"etcd", "--data-dir", dir_ / "etcd", "--listen-client-urls", url,
                                 "--advertise-client-urls", url, "--listen-peer-urls", peer,
                                 "--initial-advertise-peer-urls", peer, "--initial-cluster",
                                 "default=" + peer},
        dir_ / "etcd.log");
  }

  void start_store() {
    datastore_ = std::make_unique<Process>(
        std::vector<std::string>{program(), "store", "--endpoint", "sqlite://" + (dir_ / "state.db"),
                                 "--listen-address", "127.0.0.1:" + std::to_string(etcd_port_),
                                 "--metrics-bind-address", "0"},
        dir_ / "store.log");
  }

  std::vector<std::string> arguments() const {
    return {program(),
            "apiserver",
            "--etcd-servers=" + etcd_url(),
            "--secure-port=" + std::to_string(port_),
            "--bind-address=127.0.0.1",
            "--cert-dir=" + (dir_ / "serving"),
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-signing-key-file=" + (dir_ / "sa.key"),
            "--service-account-key-file=" + (dir_ / "sa.pub"),
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--token-auth-file=" + (dir_ / "tokens.csv"),
            "--audit-policy-file=" + (dir_ / "policy.yaml"),
            "--audit-log-path=" + (dir_ / "audit.log"),
            "--feature-gates=SomeGate=true"};
  }

  void start_server() {
    server_ = std::make_unique<Process>(arguments(), dir_ / "apiserver.log");
    const bool ready = eventually(
        [&] { return !server_->running() || kubectl("get --raw /readyz").output == "ok"; }, kStartLimit);
    ASSERT_TRUE(ready && server_->running()) << server_->output();
  }

  CommandResult kubectl(const std::string& line, const std::string& token = "admin-token") const {
    return run_command({"sh", "-c",
                        "HOME=" + dir_.path() + " KUBECONFIG=/dev/null kubectl --insecure-skip-tls-verify " +
                            "--server=https://127.0.0.1:" + std::to_string(port_) + " --token=" + token +
                            " " + line + " </dev/null"});
  }
  std::string ok(const std::string& line) const {
    const CommandResult result = kubectl(line);
    EXPECT_EQ(result.exit_code, 0) << "kubectl " << line << "\n" << result.output;
    return result.output;
  }

  std::string etcd_url() const { return "http://127.0.0.1:" + std::to_string(etcd_port_); }

  TempDir dir_;
  const uint16_t etcd_port_ = free_port();
  const uint16_t port_ = free_port();
  std::unique_ptr<Process> datastore_;
  std::unique_ptr<Process> server_;
};

TEST_F(Standalone, OnARealEtcdServesKubectlAndKeepsObjectsUnderUpstreamsKeys) {
  start_etcd();
  start_server();
  EXPECT_EQ(ok("create configmap a --from-literal=k=v"), "configmap/a created\n");
  ok("create deployment web --image=nginx");
  EXPECT_THAT(ok("get deploy,cm"), AllOf(HasSubstr("deployment.apps/web"), HasSubstr("configmap/a")));
  EXPECT_EQ(ok("get svc kubernetes -o jsonpath={.spec.clusterIP}"), "10.96.0.1");
  const CommandResult stored =
      run_command({"etcdctl", "--endpoints", etcd_url(), "get", "/registry/configmaps/default/a"});
  EXPECT_THAT(stored.output, HasSubstr(R"("k":"v")"));

  // Another server on the same etcd sees the same; RBAC knows bob, who may nothing.
  server_.reset();
  start_server();
  EXPECT_EQ(ok("get cm a -o jsonpath={.data.k}"), "v");
  EXPECT_THAT(kubectl("get cm a", "user-token").output,
              HasSubstr(R"(configmaps "a" is forbidden: User "bob" cannot get resource "configmaps")"));
  EXPECT_THAT(kubectl("get cm a", "no-token").output, HasSubstr("You must be logged in to the server"));
  EXPECT_THAT(read_file(dir_ / "audit.log"),
              AllOf(HasSubstr(R"("verb":"create")"), HasSubstr(R"("username":"alice")"),
                    Not(HasSubstr(R"("resource":"deployments")"))));
  EXPECT_THAT(server_->output(), HasSubstr("--feature-gates has no effect here"));
}

TEST_F(Standalone, OnACloudlessStoreWatchesGoOnWhileObjectsChange) {
  start_store();
  start_server();
  ok("create namespace shop");
  ok("create -n shop configmap a --from-literal=k=1");
  ok("patch -n shop configmap a -p '{\"data\":{\"k\":\"2\"}}'");
  EXPECT_EQ(ok("wait -n shop --for=jsonpath='{.data.k}'=2 --timeout=20s configmap/a"),
            "configmap/a condition met\n");
  EXPECT_THAT(ok("get --raw /metrics"), HasSubstr("apiserver_request_total"));
}

TEST_F(Standalone, SaysWhyItDoesNotStart) {
  const auto fails_with = [&](std::vector<std::string> line) {
    line.insert(line.begin(), {program(), "apiserver"});
    const CommandResult result = run_command(line);
    EXPECT_EQ(result.exit_code, 1);
    return result.output;
  };
  EXPECT_EQ(fails_with({"--no-such-flag"}), "error: unknown flag: --no-such-flag\n");
  EXPECT_EQ(fails_with({}), "error: --etcd-servers must be specified\n");
  EXPECT_THAT(fails_with({"--etcd-servers=http://127.0.0.1:1", "--service-account-issuer=x",
                          "--service-account-key-file=/nowhere/sa.pub",
                          "--service-account-signing-key-file=/nowhere/sa.key"}),
              HasSubstr("/nowhere/sa.key"));
}

}  // namespace
}  // namespace cloudless::testing

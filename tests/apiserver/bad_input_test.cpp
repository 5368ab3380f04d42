// What no client of good will sends, over real sockets to `cloudless apiserver`: bad_input.py says what, and
// what upstream answers.
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>

#include "support/process.hpp"

namespace cloudless::testing {
namespace {

constexpr std::chrono::seconds kStartLimit{60};
constexpr std::chrono::seconds kScriptLimit{240};

std::string program() {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "cloudless").string();
}

class BadInput : public ::testing::Test {
 protected:
  BadInput() {
    run_command({"openssl", "genrsa", "-traditional", "-out", dir_ / "sa.key", "2048"});
    run_command({"openssl", "rsa", "-in", dir_ / "sa.key", "-pubout", "-out", dir_ / "sa.pub"});
    run_command({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                 "-nodes", "-subj", "/CN=clients", "-days", "2", "-keyout", dir_ / "ca.key", "-out",
                 dir_ / "ca.crt"});
    write_file(dir_ / "tokens.csv", "admin-token,alice,1,\"system:masters\"\n");
    server_ = std::make_unique<Process>(
        std::vector<std::string>{
            program(), "apiserver", "--datastore-endpoint=sqlite://" + (dir_ / "state.db"),
            "--secure-port=" + std::to_string(port_), "--bind-address=127.0.0.1",
            "--cert-dir=" + (dir_ / "serving"), "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-signing-key-file=" + (dir_ / "sa.key"),
            "--service-account-key-file=" + (dir_ / "sa.pub"), "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=Node,RBAC", "--client-ca-file=" + (dir_ / "ca.crt"),
            "--enable-bootstrap-token-auth=true", "--token-auth-file=" + (dir_ / "tokens.csv")},
        dir_ / "apiserver.log");
  }

  // Each section of the script is a test of its own.
  void run(const std::string& section) {
    const auto ready = [&] {
      return !server_->running() ||
             run_command({"curl", "-sk", "https://127.0.0.1:" + std::to_string(port_) + "/readyz"}).output ==
                 "ok";
    };
    ASSERT_TRUE(eventually(ready, kStartLimit) && server_->running()) << server_->output();
    const CommandResult result =
        run_command({"/usr/bin/python3", "-W", "ignore", CLOUDLESS_TEST_SCRIPTS "/bad_input.py", dir_.path(),
                     std::to_string(port_), section},
                    kScriptLimit);
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(result.output, "ok\n") << server_->output();
    EXPECT_TRUE(server_->running()) << server_->output();
  }

  TempDir dir_;
  const uint16_t port_ = free_port();
  std::unique_ptr<Process> server_;
};

TEST_F(BadInput, Certificates) { run("certificates"); }
TEST_F(BadInput, Tokens) { run("tokens"); }
TEST_F(BadInput, Requests) { run("requests"); }
TEST_F(BadInput, Http1) { run("http1"); }
TEST_F(BadInput, Http2) { run("http2"); }

}  // namespace
}  // namespace cloudless::testing

// TLS with client certificates between our own client and server, and what happens when the files change.
#include "etcd/remote_store.hpp"
#include "etcd/served_store.hpp"
#include "pki/certificate.hpp"

namespace cloudless::etcd::testing {
namespace {

class RemoteTls : public ::testing::Test {
 protected:
  static pki::Ca make_ca(const std::string& name) {
    return *pki::make_ca(pki::KeyType::kEcdsaP256, name, SystemClock().wall_now(), std::chrono::hours(1));
  }
  // NAME.crt and NAME.key; as a whole each, as whoever renews certificates puts them there.
  void issue(const pki::Ca& ca, const std::string& name) const {
    const WallTime now = SystemClock().wall_now();
    const pki::PrivateKey key = *pki::PrivateKey::generate(pki::KeyType::kEcdsaP256);
    const pki::CertificateSpec spec{.subject = {.common_name = name},
                                    .alt_names = {.dns = {"localhost"}, .ips = {"127.0.0.1"}},
                                    .usages = {"digital signature", "server auth", "client auth"},
                                    .not_before = now - std::chrono::minutes(1),
                                    .not_after = now + std::chrono::hours(1)};
    cloudless::testing::write_file(dir_ / (name + ".crt"), pki::issue(ca, spec, key.public_key())->to_pem());
    cloudless::testing::write_file(dir_ / (name + ".key"), key.to_pem());
  }
  void trust(const pki::Ca& ca) const {
    cloudless::testing::write_file(dir_ / "ca.crt", ca.certificate.to_pem());
  }
  TlsFiles server_files() const {
    trust(ca_);
    issue(ca_, "server");
    return {dir_ / "server.crt", dir_ / "server.key", dir_ / "ca.crt"};
  }
  std::unique_ptr<store::Store> client(const std::string& ca_file, const std::string& name) const {
    RemoteOptions options{.endpoints = {"https://" + served_.endpoint()}, .ca_file = ca_file};
    if (!name.empty()) {
      options.cert_file = dir_ / (name + ".crt");
      options.key_file = dir_ / (name + ".key");
    }
    auto made = make_remote_store(std::move(options));
    EXPECT_TRUE(made) << made.error().message;
    return std::move(*made);
  }
  Result<store::PutResponse> put(store::Store& store) {
    return runtime::run_blocking(thread_.loop(), store.put({.key = "/a", .value = share("1")}));
  }

  const cloudless::testing::TempDir dir_;
  const pki::Ca ca_ = make_ca("etcd-ca");
  const ServedStore served_{{.endpoint = "memory://"}, {.tls = server_files()}};
  runtime::LoopThread thread_{"remote-test"};
};

TEST_F(RemoteTls, ACertificateOfTheCaIsLetInAndNoneIsNot) {
  issue(ca_, "client");
  const auto with = client(dir_ / "ca.crt", "client");
  const auto put_with = put(*with);
  EXPECT_TRUE(put_with) << put_with.error().message;
  const auto without = client(dir_ / "ca.crt", "");
  const auto put_without = put(*without);
  ASSERT_FALSE(put_without);
  EXPECT_EQ(put_without.error().code, Code::kUnavailable);
}

TEST_F(RemoteTls, AServerOfAnotherCaIsNotTrusted) {
  issue(ca_, "client");
  cloudless::testing::write_file(dir_ / "other.crt", make_ca("etcd-ca").certificate.to_pem());
  const auto store = client(dir_ / "other.crt", "client");
  EXPECT_EQ(put(*store).error().code, Code::kUnavailable);
}

TEST_F(RemoteTls, FilesThatCannotBeReadAreNamed) {
  const auto made = make_remote_store({.endpoints = {"https://" + served_.endpoint()},
                                       .ca_file = dir_ / "none.crt",
                                       .cert_file = {},
                                       .key_file = {}});
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, ::testing::HasSubstr("none.crt"));
}

// Both ends take what lies in the files for handshakes to come.
TEST_F(RemoteTls, AServerReadsItsFilesAgainWhenTheyChange) {
  issue(ca_, "client");
  const auto old_client = client(dir_ / "ca.crt", "client");
  ASSERT_TRUE(put(*old_client));

  const pki::Ca next = make_ca("next-ca");
  cloudless::testing::write_file(dir_ / "next.crt", next.certificate.to_pem());
  issue(next, "next-client");
  issue(next, "server");
  trust(next);
  EXPECT_TRUE(eventually([&] { return put(*client(dir_ / "next.crt", "next-client")).has_value(); }));
  // The connection that stands is as good as before; a new one by the old certificate is refused.
  EXPECT_TRUE(put(*old_client));
  cloudless::testing::write_file(dir_ / "old.crt", ca_.certificate.to_pem());
  EXPECT_FALSE(put(*client(dir_ / "old.crt", "client")));
}

}  // namespace
}  // namespace cloudless::etcd::testing

#include "bootstrap/pki.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/files.hpp"
#include "bootstrap/testing.hpp"

namespace cloudless::bootstrap {
namespace {

using namespace std::chrono_literals;
using testing::TemporaryFolder;

PkiOptions options_in(const std::string& directory) {
  return {.directory = directory, .node_name = "Box", .advertise_address = "192.0.2.1"};
}

std::vector<std::string> bases(const std::vector<PkiAction>& actions) {
  std::vector<std::string> out;
  for (const auto& action : actions) out.push_back(action.base);
  return out;
}

mode_t mode_of(const std::string& path) {
  struct stat status{};
  return stat(path.c_str(), &status) == 0 ? status.st_mode & 0777 : 0;
}

TEST(Pki, ApiServerIsCalledByAllItsNames) {
  PkiOptions options = options_in("/x");
  options.control_plane_endpoint = "api.example.com:6443";
  options.extra_sans = {"10.1.1.1", "other"};
  options.service_subnet = "10.96.0.0/12,fd00:10:96::/112";
  const auto names = apiserver_alt_names(options).value();
  EXPECT_EQ(names.dns,
            (std::vector<std::string>{"api.example.com", "box", "kubernetes", "kubernetes.default",
                                      "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
                                      "localhost", "other"}));
  EXPECT_EQ(names.ips,
            (std::vector<std::string>{"10.1.1.1", "10.96.0.1", "127.0.0.1", "192.0.2.1", "fd00:10:96::1"}));
}

TEST(Pki, RefusesAServiceSubnetThatIsNone) {
  for (const char* bad : {"", "10.96.0.0", "x/12", "10.96/12"}) EXPECT_FALSE(first_address(bad)) << bad;
}

TEST(Pki, IsMadeOnceAndHoldsTogether) {
  const TemporaryFolder folder;
  const PkiOptions options = options_in(folder.path());
  const WallTime now = SystemClock().wall_now();
  EXPECT_EQ(bases(ensure_pki(options, now).value()),
            (std::vector<std::string>{"ca", "front-proxy-ca", "sa", "apiserver", "apiserver-kubelet-client",
                                      "front-proxy-client"}));
  EXPECT_TRUE(ensure_pki(options, now)->empty());
  EXPECT_EQ(mode_of(folder.file("ca.key")), 0600u);
  EXPECT_EQ(mode_of(folder.file("sa.key")), 0600u);
  EXPECT_EQ(mode_of(folder.file("apiserver.crt")), 0644u);
  EXPECT_TRUE(std::filesystem::exists(folder.file("sa.pub")));
  const auto openssl = [&](const std::string& arguments) {
    return std::system(("openssl verify -x509_strict " + arguments + " >/dev/null 2>&1").c_str());
  };
  EXPECT_EQ(openssl("-purpose sslserver -verify_ip 10.96.0.1 -CAfile " + folder.file("ca.crt") + " " +
                    folder.file("apiserver.crt")),
            0);
  EXPECT_EQ(openssl("-purpose sslclient -CAfile " + folder.file("front-proxy-ca.crt") + " " +
                    folder.file("front-proxy-client.crt")),
            0);
  EXPECT_NE(openssl("-CAfile " + folder.file("ca.crt") + " " + folder.file("front-proxy-client.crt")), 0);
}

TEST(Pki, LeavesAreRenewedWhenAThirdOfTheirLifeIsLeft) {
  const TemporaryFolder folder;
  const PkiOptions options = options_in(folder.path());
  const WallTime now = SystemClock().wall_now();
  ASSERT_TRUE(ensure_pki(options, now));
  EXPECT_TRUE(ensure_pki(options, now + kCertificateLifetime * 3 / 5)->empty());
  const WallTime later = now + kCertificateLifetime * 7 / 10;
  EXPECT_EQ(bases(ensure_pki(options, later).value()),
            (std::vector<std::string>{"apiserver", "apiserver-kubelet-client", "front-proxy-client"}));
  EXPECT_TRUE(ensure_pki(options, later)->empty());
}

TEST(Pki, ANewNameOrANewCaMakesLeavesAnew) {
  const TemporaryFolder folder;
  PkiOptions options = options_in(folder.path());
  const WallTime now = SystemClock().wall_now();
  ASSERT_TRUE(ensure_pki(options, now));
  options.advertise_address = "192.0.2.2";
  EXPECT_EQ(bases(ensure_pki(options, now).value()), std::vector<std::string>{"apiserver"});
  std::filesystem::remove(folder.file("ca.key"));
  std::filesystem::remove(folder.file("ca.crt"));
  EXPECT_EQ(bases(ensure_pki(options, now).value()),
            (std::vector<std::string>{"ca", "apiserver", "apiserver-kubelet-client"}));
}

TEST(Pki, AnExternalCaIsNeverReplaced) {
  const TemporaryFolder folder;
  const PkiOptions options = options_in(folder.path());
  const WallTime now = SystemClock().wall_now();
  ASSERT_TRUE(ensure_pki(options, now));
  std::filesystem::remove(folder.file("ca.key"));
  EXPECT_TRUE(ensure_pki(options, now)->empty());
  std::filesystem::remove(folder.file("apiserver.key"));
  const auto failed = ensure_pki(options, now);
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message.find("ca.key is not there"), std::string::npos) << failed.error().message;
}

TEST(Pki, AKeyWithoutItsCertificateIsNotOverwritten) {
  const TemporaryFolder folder;
  const PkiOptions options = options_in(folder.path());
  const WallTime now = SystemClock().wall_now();
  ASSERT_TRUE(ensure_pki(options, now));
  std::filesystem::remove(folder.file("ca.crt"));
  const std::string key = read_file(folder.file("ca.key")).value();
  EXPECT_FALSE(ensure_pki(options, now));
  EXPECT_EQ(read_file(folder.file("ca.key")).value(), key);
}

TEST(Pki, DamagedFilesAreNamed) {
  const TemporaryFolder folder;
  const PkiOptions options = options_in(folder.path());
  ASSERT_TRUE(write_file(folder.file("ca.crt"), "nonsense", 0644));
  const auto failed = ensure_pki(options, SystemClock().wall_now());
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message.find("ca.crt"), std::string::npos);
}

}  // namespace
}  // namespace cloudless::bootstrap

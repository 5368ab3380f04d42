#include "cli/shared_certificates.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/files.hpp"
#include "bootstrap/testing.hpp"
#include "cli/files.hpp"

namespace cloudless::cli {
namespace {

namespace kubeadm = api::kubeadm::v1beta4;
using bootstrap::testing::TemporaryFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

kubeadm::ClusterConfiguration external(std::vector<std::string> endpoints) {
  kubeadm::ClusterConfiguration cluster;
  cluster.controlPlaneEndpoint = "api.home.example";
  cluster.etcd.external.emplace().endpoints = std::move(endpoints);
  return cluster;
}

TEST(SharedCertificates, OpenWithTheirKeyAlone) {
  SeededRandom random(1);
  const std::string key = make_certificate_key(random);
  EXPECT_EQ(key.size(), 64u);
  const SharedValues plain{{"ca.key", "secret"}, {"sa.pub", ""}};
  const auto sealed = seal_values(plain, key).value();
  EXPECT_THAT(sealed.at("ca.key"), Not(HasSubstr("secret")));
  EXPECT_EQ(open_values(sealed, key).value(), plain);
  const auto refused = open_values(sealed, make_certificate_key(random));
  EXPECT_EQ(refused.error().code, Code::kUnauthenticated);
  for (const char* bad : {"", "12", "zz", "000000000000000000000000000000000000000000000000000000000000000g"})
    EXPECT_EQ(check_certificate_key(bad).error().code, Code::kInvalid) << bad;
}

TEST(SharedCertificates, GoFromOneNodesFilesToAnothers) {
  const TemporaryFolder first;
  const TemporaryFolder second;
  const NodeLayout from{.kubernetes_dir = first.file("kubernetes")};
  const NodeLayout to{.kubernetes_dir = second.file("kubernetes")};
  ASSERT_TRUE(make_directories(from.pki_dir()));
  EXPECT_EQ(read_shared_values(from, {}).error().code, Code::kNotFound);
  EXPECT_EQ(missing_shared_files(to).size(), 6u);
  for (const char* name : {"ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "sa.pub", "sa.key",
                           "encryption.yaml"})
    ASSERT_TRUE(write_file(from.pki_dir() + "/" + name, name, 0600));
  const auto cluster = external({"postgres://kube:sesame@192.0.2.9/kube"});
  const auto values = read_shared_values(from, cluster).value();
  auto joined = published_configuration(cluster);
  ASSERT_TRUE(store_shared_values(values, to, joined));
  EXPECT_TRUE(missing_shared_files(to).empty());
  EXPECT_EQ(read_file(to.pki_dir() + "/encryption.yaml").value(), "encryption.yaml");
  EXPECT_THAT(joined.etcd.external->endpoints, ElementsAre("postgres://kube:sesame@192.0.2.9/kube"));
  struct stat status{};
  ASSERT_EQ(stat((to.pki_dir() + "/ca.key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  ASSERT_EQ(stat((to.pki_dir() + "/ca.crt").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0644u);
}

TEST(PublishedConfiguration, HasNoPassword) {
  const auto published = [](const char* endpoint) {
    return published_configuration(external({endpoint})).etcd.external->endpoints.front();
  };
  EXPECT_EQ(published("postgres://kube:sesame@db/kube"), "postgres://kube@db/kube");
  EXPECT_EQ(published("postgres://kube:se%40same@db:5432/kube?sslmode=disable"),
            "postgres://kube@db:5432/kube?sslmode=disable");
  EXPECT_EQ(published("postgres://db:5432/kube?user=kube&password=sesame"),
            "postgres://db:5432/kube?user=kube");
  EXPECT_EQ(published("postgres://db/kube?password=sesame&user=kube"), "postgres://db/kube?user=kube");
  EXPECT_EQ(published("https://192.0.2.9:2379"), "https://192.0.2.9:2379");
}

TEST(FurtherControlPlanes, NeedAStoreAndAnEndpointOfTheirOwn) {
  EXPECT_TRUE(check_takes_control_planes(external({"https://192.0.2.9:2379"})));
  const auto refused = check_takes_control_planes({});
  EXPECT_THAT(refused.error().message, HasSubstr("SQLite"));
  EXPECT_THAT(refused.error().message, HasSubstr("--datastore-endpoint"));
  EXPECT_THAT(refused.error().message, HasSubstr("controlPlaneEndpoint"));
}

}  // namespace
}  // namespace cloudless::cli

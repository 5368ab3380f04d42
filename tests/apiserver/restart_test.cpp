// What clients have open survives a server that is killed and comes back.
#include "apiserver/cluster.hpp"

namespace cloudless::testing {
namespace {

using ::testing::HasSubstr;

TEST(Restart, InformersGoOnAfterTheServerIsKilled) {
  Cluster cluster;
  const auto node = cluster.background("node " CLOUDLESS_TEST_SCRIPTS "/client_node.mjs informer");
  ASSERT_TRUE(eventually([&] { return node->output() == "add kube-root-ca.crt\n"; })) << node->output();
  cluster.ok("create configmap a");
  cluster.ok("create configmap b");
  ASSERT_TRUE(eventually([&] { return node->output().ends_with("add a\nadd b\n"); })) << node->output();
  const std::string version = cluster.ok("get cm a -o jsonpath={.metadata.resourceVersion}");
  cluster.kill();
  EXPECT_THAT(cluster.fails("get cm"), HasSubstr("was refused - did you specify the right host or port?"));
  cluster.start();
  cluster.ok("create configmap c");
  cluster.ok("delete configmap b");
  EXPECT_TRUE(eventually([&] {
    return node->output().contains("add c\n") && node->output().contains("delete b\n");
  })) << node->output();
  EXPECT_TRUE(node->running());
  // A watch from before the kill is told to list again, as upstream's caches have it; the revisions are the
  // same.
  EXPECT_EQ(cluster.ok("get cm a -o jsonpath={.metadata.resourceVersion}"), version);
  EXPECT_THAT(
      cluster.ok(
          "get --raw '/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=1&resourceVersion=" +
          version + "'"),
      ::testing::AllOf(HasSubstr("\"type\":\"ERROR\""), HasSubstr("\"code\":410"),
                       HasSubstr("too old resource version: " + version)));
}

TEST(Restart, WhatWasAcknowledgedIsThereAndWatchesEndCleanly) {
  Cluster cluster;
  const auto watch = cluster.background("kubectl get cm -w -o name");
  ASSERT_TRUE(eventually([&] { return watch->output().contains("kube-root-ca.crt"); })) << watch->output();
  for (int round = 0; round < 3; ++round) {
    cluster.ok("create configmap r" + std::to_string(round));
    cluster.kill();
    cluster.start();
  }
  EXPECT_EQ(cluster.ok("get cm r0 r1 r2 -o name"), "configmap/r0\nconfigmap/r1\nconfigmap/r2\n");
  EXPECT_TRUE(eventually([&] { return !watch->running(); }));
  // A token from before is good still, and so is the administrator's certificate.
  EXPECT_EQ(cluster.ok("auth can-i '*' '*'"), "yes\n");
}

}  // namespace
}  // namespace cloudless::testing

// Helm 4 keeps a chart with hooks, a custom resource and its definition: tests/apiserver/chart.
#include "apiserver/cluster.hpp"

namespace cloudless::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Helm : public ::testing::Test {
 protected:
  std::string helm(const std::string& arguments) {
    const CommandResult result = cluster.shell("helm " + arguments);
    EXPECT_EQ(result.exit_code, 0) << "helm " << arguments << "\n" << result.output;
    return result.output;
  }
  std::string helm_fails(const std::string& arguments) {
    const CommandResult result = cluster.shell("helm " + arguments);
    EXPECT_NE(result.exit_code, 0) << "helm " << arguments << "\n" << result.output;
    return result.output;
  }
  std::string color() { return cluster.ok("get gadget r -o jsonpath={.spec.color}"); }

  const std::string chart = CLOUDLESS_TEST_SCRIPTS "/chart";
  const Cluster cluster;
};

TEST_F(Helm, InstallsUpgradesRollsBackAndUninstalls) {
  EXPECT_THAT(helm("install r " + chart + " --wait --timeout 60s"), HasSubstr("STATUS: deployed"));
  EXPECT_EQ(color(), "red");
  EXPECT_EQ(cluster.ok("get gadget r -o jsonpath={.spec.size}"), "1");
  EXPECT_EQ(cluster.ok("get deploy,svc,sa,role -l app.kubernetes.io/instance=r -o name"),
            "deployment.apps/r\nservice/r\nserviceaccount/r\nrole.rbac.authorization.k8s.io/r\n");
  // The hook that is deleted when it has succeeded is gone, the other is there.
  EXPECT_EQ(cluster.ok("get cm r-pre-install r-post-install --ignore-not-found -o name"),
            "configmap/r-post-install\n");
  EXPECT_THAT(helm("upgrade r " + chart + " --set color=blue,image=app:2 --wait --timeout 60s"),
              HasSubstr("REVISION: 2"));
  EXPECT_EQ(color(), "blue");
  EXPECT_EQ(cluster.ok("get cm r -o 'jsonpath={.data.only-blue} {.data.revision}'"), "yes 2");
  EXPECT_EQ(cluster.ok("get cm r-pre-upgrade r-post-upgrade --ignore-not-found -o "
                       "jsonpath='{.items[*].data.revision}{.data.revision}'"),
            "2");
  EXPECT_THAT(helm("history r"), AllOf(HasSubstr("superseded"), HasSubstr("Upgrade complete")));
  EXPECT_THAT(helm("rollback r 1 --wait --timeout 60s"), HasSubstr("Rollback was a success"));
  EXPECT_EQ(color(), "red");
  EXPECT_EQ(cluster.ok("get cm r -o 'jsonpath={.data.only-blue}'"), "");
  EXPECT_EQ(cluster.ok("get deploy r -o 'jsonpath={.spec.template.spec.containers[0].image}'"), "app:1");
  EXPECT_THAT(helm("get manifest r"), HasSubstr("kind: Gadget"));
  EXPECT_THAT(helm("get hooks r"), HasSubstr("pre-install"));
  EXPECT_THAT(helm("get values r --all"), HasSubstr("color: red"));
  EXPECT_THAT(helm("get all r"), HasSubstr("REVISION: 3"));
  EXPECT_THAT(helm("status r"), HasSubstr("STATUS: deployed"));
  EXPECT_THAT(helm("list"), AllOf(HasSubstr("gadget-1.0.0"), HasSubstr("deployed")));
  EXPECT_EQ(cluster.ok("get secrets -l owner=helm -o 'jsonpath={.items[*].type}'"),
            "helm.sh/release.v1 helm.sh/release.v1 helm.sh/release.v1");
  EXPECT_THAT(helm("uninstall r --wait --timeout 60s"), HasSubstr("release \"r\" uninstalled"));
  EXPECT_EQ(cluster.ok("get gadgets,deploy,cm r --ignore-not-found -o name"), "");
  EXPECT_EQ(cluster.ok("get crd gadgets.example.com -o name"),
            "customresourcedefinition.apiextensions.k8s.io/gadgets.example.com\n");
  EXPECT_EQ(helm("list -q"), "");
}

TEST_F(Helm, TestsAReleaseAndTakesBackWhatFails) {
  helm("install r " + chart);
  // In place of a node agent.
  const auto agent = cluster.background("sh " + cluster.file("agent", R"(
until kubectl patch pod r-test --subresource=status --type=merge -p '{"status":{"phase":"Succeeded"}}'; do sleep 0.2; done)"));
  EXPECT_THAT(helm("test r --timeout 60s"),
              AllOf(HasSubstr("TEST SUITE:     r-test"), HasSubstr("Phase:          Succeeded")));
  EXPECT_THAT(helm_fails("upgrade r " + chart +
                         " --set broken=true,color=blue --rollback-on-failure --wait --timeout 3s"),
              HasSubstr("release r failed, and has been rolled back due to rollback-on-failure being set"));
  EXPECT_EQ(color(), "red");
  EXPECT_THAT(helm("status r"), HasSubstr("STATUS: deployed"));
  EXPECT_THAT(helm_fails("install r " + chart), HasSubstr("cannot reuse a name that is still in use"));
  EXPECT_THAT(
      helm_fails("install s " + chart + " --set broken=true --rollback-on-failure --wait --timeout 3s"),
      HasSubstr("release s failed, and has been uninstalled due to rollback-on-failure being set"));
  EXPECT_EQ(cluster.ok("get deploy s --ignore-not-found -o name"), "");
  // Somebody else's field: Helm 4 applies on the server and says whose it is.
  cluster.ok("apply --server-side --field-manager=somebody --force-conflicts -f -",
             "{apiVersion: v1, kind: ConfigMap, metadata: {name: r}, data: {color: green}}");
  EXPECT_THAT(helm_fails("upgrade r " + chart + " --set color=blue"),
              AllOf(HasSubstr("conflict"), HasSubstr("somebody"), HasSubstr(".data.color")));
  helm("upgrade r " + chart + " --set color=blue --force-conflicts");
  EXPECT_EQ(cluster.ok("get cm r -o 'jsonpath={.data.color}'"), "blue");
  helm("uninstall r");
  EXPECT_THAT(helm("install u " + chart + " --dry-run=server"), HasSubstr("kind: Gadget"));
  EXPECT_THAT(helm("upgrade --install u " + chart + " --server-side=false"), HasSubstr("STATUS: deployed"));
  EXPECT_THAT(helm("upgrade --install u " + chart + " --server-side=false --set color=blue"),
              HasSubstr("REVISION: 2"));
}

}  // namespace
}  // namespace cloudless::testing

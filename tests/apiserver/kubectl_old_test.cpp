// kubectl 1.32, three minors behind the server.
#include "apiserver/cluster.hpp"

namespace cloudless::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(OldKubectl, WorksAsTheNewOneDoes) {
  Cluster cluster;
  cluster.use("kubectl-1.32");
  EXPECT_THAT(cluster.ok("version"),
              AllOf(HasSubstr("Client Version: v1.32"), HasSubstr("Server Version: v1.35.")));
  EXPECT_EQ(cluster.ok("create deployment web --image=a --replicas=0"), "deployment.apps/web created\n");
  EXPECT_EQ(cluster.ok("get deploy -o name"), "deployment.apps/web\n");
  const std::string manifest =
      "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}], selector: {app: s}}\n";
  EXPECT_EQ(cluster.ok("apply -f -", manifest), "service/s created\n");
  EXPECT_EQ(cluster.ok("apply -f -", manifest), "service/s unchanged\n");
  EXPECT_EQ(cluster.ok("apply --server-side -f -", manifest), "service/s serverside-applied\n");
  EXPECT_EQ(cluster.kubectl("diff -f -", manifest).exit_code, 0);
  EXPECT_EQ(
      cluster.shell("KUBE_EDITOR='sed -i s/replicas:.0/replicas:\\ 1/' kubectl-1.32 edit deploy web").output,
      "deployment.apps/web edited\n");
  EXPECT_EQ(cluster.ok("set image deploy/web a=b"), "deployment.apps/web image updated\n");
  EXPECT_EQ(cluster.ok("patch deploy web --type=json -p '[{\"op\":\"remove\",\"path\":\"/spec/strategy\"}]'"),
            "deployment.apps/web patched (no change)\n");
  EXPECT_THAT(cluster.ok("describe deploy web"), HasSubstr("RollingUpdateStrategy:"));
  EXPECT_THAT(cluster.ok("explain pod.spec.containers.livenessProbe"),
              HasSubstr("FIELD: livenessProbe <Probe>"));
  EXPECT_THAT(cluster.ok("explain pods --recursive --output=plaintext-openapiv2"),
              HasSubstr("activeDeadlineSeconds"));
  EXPECT_THAT(cluster.ok("api-resources"), HasSubstr("resourceclaimtemplates"));
  EXPECT_EQ(cluster.ok("auth can-i get pods"), "yes\n");
  EXPECT_THAT(cluster.ok("create token default"), StartsWith("ey"));
  EXPECT_EQ(cluster.ok("delete deploy web"), "deployment.apps \"web\" deleted\n");
  const CommandResult all = cluster.shell(R"sh(
    for each in $(kubectl-1.32 api-resources --verbs=list -o name); do
      kubectl-1.32 get "$each" -A >out 2>&1 || { echo "get $each: $(cat out)"; failed=1;
}
    done
    exit $failed)sh");
  EXPECT_EQ(all.exit_code, 0) << all.output;
}

}  // namespace
}  // namespace cloudless::testing

// kubectl moves objects from client-side to server-side apply, and what else the server fills in for it.
#include "apiserver/cluster.hpp"

namespace cloudless::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kDeployment = R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web, tier: front}}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: nginx:1
        env: [{name: A, value: a}, {name: B, value: b}]
)";

std::string without(std::string text, const std::string& part) {
  return text.replace(text.find(part), part.size(), "");
}

TEST(KubectlOwnership, AfterClientSideApplyServerSideApplyRemovesWhatIsDropped) {
  const Cluster cluster;
  cluster.ok("apply -f -", kDeployment);
  const std::string managers =
      "get deploy web --show-managed-fields -o jsonpath='{range .metadata.managedFields[*]}"
      "{.manager}/{.operation} {end}'";
  EXPECT_THAT(cluster.ok(managers), HasSubstr("kubectl-client-side-apply/Update"));
  EXPECT_EQ(cluster.ok("apply --server-side -f -", kDeployment), "deployment.apps/web serverside-applied\n");
  EXPECT_THAT(cluster.ok(managers),
              AllOf(HasSubstr("kubectl/Apply"), Not(HasSubstr("kubectl-client-side-apply"))));

  const std::string fewer = without(without(kDeployment, ", {name: B, value: b}"), ", tier: front");
  cluster.ok("apply --server-side -f -", fewer);
  EXPECT_EQ(cluster.ok("get deploy web -o jsonpath='{.spec.template.spec.containers[0].env[*].name} "
                       "{.metadata.labels}'"),
            R"(A {"app":"web"})");
  // The annotation followed, so client-side apply goes on from there: it removes what it is not given any
  // more.
  cluster.ok("apply -f -", without(fewer, "env: [{name: A, value: a}]"));
  EXPECT_EQ(cluster.ok("get deploy web -o jsonpath='{.spec.template.spec.containers[0].env}'"), "");
}

TEST(KubectlOwnership, ManagedFieldsAreResetByOneEmptyEntry) {
  const Cluster cluster;
  cluster.ok("create configmap a --from-literal=x=1");
  cluster.ok(
      R"(patch configmap a --type=json -p '[{"op":"replace","path":"/metadata/managedFields","value":[{}]}]')");
  EXPECT_EQ(cluster.ok("get configmap a --show-managed-fields -o jsonpath='{.metadata.managedFields}'"), "");
}

TEST(KubectlOwnership, ATokenSecretIsFilledAndGoesWithItsServiceAccount) {
  const Cluster cluster;
  cluster.ok("create serviceaccount robot");
  cluster.ok("create clusterrolebinding robot --clusterrole=view --serviceaccount=default:robot");
  cluster.ok("apply -f -", R"(
apiVersion: v1
kind: Secret
metadata: {name: robot-token, annotations: {kubernetes.io/service-account.name: robot}}
type: kubernetes.io/service-account-token
)");
  cluster.ok("wait --for=jsonpath='{.data.token}' secret/robot-token --timeout=60s");
  EXPECT_EQ(cluster.ok("get secret robot-token -o go-template='{{.data.namespace | base64decode}}'"),
            "default");
  EXPECT_THAT(cluster.ok("get secret robot-token -o go-template='{{index .data \"ca.crt\" | base64decode}}'"),
              StartsWith("-----BEGIN CERTIFICATE-----"));
  const CommandResult got = cluster.shell(
      "KUBECONFIG=/dev/null kubectl get configmaps -o name "
      "--server=$(kubectl config view -o jsonpath='{.clusters[0].cluster.server}') "
      "--token=$(kubectl get secret robot-token -o go-template='{{.data.token | base64decode}}') "
      "--insecure-skip-tls-verify");
  EXPECT_EQ(got.exit_code, 0) << got.output;
  EXPECT_EQ(got.output, "configmap/kube-root-ca.crt\n");
  EXPECT_THAT(cluster.ok("get secret robot-token -o jsonpath='{.metadata.labels}'"),
              HasSubstr("kubernetes.io/legacy-token-last-used"));
  cluster.ok("delete serviceaccount robot");
  cluster.ok("wait --for=delete secret/robot-token --timeout=60s");
}

TEST(KubectlOwnership, ComponentStatusesAndScalesHaveTheirColumns) {
  const Cluster cluster;
  EXPECT_THAT(cluster.ok("get componentstatuses"),
              AllOf(HasSubstr("NAME                 STATUS    MESSAGE   ERROR\n"),
                    HasSubstr("controller-manager   Healthy   ok        \n"),
                    HasSubstr("etcd-0               Healthy   ok        \n")));
  cluster.ok("apply -f -", kDeployment);
  EXPECT_THAT(
      cluster.ok("get deploy web --subresource=scale"),
      AllOf(StartsWith("NAME   DESIRED   AVAILABLE   AGE\n"), HasSubstr("web    0         0           ")));
  EXPECT_THAT(cluster.fails(R"(patch deploy web -p '{"spec":{"replicas":"x"}}')"),
              HasSubstr("patch: Invalid value: \"map[spec:map[replicas:x]]\": unrecognized type: int32"));
}

}  // namespace
}  // namespace cloudless::testing

// kubectl asks who it is and what it may; tokens, certificates, impersonation, roles.
#include "apiserver/cluster.hpp"

namespace cloudless::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(KubectlIdentity, KnowsWhoItIsAndWhatItMay) {
  const Cluster cluster;
  EXPECT_THAT(cluster.ok("auth whoami"),
              AllOf(HasSubstr("Username"), HasSubstr("kubernetes-admin"), HasSubstr("system:authenticated")));
  EXPECT_EQ(cluster.ok("auth can-i create deployments"), "yes\n");
  EXPECT_THAT(cluster.ok("auth can-i --list"), AllOf(HasSubstr("*.*"), HasSubstr("[*]")));
  EXPECT_EQ(cluster.fails("auth can-i get pods --as=alice"), "no\n");
  EXPECT_EQ(cluster.fails("get pods --as=alice"),
            "Error from server (Forbidden): pods is forbidden: User \"alice\" cannot list resource \"pods\" "
            "in API group \"\" "
            "in the namespace \"default\"\n");
  EXPECT_THAT(cluster.ok("auth whoami --as=alice --as-group=team --as-uid=7"),
              AllOf(HasSubstr("alice"), HasSubstr("team"), HasSubstr("7")));

  EXPECT_EQ(cluster.ok("create role reader --verb=get,list,watch --resource=pods,pods/log"),
            "role.rbac.authorization.k8s.io/reader created\n");
  EXPECT_EQ(cluster.ok("create rolebinding alice --role=reader --user=alice"),
            "rolebinding.rbac.authorization.k8s.io/alice created\n");
  EXPECT_EQ(cluster.ok("auth can-i get pods --as=alice"), "yes\n");
  EXPECT_EQ(cluster.ok("auth can-i get pods --subresource=log --as=alice"), "yes\n");
  EXPECT_EQ(cluster.fails("auth can-i get pods -n kube-system --as=alice"), "no\n");
  EXPECT_THAT(cluster.ok("auth can-i --list --as=alice"),
              AllOf(HasSubstr("pods/log"), HasSubstr("[get list watch]"),
                    HasSubstr("selfsubjectaccessreviews.authorization.k8s.io")));
  EXPECT_EQ(cluster.ok("get pods --as=alice"), "No resources found in default namespace.\n");
  EXPECT_EQ(cluster.fails("delete pod x --as=alice"),
            "Error from server (Forbidden): pods \"x\" is forbidden: User \"alice\" cannot delete resource "
            "\"pods\" in API group \"\" "
            "in the namespace \"default\"\n");
  EXPECT_EQ(cluster.fails("auth can-i get /metrics --as=alice"), "no\n");
  cluster.ok("create clusterrole metrics --verb=get --non-resource-url=/metrics");
  cluster.ok("create clusterrolebinding metrics --clusterrole=metrics --group=team");
  EXPECT_EQ(cluster.ok("auth can-i get /metrics --as=bob --as-group=team"), "yes\n");
  EXPECT_THAT(cluster.ok("get --raw /metrics --as=bob --as-group=team"),
              HasSubstr("apiserver_request_total"));

  // Nobody gives what he does not have, and nobody binds what he may not.
  cluster.ok(
      "create role granter --verb=create,get "
      "--resource=roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io");
  cluster.ok("create rolebinding granter --role=granter --user=alice");
  EXPECT_THAT(cluster.fails("create role more --verb=get --resource=secrets --as=alice"),
              AllOf(HasSubstr("roles.rbac.authorization.k8s.io \"more\" is forbidden: user \"alice\" "
                              "(groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions "
                              "not currently held:"),
                    HasSubstr("{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\"]}")));
  cluster.ok("create role same --verb=get --resource=pods --as=alice");
  EXPECT_THAT(cluster.fails("create rolebinding more --clusterrole=edit --user=eve --as=alice"),
              HasSubstr("is attempting to grant RBAC permissions not currently held"));
  EXPECT_THAT(
      cluster.ok(
          "auth reconcile -f -",
          R"({apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: same, namespace: default}, rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]})"),
      HasSubstr("role.rbac.authorization.k8s.io/same reconciled"));
}

TEST(KubectlIdentity, ServiceAccountsUseTheirTokens) {
  const Cluster cluster;
  EXPECT_EQ(cluster.ok("create serviceaccount robot"), "serviceaccount/robot created\n");
  const std::string token =
      cluster.ok("create token robot --duration=1h --audience=https://kubernetes.default.svc.cluster.local");
  EXPECT_EQ(std::ranges::count(token, '.'), 2) << token;
  const std::string as_robot = "--kubeconfig=/dev/null --server=" + cluster.server() +
                               " --certificate-authority=" + cluster.pki("ca.crt") +
                               " --token=" + cluster.ok("create token robot").substr(0, std::string::npos);
  const auto strip = [](std::string text) {
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  };
  const std::string robot = strip(as_robot);
  EXPECT_THAT(
      cluster.ok(robot + " auth whoami"),
      AllOf(HasSubstr("system:serviceaccount:default:robot"), HasSubstr("system:serviceaccounts:default"),
            HasSubstr("authentication.kubernetes.io/credential-id")));
  EXPECT_THAT(cluster.fails(robot + " get pods"),
              HasSubstr("User \"system:serviceaccount:default:robot\" cannot list resource \"pods\""));
  cluster.ok("create rolebinding robot --clusterrole=view --serviceaccount=default:robot");
  EXPECT_EQ(cluster.ok(robot + " get pods"), "No resources found in default namespace.\n");
  // A token bound to a pod ends with the pod.
  cluster.ok("run holder --image=x --overrides='{\"spec\":{\"serviceAccountName\":\"robot\"}}'");
  const std::string bound =
      strip(cluster.ok("create token robot --bound-object-kind=Pod --bound-object-name=holder"));
  const std::string holder = "--kubeconfig=/dev/null --server=" + cluster.server() +
                             " --certificate-authority=" + cluster.pki("ca.crt") + " --token=" + bound;
  EXPECT_THAT(cluster.ok(holder + " auth whoami"), HasSubstr("authentication.kubernetes.io/pod-name"));
  cluster.ok("delete pod holder");
  EXPECT_THAT(cluster.fails(holder + " auth whoami"),
              HasSubstr("error: You must be logged in to the server (Unauthorized)"));
  EXPECT_THAT(
      cluster.fails("--kubeconfig=/dev/null --server=" + cluster.server() +
                    " --certificate-authority=" + cluster.pki("ca.crt") + " --token=nonsense get pods"),
      HasSubstr("error: You must be logged in to the server (Unauthorized)"));
  EXPECT_THAT(cluster.fails("create token nobody"),
              HasSubstr("error: failed to create token: serviceaccounts \"nobody\" not found"));
  EXPECT_THAT(cluster.fails("create token robot --duration=1m"),
              HasSubstr("may not specify a duration less than 10 minutes"));
}

TEST(KubectlIdentity, CertificatesAreRequestedAndApproved) {
  const Cluster cluster;
  const CommandResult csr = cluster.shell(R"(
    openssl req -new -newkey rsa:2048 -nodes -keyout carol.key -subj /O=team/CN=carol -out carol.csr 2>/dev/null &&
    kubectl create -f - <<EOF
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: carol}
spec:
  request: $(base64 -w0 carol.csr)
  signerName: kubernetes.io/kube-apiserver-client
  usages: [client auth]
EOF
)");
  EXPECT_EQ(csr.output, "certificatesigningrequest.certificates.k8s.io/carol created\n");
  EXPECT_THAT(cluster.ok("get csr"),
              AllOf(StartsWith("NAME    AGE   SIGNERNAME                            REQUESTOR          "
                               "REQUESTEDDURATION   CONDITION\n"),
                    HasSubstr("Pending")));
  EXPECT_EQ(cluster.ok("certificate approve carol"),
            "certificatesigningrequest.certificates.k8s.io/carol approved\n");
  EXPECT_TRUE(
      eventually([&] { return !cluster.ok("get csr carol -o jsonpath={.status.certificate}").empty(); }));
  EXPECT_THAT(cluster.ok("get csr"), HasSubstr("Approved,Issued"));
  const CommandResult who = cluster.shell(
      "kubectl get csr carol -o jsonpath={.status.certificate} | base64 -d > carol.crt && "
      "kubectl --kubeconfig=/dev/null --server=" +
      cluster.server() + " --certificate-authority=" + cluster.pki("ca.crt") +
      " --client-certificate=carol.crt --client-key=carol.key auth whoami");
  EXPECT_THAT(who.output, AllOf(HasSubstr("carol"), HasSubstr("[team system:authenticated]")));
  EXPECT_THAT(cluster.ok("describe csr carol"), HasSubstr("Common Name:    carol"));
}

}  // namespace
}  // namespace cloudless::testing

// kubectl changes objects: create, apply, diff, edit, replace, patch, label, delete.
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
metadata:
  name: web
spec:
  replicas: 2
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: nginx
        image: nginx:1
        ports:
        - containerPort: 80
)";

std::string with(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(KubectlObjects, AreCreatedShownChangedAndDeleted) {
  const Cluster cluster;
  EXPECT_EQ(cluster.ok("apply -f -", kDeployment), "deployment.apps/web created\n");
  EXPECT_THAT(cluster.ok("get deploy -o wide"),
              AllOf(HasSubstr("UP-TO-DATE"), HasSubstr("0/2"), HasSubstr("nginx:1"), HasSubstr("app=web")));
  EXPECT_THAT(cluster.ok("get deploy web -o yaml"),
              AllOf(HasSubstr("strategy:"), HasSubstr("maxSurge: 25%")));
  EXPECT_EQ(cluster.ok("get deploy web -o jsonpath={.spec.replicas}"), "2");
  EXPECT_THAT(cluster.ok("wait deploy/web --for=jsonpath='{.spec.replicas}'=2 --timeout=60s"),
              HasSubstr("condition met"));
  EXPECT_THAT(cluster.ok("describe deploy web"), HasSubstr("25% max unavailable, 25% max surge"));
  EXPECT_EQ(cluster.ok("scale deploy web --replicas=3"), "deployment.apps/web scaled\n");
  EXPECT_EQ(cluster.ok("label deploy web tier=front"), "deployment.apps/web labeled\n");
  EXPECT_EQ(cluster.ok("annotate deploy web note=x"), "deployment.apps/web annotated\n");
  EXPECT_EQ(cluster.ok("set image deploy/web nginx=nginx:2"), "deployment.apps/web image updated\n");
  EXPECT_EQ(
      cluster.ok(
          "get deploy web -o 'jsonpath={.spec.replicas} {.metadata.labels.tier} {.metadata.generation}'"),
      "3 front 3");
  EXPECT_EQ(cluster.ok("get deploy -l tier=front -o name"), "deployment.apps/web\n");
  EXPECT_THAT(cluster.ok("delete deploy web"), HasSubstr("deployment.apps \"web\" deleted"));
  EXPECT_THAT(cluster.fails("get deploy web"), HasSubstr("deployments.apps \"web\" not found"));

  cluster.ok("create service nodeport a --tcp=80:80");
  cluster.ok("create service nodeport b --tcp=80:80");
  const std::string addresses = " -o 'jsonpath={.spec.clusterIP} {.spec.ports[0].nodePort}'";
  const std::string a = cluster.ok("get svc a" + addresses);
  EXPECT_THAT(a, StartsWith("10."));
  EXPECT_NE(a, cluster.ok("get svc b" + addresses));
}

TEST(KubectlObjects, AreAppliedDiffedAndEdited) {
  const Cluster cluster;
  EXPECT_EQ(cluster.ok("apply -f -", kDeployment), "deployment.apps/web created\n");
  EXPECT_EQ(cluster.ok("apply -f -", kDeployment), "deployment.apps/web unchanged\n");
  const std::string more = with(kDeployment, "replicas: 2", "replicas: 4");
  const CommandResult diff = cluster.kubectl("diff -f -", more);
  EXPECT_EQ(diff.exit_code, 1) << diff.output;
  EXPECT_THAT(diff.output, AllOf(HasSubstr("-  replicas: 2"), HasSubstr("+  replicas: 4")));
  const std::string by_server = "diff --server-side --force-conflicts ";
  EXPECT_EQ(cluster.kubectl(by_server + "--field-manager=me -f -", kDeployment).exit_code, 0);
  // For kubectl itself the server writes the annotation of what was last applied, in words of its own.
  const CommandResult of_kubectl = cluster.kubectl(by_server + "-f -", kDeployment);
  EXPECT_EQ(of_kubectl.exit_code, 1) << of_kubectl.output;
  EXPECT_THAT(of_kubectl.output,
              AllOf(HasSubstr(R"("metadata":{"annotations":{},)"), Not(HasSubstr("-  replicas"))));
  EXPECT_EQ(cluster.ok("apply --dry-run=server -f -", more),
            "deployment.apps/web configured (server dry run)\n");
  EXPECT_EQ(cluster.ok("get deploy web -o jsonpath={.spec.replicas}"), "2");
  EXPECT_EQ(cluster.ok("apply -f -", more), "deployment.apps/web configured\n");
  EXPECT_THAT(cluster.ok("apply view-last-applied deploy/web"), HasSubstr("replicas: 4"));
  // A field that the file no longer names goes, and defaults come back.
  EXPECT_EQ(cluster.ok("apply -f -", with(kDeployment, "  replicas: 2\n", "")),
            "deployment.apps/web configured\n");
  EXPECT_EQ(cluster.ok("get deploy web -o jsonpath={.spec.replicas}"), "1");

  const auto edit = [&](const std::string& script, const std::string& arguments) {
    return cluster.shell("KUBE_EDITOR='sed -i " + script + "' kubectl edit " + arguments);
  };
  EXPECT_EQ(edit("s/image:.nginx:1/image:\\ nginx:2/", "deploy web").output, "deployment.apps/web edited\n");
  EXPECT_EQ(cluster.ok("get deploy web -o 'jsonpath={.spec.template.spec.containers[0].image}'"), "nginx:2");
  EXPECT_EQ(edit("s/neverthere/x/", "deploy web").output, "Edit cancelled, no changes made.\n");
  EXPECT_THAT(edit("s/containerPort:.80/containerPort:\\ 99999/", "deploy web").output,
              HasSubstr("error: deployments.apps \"web\" is invalid"));
}

TEST(KubectlObjects, AreAppliedOnTheServerWithConflicts) {
  const Cluster cluster;
  EXPECT_EQ(cluster.ok("apply --server-side -f -", kDeployment), "deployment.apps/web serverside-applied\n");
  const std::string more = with(kDeployment, "replicas: 2", "replicas: 4");
  EXPECT_THAT(
      cluster.fails("apply --server-side --field-manager=other -f -", more),
      AllOf(StartsWith("error: Apply failed with 1 conflict: conflict with \"kubectl\": .spec.replicas\n"),
            HasSubstr("Please review the fields above--they currently have other managers.")));
  cluster.ok("apply --server-side --force-conflicts --field-manager=other -f -", more);
  EXPECT_EQ(cluster.ok("get deploy web -o jsonpath={.spec.replicas}"), "4");
  EXPECT_THAT(cluster.fails("apply --server-side -f -", kDeployment),
              HasSubstr("conflict with \"other\": .spec.replicas"));
  // A manager that gives a field up leaves it to the other; the last one removes it.
  cluster.ok("apply --server-side -f -", with(kDeployment, "  replicas: 2\n", ""));
  EXPECT_EQ(cluster.ok("get deploy web -o jsonpath={.spec.replicas}"), "4");
  cluster.ok("apply --server-side --field-manager=other -f -", with(kDeployment, "  replicas: 2\n", ""));
  EXPECT_EQ(cluster.ok("get deploy web -o jsonpath={.spec.replicas}"), "1");
  EXPECT_THAT(
      cluster.ok("get deploy web --show-managed-fields -o yaml"),
      AllOf(HasSubstr("manager: kubectl\n"), HasSubstr("operation: Apply"),
            HasSubstr("k:{\"name\":\"nginx\"}"), HasSubstr("k:{\"containerPort\":80,\"protocol\":\"TCP\"}")));
  // Who changes a field without applying owns it, too.
  cluster.ok("scale deploy web --replicas=3");
  EXPECT_THAT(cluster.fails("apply --server-side -f -", kDeployment),
              AllOf(HasSubstr("with subresource \"scale\""), HasSubstr(".spec.replicas")));
  // What client-side apply has made, server-side apply takes over.
  cluster.ok("apply -f -", with(with(kDeployment, "name: web", "name: old"), "image: nginx:1",
                                "image: nginx:1\n        command: [run]"));
  EXPECT_EQ(cluster.ok("apply --server-side -f -", with(kDeployment, "name: web", "name: old")),
            "deployment.apps/old serverside-applied\n");
}

TEST(KubectlObjects, ArePatchedLabeledAndReplaced) {
  const Cluster cluster;
  cluster.ok("apply -f -", kDeployment);
  const auto patch = [&](const std::string& type, const std::string& body) {
    return cluster.ok("patch deploy web --type=" + type + " -p '" + body + "'");
  };
  const std::string names = "get deploy web -o 'jsonpath={.spec.template.spec.containers[*].name}'";
  patch("strategic", R"({"spec":{"template":{"spec":{"containers":[{"name":"side","image":"b"}]}}}})");
  EXPECT_EQ(cluster.ok(names), "side nginx");
  patch(
      "strategic",
      R"({"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"nginx"},{"name":"side"}],"containers":[{"name":"side","image":"c"}]}}}})");
  EXPECT_EQ(cluster.ok(names), "nginx side");
  patch("strategic", R"({"spec":{"template":{"spec":{"containers":[{"name":"side","$patch":"delete"}]}}}})");
  EXPECT_EQ(cluster.ok(names), "nginx");
  patch("strategic", R"({"spec":{"template":{"spec":{"containers":[{"name":"side","image":"b"}]}}}})");
  patch("json", R"([{"op":"remove","path":"/spec/template/spec/containers/0"}])");
  EXPECT_EQ(cluster.ok(names), "nginx");
  EXPECT_EQ(patch("merge", R"({"spec":{"replicas":5}})"), "deployment.apps/web patched\n");
  EXPECT_EQ(cluster.ok("get deploy web -o jsonpath={.spec.replicas}"), "5");
  patch(
      "json",
      R"([{"op":"test","path":"/spec/replicas","value":5},{"op":"replace","path":"/spec/replicas","value":6}])");
  EXPECT_THAT(
      cluster.fails(R"(patch deploy web --type=json -p '[{"op":"test","path":"/spec/replicas","value":5}]')"),
      HasSubstr("the server rejected our request due to an error in our request"));
  EXPECT_THAT(
      cluster.fails(R"(patch deploy web --type=json -p '[{"op":"remove","path":"/spec/nothing"}]')"),
      HasSubstr("The request is invalid: the server rejected our request due to an error in our request"));
  EXPECT_THAT(
      cluster.fails(R"(patch deploy web --type=merge -p '{"spec":{"replicas":"x"}}')"),
      HasSubstr(
          "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"));
  EXPECT_THAT(cluster.fails(
                  R"(patch deploy web --type=merge -p '{"spec":{"selector":{"matchLabels":{"app":"y"}}}}')"),
              AllOf(HasSubstr("The Deployment \"web\" is invalid"), HasSubstr("field is immutable")));
  EXPECT_EQ(
      cluster.ok(
          R"(patch deploy web --subresource=status --type=merge -p '{"status":{"observedGeneration":77}}')"),
      "deployment.apps/web patched\n");

  EXPECT_EQ(cluster.ok("label deploy web tier=front"), "deployment.apps/web labeled\n");
  EXPECT_EQ(cluster.fails("label deploy web tier=back"),
            "error: 'tier' already has a value (front), and --overwrite is false\n");
  EXPECT_EQ(cluster.ok("label deploy web tier=back --overwrite"), "deployment.apps/web labeled\n");
  EXPECT_EQ(cluster.ok("label deploy web tier-"), "deployment.apps/web unlabeled\n");
  EXPECT_THAT(cluster.fails("label deploy web 'a=b c'"), HasSubstr("invalid label value"));
  EXPECT_EQ(cluster.ok("annotate deploy web note='a note'"), "deployment.apps/web annotated\n");
  EXPECT_EQ(cluster.ok("annotate deploy web note-"), "deployment.apps/web annotated\n");

  cluster.ok("create configmap c --from-literal=k=v");
  const std::string object = cluster.ok("get cm c -o json");
  EXPECT_EQ(cluster.ok("replace -f -", with(object, "\"v\"", "\"w\"")), "configmap/c replaced\n");
  EXPECT_THAT(
      cluster.fails("replace -f -", object),
      HasSubstr("Error from server (Conflict): error when replacing \"STDIN\": Operation cannot be fulfilled "
                "on configmaps \"c\": the object has been modified; please apply your changes to the latest "
                "version and try again"));
  EXPECT_THAT(cluster.ok("replace --force -f -", object), HasSubstr("configmap/c replaced"));
  EXPECT_EQ(cluster.ok("get cm c -o jsonpath={.data.k}"), "v");
  EXPECT_EQ(
      cluster.fails("create -f -", object),
      "Error from server (AlreadyExists): error when creating \"STDIN\": configmaps \"c\" already exists\n");
  EXPECT_EQ(cluster.fails("create configmap c"),
            "error: failed to create configmap: configmaps \"c\" already exists\n");
}

TEST(KubectlObjects, AreDeletedInEveryWay) {
  const Cluster cluster;
  const std::string replicaset = "get rs -o name";
  cluster.ok("apply -f -", kDeployment);
  cluster.await("get rs -o 'jsonpath={.items[*].status.replicas}'", "2");
  // Orphans stay, and are adopted again.
  const std::string name = cluster.ok(replicaset);
  EXPECT_THAT(cluster.ok("delete deploy web --cascade=orphan"),
              StartsWith("deployment.apps \"web\" deleted"));
  EXPECT_EQ(cluster.ok(replicaset), name);
  EXPECT_EQ(cluster.ok("get rs -o 'jsonpath={.items[*].metadata.ownerReferences}'"), "");
  cluster.ok("apply -f -", kDeployment);
  cluster.await("get rs -o 'jsonpath={.items[*].metadata.ownerReferences[0].name}'", "web");
  EXPECT_EQ(cluster.ok(replicaset), name);
  // Foreground: gone is gone with all that it owned.
  cluster.ok("delete deploy web --cascade=foreground");
  EXPECT_EQ(cluster.ok("get deploy,rs,pods -o name"), "");
  // Background: what it owned follows.
  cluster.ok("apply -f -", kDeployment);
  cluster.await("get rs -o 'jsonpath={.items[*].status.replicas}'", "2");
  cluster.ok("delete deploy web --cascade=background");
  cluster.await("get rs,pods -o name", "");

  // A finalizer holds it until it is taken away.
  cluster.ok("create -f -",
             "{apiVersion: v1, kind: ConfigMap, metadata: {name: held, finalizers: [example.com/hold]}}");
  cluster.ok("delete cm held --wait=false");
  EXPECT_NE(cluster.ok("get cm held -o jsonpath={.metadata.deletionTimestamp}"), "");
  EXPECT_THAT(
      cluster.fails(
          R"(patch cm held --type=merge -p '{"metadata":{"finalizers":["example.com/hold","example.com/late"]}}')"),
      HasSubstr(
          "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
          "found new finalizers []string{\"example.com/late\"}"));
  const auto gone = cluster.background("kubectl wait cm/held --for=delete --timeout=30s");
  cluster.ok(R"(patch cm held --type=merge -p '{"metadata":{"finalizers":null}}')");
  EXPECT_TRUE(eventually([&] { return !gone->running(); })) << gone->output();
  EXPECT_EQ(gone->wait(), 0) << gone->output();

  // A pod that no node runs needs no farewell; one that a node may run is told to end, or forced.
  cluster.ok("run free --image=x");
  cluster.ok("delete pod free");
  cluster.ok("create -f -",
             "{apiVersion: v1, kind: Pod, metadata: {name: bound}, spec: {nodeName: far, containers: [{name: "
             "c, image: x}]}}");
  cluster.ok("delete pod bound --wait=false");
  EXPECT_EQ(cluster.ok("get pod bound -o jsonpath={.metadata.deletionGracePeriodSeconds}"), "30");
  EXPECT_THAT(cluster.ok("delete pod bound --force --grace-period=0"),
              AllOf(HasSubstr("Warning: Immediate deletion does not wait for confirmation"),
                    HasSubstr("pod \"bound\" force deleted")));

  // Many at once, by selector, all, and with their namespace.
  cluster.ok("create ns gone");
  for (const char* each : {"a", "b", "c"}) cluster.ok(std::string("-n gone create configmap ") + each);
  cluster.ok("-n gone label cm a b pick=me");
  cluster.ok("-n gone delete cm -l pick=me");
  EXPECT_EQ(cluster.ok("-n gone get cm c --ignore-not-found -o name"), "configmap/c\n");
  cluster.ok("-n gone delete cm --all");
  EXPECT_EQ(cluster.ok("-n gone get cm a b c --ignore-not-found -o name"), "");
  cluster.ok("delete ns gone");
  EXPECT_THAT(cluster.fails("-n gone create configmap late"), HasSubstr("namespaces \"gone\" not found"));
  EXPECT_THAT(cluster.fails("delete ns default"),
              HasSubstr("namespaces \"default\" is forbidden: this namespace may not be deleted"));
  EXPECT_THAT(cluster.fails("delete cm nothing"),
              HasSubstr("Error from server (NotFound): configmaps \"nothing\" not found"));
}

TEST(KubectlObjects, AreCheckedAsTheUserAsks) {
  const Cluster cluster;
  const std::string wrong = with(kDeployment, "replicas: 2", "replicaz: 2");
  EXPECT_EQ(
      cluster.fails("create -f -", wrong),
      "Error from server (BadRequest): error when creating \"STDIN\": Deployment in version \"v1\" cannot be "
      "handled as a Deployment: strict decoding error: unknown field \"spec.replicaz\"\n");
  EXPECT_EQ(cluster.ok("create --validate=warn -f -", wrong),
            "Warning: unknown field \"spec.replicaz\"\ndeployment.apps/web created\n");
  cluster.ok("delete deploy web");
  EXPECT_EQ(cluster.ok("create --validate=ignore -f -", wrong), "deployment.apps/web created\n");
  EXPECT_THAT(
      cluster.fails("create -f -", with(kDeployment, "replicas: 2", "replicas: many")),
      HasSubstr("cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field "
                "DeploymentSpec.spec.replicas of type int32"));
  EXPECT_EQ(cluster.fails("create -f -", with(with(kDeployment, "name: web", "name: b"), "labels: {app: web}",
                                              "labels: {app: b}")),
            "The Deployment \"b\" is invalid: spec.template.metadata.labels: Invalid value: {\"app\":\"b\"}: "
            "`selector` "
            "does not match template `labels`\n");
  EXPECT_THAT(
      cluster.fails("create -f -",
                    with(with(kDeployment, "name: web", "name: Web_"), "image: nginx:1", "image: \"\"")),
      AllOf(StartsWith("The Deployment \"Web_\" is invalid: \n"),
            HasSubstr(
                "* metadata.name: Invalid value: \"Web_\": a lowercase RFC 1123 subdomain must consist of "),
            HasSubstr("* spec.template.spec.containers[0].image: Required value\n")));
  EXPECT_THAT(
      cluster.fails("-n nowhere create -f -", kDeployment),
      HasSubstr(
          "Error from server (NotFound): error when creating \"STDIN\": namespaces \"nowhere\" not found"));
  EXPECT_THAT(cluster.fails("create -f -", with(kDeployment, "apps/v1", "apps/v9")),
              HasSubstr("no matches for kind \"Deployment\" in version \"apps/v9\""));
  cluster.ok("create service clusterip a --tcp=80");
  EXPECT_THAT(
      cluster.fails(
          R"(patch svc a --type=merge -p '{"spec":{"clusterIP":"10.96.0.77","clusterIPs":["10.96.0.77"]}}')"),
      HasSubstr("spec.clusterIPs[0]: Invalid value: [\"10.96.0.77\"]: may not change once set"));
  EXPECT_THAT(
      cluster.fails("create service clusterip b --tcp=80 --clusterip=10.96.0.1"),
      HasSubstr(
          "spec.clusterIPs: Invalid value: [\"10.96.0.1\"]: failed to allocate IP 10.96.0.1: provided IP "
          "is already allocated"));
  EXPECT_THAT(
      cluster.fails("create service clusterip b --tcp=80 --clusterip=10.1.0.1"),
      HasSubstr(
          "the provided IP (10.1.0.1) is not in the valid range. The range of valid IPs is 10.96.0.0/12"));
}

}  // namespace
}  // namespace cloudless::testing

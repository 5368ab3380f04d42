// kubectl works with workloads: rollouts, scaling, nodes, and everything that `kubectl create` and its kin
// make.
#include "apiserver/cluster.hpp"

namespace cloudless::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// A node that nobody runs; it counts as Ready until its heartbeat is missed, which takes longer than the
// test.
constexpr const char* kNode = R"({apiVersion: v1, kind: Node, metadata: {name: n1}})";
constexpr const char* kReady =
    R"(patch node n1 --subresource=status --type=merge -p '{"status":{)"
    R"("capacity":{"cpu":"4","memory":"8Gi","pods":"110"},"allocatable":{"cpu":"4","memory":"8Gi","pods":"110"},)"
    R"("conditions":[{"type":"Ready","status":"True"}]}}')";

// In place of a node agent: what runs is Ready, what is to end is gone.
constexpr const char* kAgent = R"sh(
while sleep 0.2; do
  kubectl get pods -o 'jsonpath={range .items[*]}{.metadata.name} {.spec.nodeName} {.metadata.deletionTimestamp} {.status.phase}{"\n"}{end}' |
  while read -r name words; do
    case $words in
      n1*T*Z*) kubectl delete pod "$name" --grace-period=0 --force ;;
      n1*Pending) kubectl patch pod "$name" --subresource=status --type=merge -p '{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}' ;;
    esac
  done
done)sh";

class KubectlWorkloads : public ::testing::Test {
 protected:
  void add_node() {
    cluster.ok("create -f -", kNode);
    cluster.ok(kReady);
    cluster.await("get node n1 -o jsonpath={.spec.taints}", "");
    agent = cluster.background("sh " + cluster.file("agent", kAgent));
  }
  void rolled_out() {
    EXPECT_THAT(cluster.ok("rollout status deploy/web --timeout=60s"),
                HasSubstr("deployment \"web\" successfully rolled out\n"));
  }

  const Cluster cluster;
  std::unique_ptr<Process> agent;
};

TEST_F(KubectlWorkloads, AreRolledOutScaledAndExposed) {
  add_node();
  EXPECT_EQ(cluster.ok("create deployment web --image=nginx:1 --replicas=2 --port=80"),
            "deployment.apps/web created\n");
  rolled_out();
  EXPECT_EQ(cluster.ok("wait deploy/web --for=condition=Available --timeout=20s"),
            "deployment.apps/web condition met\n");
  EXPECT_EQ(cluster.ok("set image deploy/web nginx=nginx:2"), "deployment.apps/web image updated\n");
  rolled_out();
  cluster.ok("annotate deploy/web kubernetes.io/change-cause='nginx 2'");
  cluster.await("rollout history deploy/web",
                "deployment.apps/web \nREVISION  CHANGE-CAUSE\n1         <none>\n2         nginx 2\n\n");
  EXPECT_THAT(cluster.ok("rollout history deploy/web --revision=1"), HasSubstr("nginx:1"));
  EXPECT_EQ(cluster.ok("rollout undo deploy/web"), "deployment.apps/web rolled back\n");
  rolled_out();
  EXPECT_EQ(cluster.ok("get deploy web -o 'jsonpath={.spec.template.spec.containers[0].image}'"), "nginx:1");
  EXPECT_EQ(cluster.ok("rollout pause deploy/web"), "deployment.apps/web paused\n");
  EXPECT_EQ(cluster.ok("set env deploy/web A=b"), "deployment.apps/web env updated\n");
  EXPECT_EQ(cluster.ok("set resources deploy/web --requests=cpu=10m"),
            "deployment.apps/web resource requirements updated\n");
  EXPECT_EQ(cluster.ok("set serviceaccount deploy/web default"),
            "deployment.apps/web serviceaccount updated\n");
  EXPECT_EQ(cluster.ok("rollout resume deploy/web"), "deployment.apps/web resumed\n");
  EXPECT_EQ(cluster.ok("rollout restart deploy/web"), "deployment.apps/web restarted\n");
  rolled_out();
  EXPECT_EQ(cluster.ok("scale deploy/web --replicas=3 --current-replicas=2"), "deployment.apps/web scaled\n");
  EXPECT_EQ(cluster.fails("scale deploy/web --replicas=1 --current-replicas=9"),
            "error: Expected replicas to be 9, was 3\n");
  EXPECT_EQ(cluster.ok("expose deploy/web --port=80 --name=front"), "service/front exposed\n");
  EXPECT_EQ(cluster.ok("autoscale deploy/web --min=1 --max=5 --cpu=50%"),
            "horizontalpodautoscaler.autoscaling/web autoscaled\n");
  cluster.await("get deploy web -o jsonpath={.status.readyReplicas}", "3");
}

TEST_F(KubectlWorkloads, AreMovedFromNodesThatAreDrained) {
  add_node();
  cluster.ok("create deployment web --image=x --replicas=2");
  rolled_out();
  EXPECT_EQ(cluster.ok("taint node n1 key=value:NoSchedule"), "node/n1 tainted\n");
  EXPECT_THAT(cluster.fails("taint node n1 key=other:NoSchedule"),
              HasSubstr("already has key taint(s) with same effect(s) and --overwrite is false"));
  EXPECT_EQ(cluster.ok("taint node n1 key:NoSchedule-"), "node/n1 untainted\n");
  EXPECT_EQ(cluster.ok("cordon n1"), "node/n1 cordoned\n");
  EXPECT_THAT(cluster.ok("get node n1"), HasSubstr("Ready,SchedulingDisabled"));
  EXPECT_EQ(cluster.ok("uncordon n1"), "node/n1 uncordoned\n");

  EXPECT_THAT(cluster.ok("drain n1 --timeout=60s"),
              AllOf(HasSubstr("node/n1 cordoned"), HasSubstr("evicting pod default/web-"),
                    HasSubstr(" evicted\n"), HasSubstr("node/n1 drained")));
  cluster.ok("run alone --image=x --overrides='{\"spec\":{\"nodeName\":\"n1\"}}'");
  EXPECT_THAT(
      cluster.fails("drain n1 --timeout=2s"),
      HasSubstr("cannot delete Pods that declare no controller (use --force to override): default/alone"));
  EXPECT_THAT(cluster.ok("drain n1 --force --timeout=60s"), HasSubstr("pod/alone evicted"));
}

TEST(KubectlGenerators, MakeWhatTheySay) {
  const Cluster cluster;
  const auto makes = [&](const std::string& arguments, const std::string& object) {
    EXPECT_EQ(cluster.ok("create " + arguments), object + " created\n");
    EXPECT_EQ(cluster.ok("get " + object + " -o name"), object + "\n");
  };
  const std::string text = cluster.file("text", "some text");
  const std::string binary = cluster.file("binary", std::string("\xff\x00\x01", 3));
  makes("configmap c --from-file=" + text + " --from-file=" + binary + " --from-literal=a=b", "configmap/c");
  EXPECT_EQ(cluster.ok("get cm c -o 'jsonpath={.data.text} {.binaryData.binary}'"), "some text /wAB");
  makes("secret generic g --from-literal=password=hidden", "secret/g");
  EXPECT_EQ(cluster.ok("get secret g -o 'jsonpath={.data.password} {.type}'"), "aGlkZGVu Opaque");
  makes("secret docker-registry d --docker-username=u --docker-password=p --docker-server=r.example",
        "secret/d");
  makes("secret tls t --cert=" + cluster.pki("apiserver.crt") + " --key=" + cluster.pki("apiserver.key"),
        "secret/t");
  makes("role r --verb=get --resource=pods", "role.rbac.authorization.k8s.io/r");
  makes("rolebinding rb --role=r --group=g", "rolebinding.rbac.authorization.k8s.io/rb");
  makes("clusterrole cr --verb=get --resource=nodes", "clusterrole.rbac.authorization.k8s.io/cr");
  makes("clusterrolebinding crb --clusterrole=cr --user=u",
        "clusterrolebinding.rbac.authorization.k8s.io/crb");
  makes("quota q --hard=pods=10,services=8", "resourcequota/q");
  makes("poddisruptionbudget p --selector=a=b --max-unavailable=1", "poddisruptionbudget.policy/p");
  makes("priorityclass high --value=1000 --description=high", "priorityclass.scheduling.k8s.io/high");
  makes("ingress i --rule=a.example/*=s:80,tls=t --class=none", "ingress.networking.k8s.io/i");
  makes("job j --image=x -- run", "job.batch/j");
  makes("cronjob cj --image=x --schedule='0 0 1 1 *' -- run", "cronjob.batch/cj");
  makes("job from --from=cronjob/cj", "job.batch/from");
  makes("namespace n", "namespace/n");
  makes("serviceaccount sa", "serviceaccount/sa");
  makes("service nodeport np --tcp=80:8080", "service/np");
  makes("service loadbalancer lb --tcp=80", "service/lb");
  makes("service externalname en --external-name=a.example", "service/en");
  makes("service clusterip headless --clusterip=None", "service/headless");
  makes("deployment d --image=a --image=b", "deployment.apps/d");
  EXPECT_EQ(cluster.ok("run p --image=x --labels=a=b --port=80 --expose"),
            "service/p created\npod/p created\n");
  EXPECT_EQ(cluster.ok("create configmap dry --dry-run=server -o name"), "configmap/dry\n");
  EXPECT_THAT(cluster.fails("get cm dry"), HasSubstr("configmaps \"dry\" not found"));
  cluster.ok("create quota none --hard=pods=0 -n n");
  EXPECT_EQ(cluster.fails("run full --image=x -n n"),
            "Error from server (Forbidden): pods \"full\" is forbidden: exceeded quota: none, requested: "
            "pods=1, used: "
            "pods=0, limited: pods=0\n");
  EXPECT_THAT(cluster.fails("create service clusterip Bad_Name --tcp=80"),
              HasSubstr("a DNS-1035 label must consist of lower case alphanumeric characters or '-'"));
}

}  // namespace
}  // namespace cloudless::testing

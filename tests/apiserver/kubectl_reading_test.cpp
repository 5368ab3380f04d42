// kubectl reads: get in every form, describe, explain, watch, discovery.
#include <sstream>

#include "apiserver/cluster.hpp"

namespace cloudless::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kObjects = R"(
apiVersion: v1
kind: Node
metadata:
  name: n1
  labels: {kubernetes.io/hostname: n1, node-role.kubernetes.io/worker: ""}
spec: {podCIDR: 10.244.7.0/24}
---
apiVersion: v1
kind: Pod
metadata:
  name: p
  labels: {app: p}
spec:
  nodeName: n1
  containers:
  - name: c
    image: busybox
    ports: [{containerPort: 80, name: http}]
    env: [{name: A, value: b}]
    resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 128Mi}}
    livenessProbe: {httpGet: {path: /, port: http}}
    volumeMounts: [{name: v, mountPath: /v}]
  volumes: [{name: v, emptyDir: {}}]
---
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {selector: {app: p}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: cron}
spec:
  schedule: "*/5 * * * *"
  suspend: true
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: x}]}}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: sts}
spec:
  serviceName: s
  replicas: 0
  selector: {matchLabels: {app: sts}}
  template: {metadata: {labels: {app: sts}}, spec: {containers: [{name: c, image: x}]}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: ds}
spec:
  selector: {matchLabels: {app: ds}}
  template: {metadata: {labels: {app: ds}}, spec: {nodeSelector: {none: here}, containers: [{name: c, image: x}]}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: manual
  hostPath: {path: /tmp/pv}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: pvc}
spec: {storageClassName: none, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: np}
spec: {podSelector: {matchLabels: {app: p}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: ing}
spec: {rules: [{host: a.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: s, port: {number: 80}}}}]}}]}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: sc}
provisioner: example.com/p
---
apiVersion: v1
kind: LimitRange
metadata: {name: lr, namespace: kube-public}
spec: {limits: [{type: Container, default: {cpu: 100m}}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: hpa}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: sts}
  minReplicas: 1
  maxReplicas: 3
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
---
apiVersion: v1
kind: Secret
metadata: {name: sec}
stringData: {password: hidden}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cm}
data: {key: value}
)";

std::vector<std::string> words(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

TEST(KubectlReading, GetPrintsInEveryForm) {
  const Cluster cluster;
  EXPECT_THAT(cluster.ok("get ns"), AllOf(HasSubstr("NAME"), HasSubstr("STATUS"),
                                          HasSubstr("kube-node-lease"), HasSubstr("Active")));
  EXPECT_THAT(cluster.ok("get svc"),
              AllOf(HasSubstr("CLUSTER-IP"), HasSubstr("kubernetes"), HasSubstr("443/TCP")));
  cluster.ok("apply -f -", kObjects);
  EXPECT_EQ(words(first_line(cluster.ok("get pods"))),
            (std::vector<std::string>{"NAME", "READY", "STATUS", "RESTARTS", "AGE"}));
  EXPECT_EQ(words(first_line(cluster.ok("get pods -o wide"))),
            words("NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES"));
  EXPECT_THAT(cluster.ok("get pods -A --show-labels"), AllOf(StartsWith("NAMESPACE "), HasSubstr("app=p")));
  EXPECT_THAT(first_line(cluster.ok("get pods -L app")), HasSubstr("APP"));
  EXPECT_EQ(cluster.ok("get pods -l app=p,app!=q -o name"), "pod/p\n");
  EXPECT_EQ(cluster.ok("get pods -l 'app in (p, q), !tier' -o name"), "pod/p\n");
  EXPECT_EQ(cluster.ok("get pods -l app=q"), "No resources found in default namespace.\n");
  EXPECT_EQ(cluster.ok("get pods --field-selector=spec.nodeName=n1,status.phase!=Running -o name"),
            "pod/p\n");
  EXPECT_THAT(cluster.fails("get pods --field-selector=spec.color=red"),
              HasSubstr("field label not supported: spec.color"));
  EXPECT_EQ(cluster.ok("get pod p -o jsonpath='{.spec.containers[*].image} {.status.qosClass}'"),
            "busybox Burstable");
  EXPECT_EQ(cluster.ok("get pod p -o custom-columns=N:.metadata.name,I:.spec.containers[0].image"),
            "N     I\np     busybox\n");
  EXPECT_EQ(cluster.ok("get pod p -o go-template='{{.metadata.name}}'"), "p");
  EXPECT_THAT(cluster.ok("get pod p -o yaml"), StartsWith("apiVersion: v1\nkind: Pod\n"));
  EXPECT_THAT(cluster.ok("get pod/p svc/s -o json"),
              AllOf(HasSubstr("\"kind\": \"List\""), HasSubstr("\"kind\": \"Service\"")));
  EXPECT_EQ(words(first_line(cluster.ok("get svc -o wide"))),
            words("NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE SELECTOR"));
  EXPECT_EQ(
      words(first_line(cluster.ok("get nodes -o wide"))),
      words(
          "NAME STATUS ROLES AGE VERSION INTERNAL-IP EXTERNAL-IP OS-IMAGE KERNEL-VERSION CONTAINER-RUNTIME"));
  EXPECT_THAT(cluster.ok("get nodes"), AllOf(HasSubstr("worker"), HasSubstr("Unknown")));
  EXPECT_THAT(cluster.ok("get cronjobs"),
              AllOf(StartsWith("NAME   SCHEDULE      TIMEZONE   SUSPEND   ACTIVE   LAST SCHEDULE   AGE"),
                    HasSubstr("*/5 * * * *   <none>     True      0        <none>")));
  EXPECT_EQ(words(first_line(cluster.ok("get pv"))),
            words("NAME CAPACITY ACCESS MODES RECLAIM POLICY STATUS CLAIM STORAGECLASS VOLUMEATTRIBUTESCLASS "
                  "REASON AGE"));
  EXPECT_EQ(words(first_line(cluster.ok("get ingress"))), words("NAME CLASS HOSTS ADDRESS PORTS AGE"));
  EXPECT_EQ(words(first_line(cluster.ok("get hpa"))),
            words("NAME REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE"));
  EXPECT_EQ(words(first_line(cluster.ok("get sts -o wide"))), words("NAME READY AGE CONTAINERS IMAGES"));
  EXPECT_EQ(words(first_line(cluster.ok("get ds"))),
            words("NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE SELECTOR AGE"));
  EXPECT_THAT(cluster.ok("get all"),
              AllOf(HasSubstr("pod/p"), HasSubstr("service/s"), HasSubstr("daemonset.apps/ds"),
                    HasSubstr("statefulset.apps/sts"), HasSubstr("cronjob.batch/cron"),
                    HasSubstr("horizontalpodautoscaler.autoscaling/hpa")));
  EXPECT_THAT(cluster.ok("get pods,svc --sort-by=.metadata.name -o name"),
              AllOf(HasSubstr("pod/p"), HasSubstr("service/s")));
  EXPECT_EQ(cluster.ok("get ns --chunk-size=1 -o name"),
            "namespace/default\nnamespace/kube-node-lease\nnamespace/kube-public\nnamespace/kube-system\n");
  EXPECT_THAT(cluster.ok("get pod p --subresource=status -o yaml"), HasSubstr("kind: Pod"));
  EXPECT_EQ(cluster.fails("get pod none"), "Error from server (NotFound): pods \"none\" not found\n");
  EXPECT_EQ(cluster.fails("get nonsense"), "error: the server doesn't have a resource type \"nonsense\"\n");
  EXPECT_EQ(cluster.fails("logs p2"),
            "error: error from server (NotFound): pods \"p2\" not found in namespace \"default\"\n");
  EXPECT_EQ(cluster.fails("top pods"), "error: Metrics API not available\n");
  EXPECT_EQ(cluster.fails("top nodes"), "error: Metrics API not available\n");
  EXPECT_EQ(cluster.ok("get --raw '/livez?verbose' | tail -n 1"), "livez check passed\n");
  EXPECT_EQ(cluster.fails("get --raw /no/such"),
            "Error from server (NotFound): the server could not find the requested resource\n");
}

TEST(KubectlReading, DescribesAndPrintsEveryKind) {
  const Cluster cluster;
  cluster.ok("apply -f -", kObjects);
  cluster.ok("create deployment d --image=x");
  EXPECT_THAT(cluster.ok("describe pod p"),
              AllOf(HasSubstr("Node:             n1/"),
                    HasSubstr("http-get http://:http/ delay=0s timeout=1s period=10s"),
                    HasSubstr("QoS Class:                   Burstable"),
                    HasSubstr("node.kubernetes.io/not-ready:NoExecute op=Exists for 300s"),
                    HasSubstr("/var/run/secrets/kubernetes.io/serviceaccount from kube-api-access-")));
  EXPECT_THAT(cluster.ok("describe deploy d"),
              AllOf(HasSubstr("25% max unavailable, 25% max surge"), HasSubstr("Image:         x")));
  cluster.await(
      "get events --field-selector reason=ScalingReplicaSet -o 'jsonpath={.items[*].involvedObject.name}'",
      "d");
  EXPECT_THAT(cluster.ok("describe deploy d"), HasSubstr("ScalingReplicaSet"));
  EXPECT_THAT(cluster.ok("events --for deploy/d"), HasSubstr("Scaled up replica set"));
  EXPECT_THAT(cluster.ok("describe svc s"), AllOf(HasSubstr("Selector:                 app=p"),
                                                  HasSubstr("TargetPort:               http/TCP")));
  EXPECT_THAT(cluster.ok("describe node n1"), HasSubstr("PodCIDR:                      10.244.7.0/24"));
  EXPECT_THAT(cluster.ok("describe secret sec"),
              AllOf(HasSubstr("password:  6 bytes"), Not(HasSubstr("hidden"))));
  EXPECT_THAT(cluster.ok("describe ingress ing"), HasSubstr("s:80"));
  EXPECT_THAT(cluster.ok("describe netpol np"), HasSubstr("Allowing ingress traffic"));
  EXPECT_THAT(cluster.ok("describe limits lr -n kube-public"), HasSubstr("Container"));
  EXPECT_THAT(cluster.ok("describe clusterrole view"), HasSubstr("PolicyRule"));
  // Every kind that can be listed is listed and described without complaint.
  const CommandResult all = cluster.shell(R"sh(
    for each in $(kubectl api-resources --verbs=list -o name); do
      kubectl get "$each" -A -o wide >out 2>&1 || { echo "get $each: $(cat out)"; failed=1; }
      kubectl describe "$each" -A >out 2>&1 || { echo "describe $each: $(cat out)"; failed=1; }
      if grep -q '%!' out; then echo "describe $each prints: $(grep '%!' out)"; fi
    done
    exit $failed)sh");
  EXPECT_EQ(all.exit_code, 0);
  EXPECT_EQ(all.output, "");
}

TEST(KubectlReading, ExplainsAndDiscovers) {
  const Cluster cluster;
  EXPECT_THAT(cluster.ok("explain deployment.spec.replicas"),
              AllOf(HasSubstr("GROUP:      apps\nKIND:       Deployment\nVERSION:    v1\n"),
                    HasSubstr("FIELD: replicas <integer>")));
  EXPECT_THAT(cluster.ok("explain pods --recursive"),
              AllOf(HasSubstr("  spec\t<PodSpec>"), HasSubstr("containerPort\t<integer> -required-")));
  EXPECT_THAT(cluster.ok("explain pod.spec.restartPolicy"),
              HasSubstr("ENUM:\n    Always\n    Never\n    OnFailure\n"));
  EXPECT_THAT(cluster.ok("explain hpa --api-version=autoscaling/v1"), HasSubstr("VERSION:    v1"));
  EXPECT_THAT(cluster.fails("explain pod.spec.nothing"), HasSubstr("field \"nothing\" does not exist"));
  // Every kind can be explained.
  const CommandResult all = cluster.shell(R"sh(
    for each in $(kubectl api-resources -o name --verbs=get | grep -v ^events.events); do
      kubectl explain "$each" --recursive >out 2>&1 || { echo "explain $each: $(cat out)"; failed=1;
}
    done
    exit $failed)sh");
  EXPECT_EQ(all.exit_code, 0) << all.output;
  EXPECT_THAT(cluster.ok("api-resources"),
              AllOf(HasSubstr("deployments"), HasSubstr("networkpolicies"), HasSubstr("netpol"),
                    HasSubstr("leases"), HasSubstr("flowschemas")));
  EXPECT_THAT(cluster.ok("api-resources --namespaced=false -o wide"),
              AllOf(HasSubstr("create,delete,deletecollection,get,list,patch,update,watch"),
                    Not(HasSubstr("configmaps"))));
  EXPECT_THAT(cluster.ok("api-versions"),
              AllOf(HasSubstr("admissionregistration.k8s.io/v1\n"), HasSubstr("apps/v1\n"),
                    HasSubstr("autoscaling/v2\n"), HasSubstr("resource.k8s.io/v1\n"), HasSubstr("\nv1\n")));
  EXPECT_THAT(cluster.ok("version"), HasSubstr("Server Version: v1.35.0"));
  EXPECT_EQ(cluster.ok("get --raw /readyz"), "ok");
  EXPECT_THAT(cluster.ok("cluster-info"), HasSubstr("is running at"));
  EXPECT_EQ(cluster
                .shell("kubectl proxy --port=0 >out & pid=$!; "
                       "until grep -q 127 out; do sleep 0.05; done; "
                       "curl -s http://$(grep -o '127.*' out)/api/v1/namespaces/default | grep -o "
                       "'\"phase\": *\"Active\"'; kill $pid")
                .exit_code,
            0);
}

TEST(KubectlReading, CustomResourcesAreExplainedDescribedAndPrinted) {
  const Cluster cluster;
  cluster.ok("apply -f -", R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList, shortNames: [wd], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    selectableFields: [{jsonPath: .spec.color}]
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    - {name: Color, type: string, jsonPath: .spec.color, priority: 1}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        description: A widget of any size.
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            properties:
              size: {type: integer, minimum: 1, default: 3, description: How many.}
              color: {type: string, enum: [red, blue]}
              parts:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items: {type: object, required: [name], properties: {name: {type: string}, count: {type: integer}}}
          status: {type: object, properties: {replicas: {type: integer}}}
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.replicas}
)");
  cluster.ok("wait crd/widgets.example.com --for=condition=Established --timeout=5s");
  EXPECT_EQ(cluster.ok("apply -f -",
                       "{apiVersion: example.com/v1, kind: Widget, metadata: {name: w}, spec: {color: red}}"),
            "widget.example.com/w created\n");
  EXPECT_THAT(cluster.ok("get wd"), AllOf(StartsWith("NAME   SIZE   AGE\n"), HasSubstr("w      3      ")));
  EXPECT_THAT(cluster.ok("get wd -o wide"), StartsWith("NAME   SIZE   COLOR   AGE\n"));
  EXPECT_EQ(cluster.ok("get wd --field-selector spec.color=red -o name"), "widget.example.com/w\n");
  EXPECT_EQ(cluster.ok("get wd --field-selector spec.color=blue -o name"), "");
  EXPECT_THAT(cluster.ok("get all"), HasSubstr("widget.example.com/w"));
  EXPECT_THAT(cluster.ok("describe widget w"),
              AllOf(HasSubstr("Kind:         Widget"), HasSubstr("Size:   3")));
  EXPECT_THAT(cluster.ok("explain widget"), HasSubstr("A widget of any size."));
  EXPECT_THAT(cluster.ok("explain widget.spec.size"),
              AllOf(HasSubstr("FIELD: size <integer>"), HasSubstr("How many.")));
  EXPECT_THAT(cluster.ok("explain widget --recursive"), HasSubstr("color\t<string>"));
  EXPECT_EQ(cluster.ok("scale widget w --replicas=7"), "widget.example.com/w scaled\n");
  EXPECT_EQ(cluster.ok("get widget w -o jsonpath={.spec.size}"), "7");
  cluster.ok(
      "patch widget w --subresource=status --type=merge -p "
      "'{\"status\":{\"replicas\":7},\"spec\":{\"size\":1}}'");
  EXPECT_EQ(cluster.ok("get widget w -o 'jsonpath={.spec.size} {.status.replicas}'"), "7 7");
  EXPECT_THAT(
      cluster.fails(R"(patch widget w --type=merge -p '{"spec":{"size":0,"color":"green"}}')"),
      AllOf(HasSubstr("The Widget \"w\" is invalid"),
            HasSubstr("spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"),
            HasSubstr("spec.color: Unsupported value: \"green\": supported values: \"red\", \"blue\"")));
  EXPECT_THAT(
      cluster.fails("create -f -",
                    "{apiVersion: example.com/v1, kind: Widget, metadata: {name: x}, spec: {wrong: 1}}"),
      HasSubstr("strict decoding error: unknown field \"spec.wrong\""));
  EXPECT_THAT(cluster.fails("create -f -", "{apiVersion: example.com/v1, kind: Widget, metadata: {name: x}}"),
              HasSubstr("spec: Required value"));
  EXPECT_THAT(
      cluster.fails("patch widget w -p '{\"spec\":{}}'"),
      HasSubstr("application/strategic-merge-patch+json is not supported by example.com/v1, Kind=Widget"));
  // List items merge by key when applied on the server.
  cluster.ok("apply --server-side --field-manager=one -f -",
             "{apiVersion: example.com/v1, kind: Widget, metadata: {name: m}, spec: {parts: [{name: a, "
             "count: 1}]}}");
  cluster.ok("apply --server-side --field-manager=two -f -",
             "{apiVersion: example.com/v1, kind: Widget, metadata: {name: m}, spec: {parts: [{name: b, "
             "count: 2}]}}");
  EXPECT_EQ(cluster.ok("get widget m -o 'jsonpath={.spec.parts[*].name}'"), "a b");
  cluster.ok("delete crd widgets.example.com");
  EXPECT_THAT(cluster.fails("get widgets"), HasSubstr("the server could not find the requested resource"));
}

TEST(KubectlReading, WatchesAndWaits) {
  const Cluster cluster;
  const auto watch = cluster.background(
      "kubectl get cm --watch --output-watch-events -o jsonpath='{.type} "
      "{.object.metadata.name}{\"\\n\"}'");
  const auto table = cluster.background("kubectl get cm -w");
  ASSERT_TRUE(eventually([&] { return watch->output().contains("ADDED kube-root-ca.crt"); }))
      << watch->output();
  cluster.ok("create configmap a --from-literal=k=v");
  cluster.ok("label cm a x=y");
  cluster.ok("delete cm a");
  EXPECT_TRUE(eventually([&] { return watch->output().ends_with("ADDED a\nMODIFIED a\nDELETED a\n"); }))
      << watch->output();
  EXPECT_TRUE(eventually([&] { return table->output().contains("a                  1      "); }))
      << table->output();
  cluster.ok("create configmap b");
  EXPECT_EQ(cluster.ok("wait cm/b --for=jsonpath='{.metadata.name}'=b --timeout=10s"),
            "configmap/b condition met\n");
  const auto wait = cluster.background("kubectl wait cm/c --for=create --timeout=20s");
  cluster.ok("create configmap c");
  EXPECT_TRUE(eventually([&] { return !wait->running(); }));
  EXPECT_EQ(wait->output(), "configmap/c condition met\n");
  EXPECT_EQ(cluster.fails("wait cm/b --for=condition=Ready --timeout=1s"),
            "error: timed out waiting for the condition on configmaps/b\n");
}

}  // namespace
}  // namespace cloudless::testing

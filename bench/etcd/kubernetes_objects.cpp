#include "kubernetes_objects.hpp"

#include <fmt/format.h>

#include <random>

namespace cloudless::bench {

namespace {

std::string uid(uint64_t seed) {
  std::mt19937_64 random(seed);
  const uint64_t high = random();
  const uint64_t low = random();
  return fmt::format("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", high >> 32, (high >> 16) & 0xffff, high & 0xfff,
                     low >> 52, low & 0xffffffffffff);
}

std::string time_text(int seconds) {
  return fmt::format("2026-03-{:02}T{:02}:{:02}:{:02}Z", 1 + seconds / 86400 % 28, seconds / 3600 % 24,
                     seconds / 60 % 60, seconds % 60);
}

}  // namespace

std::string pod_json(int number, int version) {
  const std::string created = time_text(number);
  const std::string now = time_text(number + version * 7);
  std::string json = fmt::format(
      R"({{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"web-{0:05}","generateName":"web-","namespace":"default","uid":"{1}","creationTimestamp":"{2}","labels":{{"app":"web","pod-template-hash":"7c5ddbdf54"}},"ownerReferences":[{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-7c5ddbdf54","uid":"{3}","controller":true,"blockOwnerDeletion":true}}],"managedFields":[{{"manager":"kube-controller-manager","operation":"Update","apiVersion":"v1","time":"{2}","fieldsType":"FieldsV1","fieldsV1":{{"f:metadata":{{"f:generateName":{{}},"f:labels":{{".":{{}},"f:app":{{}},"f:pod-template-hash":{{}}}},"f:ownerReferences":{{".":{{}},"k:{{\"uid\":\"{3}\"}}":{{}}}}}},"f:spec":{{"f:containers":{{"k:{{\"name\":\"web\"}}":{{".":{{}},"f:image":{{}},"f:imagePullPolicy":{{}},"f:name":{{}},"f:ports":{{".":{{}},"k:{{\"containerPort\":80,\"protocol\":\"TCP\"}}":{{".":{{}},"f:containerPort":{{}},"f:protocol":{{}}}}}},"f:resources":{{}},"f:terminationMessagePath":{{}},"f:terminationMessagePolicy":{{}}}}}},"f:dnsPolicy":{{}},"f:enableServiceLinks":{{}},"f:restartPolicy":{{}},"f:schedulerName":{{}},"f:securityContext":{{}},"f:terminationGracePeriodSeconds":{{}}}}}}}},)",
      number, uid(number), created, uid(4242));
  json += fmt::format(
      R"({{"manager":"kubelet","operation":"Update","apiVersion":"v1","time":"{0}","fieldsType":"FieldsV1","fieldsV1":{{"f:status":{{"f:conditions":{{"k:{{\"type\":\"Ready\"}}":{{".":{{}},"f:lastTransitionTime":{{}},"f:status":{{}},"f:type":{{}}}}}},"f:containerStatuses":{{}},"f:hostIP":{{}},"f:phase":{{}},"f:podIP":{{}},"f:startTime":{{}}}}}},"subresource":"status"}}]}},"spec":{{"volumes":[{{"name":"kube-api-access-{1:05x}","projected":{{"sources":[{{"serviceAccountToken":{{"expirationSeconds":3607,"path":"token"}}}},{{"configMap":{{"name":"kube-root-ca.crt","items":[{{"key":"ca.crt","path":"ca.crt"}}]}}}}],"defaultMode":420}}}}],"containers":[{{"name":"web","image":"registry.example/web:1.27","ports":[{{"containerPort":80,"protocol":"TCP"}}],"resources":{{"requests":{{"cpu":"100m","memory":"64Mi"}}}},"volumeMounts":[{{"name":"kube-api-access-{1:05x}","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}}],"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"default","serviceAccount":"default","nodeName":"node-{2:03}","securityContext":{{}},"schedulerName":"default-scheduler","priority":0,"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"}},)",
      now, number * 7919 % 1048576, number % 50);
  json += fmt::format(
      R"("status":{{"phase":"Running","conditions":[{{"type":"Initialized","status":"True","lastTransitionTime":"{0}"}},{{"type":"Ready","status":"{1}","lastTransitionTime":"{2}"}},{{"type":"ContainersReady","status":"{1}","lastTransitionTime":"{2}"}},{{"type":"PodScheduled","status":"True","lastTransitionTime":"{0}"}}],"hostIP":"192.0.2.{3}","podIP":"10.244.{3}.{4}","podIPs":[{{"ip":"10.244.{3}.{4}"}}],"startTime":"{0}","containerStatuses":[{{"name":"web","state":{{"running":{{"startedAt":"{2}"}}}},"lastState":{{}},"ready":{5},"restartCount":{6},"image":"registry.example/web:1.27","imageID":"registry.example/web@sha256:{7:064x}","containerID":"containerd://{8:064x}","started":true}}],"qosClass":"Burstable"}}}})",
      created, version % 2 == 1 ? "True" : "False", now, number % 50, number % 254 + 1,
      version % 2 == 1 ? "true" : "false", version / 2, 77, number * 1000003LL + version / 2);
  return json;
}

std::string lease_json(int node, int version) {
  return fmt::format(
      R"({{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{{"name":"node-{0:03}","namespace":"kube-node-lease","uid":"{1}","creationTimestamp":"2026-03-01T00:00:00Z","ownerReferences":[{{"apiVersion":"v1","kind":"Node","name":"node-{0:03}","uid":"{2}"}}],"managedFields":[{{"manager":"kubelet","operation":"Update","apiVersion":"coordination.k8s.io/v1","time":"{3}","fieldsType":"FieldsV1","fieldsV1":{{"f:metadata":{{"f:ownerReferences":{{".":{{}},"k:{{\"uid\":\"{2}\"}}":{{}}}}}},"f:spec":{{"f:holderIdentity":{{}},"f:leaseDurationSeconds":{{}},"f:renewTime":{{}}}}}}}}]}},"spec":{{"holderIdentity":"node-{0:03}","leaseDurationSeconds":40,"renewTime":"{4}.{5:06}Z"}}}})",
      node, uid(100000 + node), uid(200000 + node), time_text(version * 10),
      time_text(version * 10).substr(0, 19), version * 7919 % 1000000);
}

std::string event_json(int pod, int id) {
  return fmt::format(
      R"({{"kind":"Event","apiVersion":"v1","metadata":{{"name":"web-{0:05}.{1:016x}","namespace":"default","uid":"{2}","creationTimestamp":"{3}","managedFields":[{{"manager":"kubelet","operation":"Update","apiVersion":"v1","time":"{3}","fieldsType":"FieldsV1","fieldsV1":{{"f:count":{{}},"f:firstTimestamp":{{}},"f:involvedObject":{{}},"f:lastTimestamp":{{}},"f:message":{{}},"f:reason":{{}},"f:source":{{"f:component":{{}},"f:host":{{}}}},"f:type":{{}}}}}}]}},"involvedObject":{{"kind":"Pod","namespace":"default","name":"web-{0:05}","uid":"{4}","apiVersion":"v1","fieldPath":"spec.containers{{web}}"}},"reason":"Pulled","message":"Container image \"registry.example/web:1.27\" already present on machine","source":{{"component":"kubelet","host":"node-{5:03}"}},"firstTimestamp":"{3}","lastTimestamp":"{3}","count":1,"type":"Normal","eventTime":null,"reportingComponent":"kubelet","reportingInstance":"node-{5:03}"}})",
      pod, id, uid(300000 + id), time_text(id), uid(pod), pod % 50);
}

std::string json_filler(uint64_t seed, size_t bytes) {
  std::mt19937_64 random(seed);
  std::string text = R"({"items":[)";
  while (text.size() + 64 < bytes) {
    text += fmt::format(R"({{"name":"item-{:08x}","value":{}}},)", random() & 0xffffffff, random() % 100000);
  }
  text.resize(bytes - 2, ' ');
  return text + "]}";
}

}  // namespace cloudless::bench

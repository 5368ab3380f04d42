#include "apiserver/testing/pod_facts.hpp"

#include <string>
#include <string_view>

namespace cloudless::apiserver::testing {

namespace json = boost::json;

namespace {

json::object parse(std::string_view text) { return json::parse(text).as_object(); }

void set_all(json::object& object, json::object members) {
  for (auto& [key, value] : members) object[key] = std::move(value);
}

// What a probe may do, one of them by turns; a container's life cycle sleeps instead of speaking gRPC.
constexpr std::string_view kHandlers[] = {
    R"({"exec":{"command":["true"]}})",
    R"({"httpGet":{"path":"/h","port":"http","host":"h.example.com","scheme":"HTTPS",
        "httpHeaders":[{"name":"X-A","value":"b"}]}})",
    R"({"tcpSocket":{"port":80,"host":"h.example.com"}})",
    R"({"grpc":{"port":80,"service":"s"}})",
};
constexpr size_t kHandlerCount = std::size(kHandlers);

json::object lifecycle_handler(size_t index) {
  return index % kHandlerCount == kHandlerCount - 1 ? parse(R"({"sleep":{"seconds":3}})")
                                                    : parse(kHandlers[index % kHandlerCount]);
}

json::object probe(size_t handler) {
  json::object probe = parse(kHandlers[handler]);
  set_all(probe,
          parse(R"({"initialDelaySeconds":1,"timeoutSeconds":2,"periodSeconds":3,"failureThreshold":4})"));
  return probe;
}

// A probe whose failure ends the container.
json::object ending_probe(size_t handler) {
  json::object ending = probe(handler);
  set_all(ending, {{"successThreshold", 1}, {"terminationGracePeriodSeconds", 5}});
  return ending;
}

constexpr std::string_view kFullContainer = R"json({
  "command":["a"],"args":["b"],"workingDir":"/w",
  "envFrom":[{"prefix":"P","configMapRef":{"name":"c","optional":true}},
             {"prefix":"Q","secretRef":{"name":"s","optional":true}}],
  "env":[{"name":"A","value":"b"},
         {"name":"B","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"}}},
         {"name":"C","valueFrom":{"resourceFieldRef":{"containerName":"one","resource":"limits.cpu","divisor":"1m"}}},
         {"name":"D","valueFrom":{"configMapKeyRef":{"name":"c","key":"k","optional":true}}},
         {"name":"E","valueFrom":{"secretKeyRef":{"name":"s","key":"k","optional":true}}},
         {"name":"F","valueFrom":{"fileKeyRef":{"volumeName":"m-empty","path":"f","key":"K","optional":true}}}],
  "resources":{"limits":{"cpu":"2","memory":"2Gi"},"requests":{"cpu":"1","memory":"1Gi"},
               "claims":[{"name":"gpu","request":"r"}]},
  "resizePolicy":[{"resourceName":"cpu","restartPolicy":"NotRequired"}],
  "volumeMounts":[{"name":"m-empty","mountPath":"/a","readOnly":true,"recursiveReadOnly":"Enabled","subPath":"s"},
                  {"name":"m-empty","mountPath":"/b","subPathExpr":"$(A)","mountPropagation":"HostToContainer"}],
  "volumeDevices":[{"name":"m-claim","devicePath":"/dev/x"}],
  "terminationMessagePath":"/t","terminationMessagePolicy":"FallbackToLogsOnError","imagePullPolicy":"Always",
  "stdin":true,"stdinOnce":true,"tty":true,
  "securityContext":{"capabilities":{"add":["NET_ADMIN"],"drop":["ALL"]},"privileged":true,
    "seLinuxOptions":{"user":"u","role":"r","type":"t","level":"l"},"runAsUser":1,"runAsGroup":2,
    "runAsNonRoot":true,"readOnlyRootFilesystem":true,"allowPrivilegeEscalation":true,"procMount":"Default",
    "seccompProfile":{"type":"Localhost","localhostProfile":"p"},
    "appArmorProfile":{"type":"Localhost","localhostProfile":"p"}}})json";

json::object container(std::string name, size_t handler) {
  json::object container{{"name", std::move(name)}, {"image", "x:1"}};
  container["livenessProbe"] = ending_probe(handler);
  container["startupProbe"] = ending_probe(handler);
  container["readinessProbe"] = probe(handler);
  container["readinessProbe"].as_object()["successThreshold"] = 2;
  container["lifecycle"] = {{"postStart", lifecycle_handler(handler)},
                            {"preStop", lifecycle_handler(handler + 1)}};
  if (handler == 0) set_all(container, parse(kFullContainer));
  return container;
}

json::array containers(const std::string& prefix, int port, const char* restart_policy) {
  json::array all;
  for (size_t i = 0; i < kHandlerCount; ++i) {
    json::object one = container(i == 0 && prefix.empty() ? "one" : prefix + "c" + std::to_string(i), i);
    if (restart_policy) one["restartPolicy"] = restart_policy;
    if (i == 0) {
      one["ports"] = {{{"name", "http"},
                       {"hostPort", port},
                       {"containerPort", port},
                       {"protocol", "TCP"},
                       {"hostIP", "127.0.0.1"}}};
    }
    all.push_back(std::move(one));
  }
  all.push_back({{"name", prefix + "rules"},
                 {"image", "x"},
                 {"restartPolicy", "Never"},
                 {"restartPolicyRules",
                  {{{"action", "Restart"}, {"exitCodes", {{"operator", "In"}, {"values", {42}}}}}}}});
  return all;
}

json::object affinity() {
  const json::object selector =
      parse(R"({"matchLabels":{"a":"b"},"matchExpressions":[{"key":"a","operator":"In","values":["b"]}]})");
  const json::object node_term = parse(R"({"matchExpressions":[{"key":"a","operator":"In","values":["b"]}],
                "matchFields":[{"key":"metadata.name","operator":"In","values":["n"]}]})");
  json::object term =
      parse(R"({"namespaces":["n"],"topologyKey":"zone","matchLabelKeys":["x"],"mismatchLabelKeys":["y"]})");
  term["labelSelector"] = selector;
  term["namespaceSelector"] = selector;
  json::object pods;
  pods["requiredDuringSchedulingIgnoredDuringExecution"] = json::array{term};
  pods["preferredDuringSchedulingIgnoredDuringExecution"] =
      json::array{json::object{{"weight", 1}, {"podAffinityTerm", term}}};
  json::object nodes;
  nodes["requiredDuringSchedulingIgnoredDuringExecution"] =
      json::object{{"nodeSelectorTerms", json::array{node_term}}};
  nodes["preferredDuringSchedulingIgnoredDuringExecution"] =
      json::array{json::object{{"weight", 1}, {"preference", node_term}}};
  return {{"nodeAffinity", nodes}, {"podAffinity", pods}, {"podAntiAffinity", pods}};
}

// Its volumes are those that are filled in, one of each kind, and what the containers name.
constexpr std::string_view kUsual = R"({
  "+volumes":[{"name":"m-empty","emptyDir":{}},{"name":"m-claim","persistentVolumeClaim":{"claimName":"c"}},
    {"name":"m-ephemeral","ephemeral":{"volumeClaimTemplate":{"metadata":{"labels":{"a":"b"}},"spec":{
      "accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}},
      "dataSourceRef":{"apiGroup":"example.com","kind":"K","name":"n","namespace":"other"}}}}}],
  "ephemeralContainers":null,"nodeName":null,"hostNetwork":null,"hostPID":null,"hostIPC":null,"hostnameOverride":null,
  "restartPolicy":"Always","terminationGracePeriodSeconds":30,"activeDeadlineSeconds":100,"dnsPolicy":"None",
  "nodeSelector":{"a":"b"},"serviceAccountName":"sa","serviceAccount":"sa","automountServiceAccountToken":true,
  "shareProcessNamespace":true,"hostUsers":true,
  "=securityContext":{"seLinuxOptions":{"user":"u","role":"r","type":"t","level":"l"},"runAsUser":1,"runAsGroup":2,
    "runAsNonRoot":true,"supplementalGroups":[3],"supplementalGroupsPolicy":"Merge","fsGroup":4,
    "sysctls":[{"name":"kernel.shm_rmid_forced","value":"1"}],"fsGroupChangePolicy":"Always",
    "seccompProfile":{"type":"Localhost","localhostProfile":"p"},
    "appArmorProfile":{"type":"Localhost","localhostProfile":"p"},"seLinuxChangePolicy":"Recursive"},
  "hostname":"h","subdomain":"s","schedulerName":"s",
  "tolerations":[{"key":"a","operator":"Equal","value":"b","effect":"NoExecute","tolerationSeconds":3}],
  "hostAliases":[{"ip":"1.2.3.4","hostnames":["h"]}],"priorityClassName":"p","priority":7,
  "=dnsConfig":{"nameservers":["1.2.3.4"],"searches":["example.com"],"options":[{"name":"ndots","value":"2"}]},
  "readinessGates":[{"conditionType":"example.com/ready"}],"runtimeClassName":"r","enableServiceLinks":true,
  "preemptionPolicy":"Never","overhead":{"cpu":"1m"},
  "topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"DoNotSchedule",
    "labelSelector":{"matchLabels":{"a":"b"},"matchExpressions":[{"key":"a","operator":"In","values":["b"]}]},
    "minDomains":2,"nodeAffinityPolicy":"Honor","nodeTaintsPolicy":"Ignore","matchLabelKeys":["x"]}],
  "setHostnameAsFQDN":true,"=os":{"name":"linux"},"schedulingGates":[{"name":"example.com/gate"}],
  "resourceClaims":[{"name":"gpu","resourceClaimName":"c"},{"name":"tpu","resourceClaimTemplateName":"t"}],
  "=resources":{"limits":{"cpu":"9","memory":"9Gi"},"requests":{"cpu":"9","memory":"9Gi"}},
  "=workloadRef":{"name":"w","podGroup":"g","podGroupReplicaKey":"k"}})";

json::object usual() {
  json::object patch = parse(kUsual);
  patch["=containers"] = containers("", 80, nullptr);
  patch["=initContainers"] = containers("init-", 81, "Always");
  patch["=affinity"] = affinity();
  return patch;
}

// Nothing of what the usual one has, and `members` instead.
json::object sparse(std::string_view members) {
  json::object patch;
  for (const auto& [key, value] : usual()) {
    const std::string name(key.find_first_of("=+") == 0 ? key.substr(1) : json::string_view(key));
    patch[name] = nullptr;
  }
  for (auto& [key, value] : parse(members)) {
    if (key.starts_with('=')) patch.erase(key.substr(1));
    patch[key] = std::move(value);
  }
  patch["restartPolicy"] = "Always";
  return patch;
}

constexpr std::string_view kOnHost = R"({"=containers":[{"name":"one","image":"x"}],"hostNetwork":true,
  "hostPID":true,"hostIPC":true,"nodeName":"n","dnsPolicy":"Default"})";
constexpr std::string_view kOnWindows = R"({"=os":{"name":"windows"},"hostNetwork":true,
  "=securityContext":{"windowsOptions":{"gmsaCredentialSpecName":"g","gmsaCredentialSpec":"s","runAsUserName":"u",
    "hostProcess":true}},
  "=containers":[{"name":"one","image":"x","lifecycle":{"stopSignal":"SIGTERM"},"securityContext":{"windowsOptions":{
    "gmsaCredentialSpecName":"g","gmsaCredentialSpec":"s","runAsUserName":"u","hostProcess":true}}}],
  "=initContainers":[{"name":"init","image":"x","restartPolicy":"Always","lifecycle":{"stopSignal":"SIGTERM"},
    "securityContext":{"windowsOptions":{"gmsaCredentialSpecName":"g","gmsaCredentialSpec":"s","runAsUserName":"u",
    "hostProcess":true}}}]})";
constexpr std::string_view kOwnHostName =
    R"({"=containers":[{"name":"one","image":"x"}],"hostnameOverride":"h.example.com"})";

}  // namespace

json::object pod_spec_variant(int index) {
  switch (index) {
    case 2:
      return sparse(kOnHost);
    case 3:
      return sparse(kOnWindows);
    case 4:
      return sparse(kOwnHostName);
    default:
      return usual();
  }
}

}  // namespace cloudless::apiserver::testing

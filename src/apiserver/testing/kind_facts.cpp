#include "apiserver/testing/kind_facts.hpp"

#include <algorithm>

#include "apiserver/testing/acceptable.hpp"
#include "apiserver/testing/pod_facts.hpp"

namespace cloudless::apiserver::testing {

namespace json = boost::json;

namespace {

// Of a resource's variants the one of kEveryTurn always holds. Over it lies another, which holds from its
// turn on, up to the next one's.
constexpr int kEveryTurn = -1;
struct Variant {
  std::string_view resource;
  int turn;
  std::string_view patch;
};

constexpr std::string_view kSubjects =
    R"({"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"carol"},)"
    R"({"kind":"ServiceAccount","name":"robot","namespace":"default"}]})";

constexpr Variant kVariants[] = {
    {"certificatesigningrequests", 0, R"({"spec":{"signerName":"example.com/signer"}})"},
    {"secrets", 0, R"({"type":"example.com/type","stringData":null})"},
    {"persistentvolumes", kEveryTurn,
     R"({"spec":{"accessModes":["ReadWriteOnce","ReadOnlyMany"],"capacity":{"storage":"1Gi"},)"
     R"("mountOptions":["ro"]}})"},
    {"persistentvolumes", 22,
     R"({"spec":{"nfs":{"path":"/x","server":"s","readOnly":true},)"
     R"("claimRef":{"kind":"PersistentVolumeClaim","apiVersion":"v1","namespace":"default",)"
     R"("name":"claim","uid":"u","resourceVersion":"1","fieldPath":"x"},)"
     R"("nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"a",)"
     R"("operator":"In","values":["b"]}],"matchFields":[{"key":"metadata.name","operator":"In",)"
     R"("values":["n"]}]}]}}}})"},
    {"persistentvolumes", 23,
     R"({"spec":{"csi":{"driver":"example.com","volumeHandle":"h","fsType":"ext4",)"
     R"("volumeAttributes":{"a":"b"},"controllerPublishSecretRef":{"name":"s","namespace":"default"},)"
     R"("nodeStageSecretRef":{"name":"s","namespace":"default"},"nodePublishSecretRef":{"name":"s",)"
     R"("namespace":"default"},"controllerExpandSecretRef":{"name":"s","namespace":"default"},)"
     R"("nodeExpandSecretRef":{"name":"s","namespace":"default"}}}})"},
    {"services", 0,
     R"({"spec":{"type":"ExternalName","externalName":"example.com","clusterIP":null,"clusterIPs":null,)"
     R"("ports":[{"name":"a","port":80,"targetPort":8080,"protocol":"TCP","appProtocol":"http"}],)"
     R"("ipFamilies":null,"ipFamilyPolicy":null,"externalTrafficPolicy":null,"healthCheckNodePort":null,)"
     R"("allocateLoadBalancerNodePorts":null,"loadBalancerClass":null,"loadBalancerIP":null,)"
     R"("loadBalancerSourceRanges":null,"sessionAffinity":"None","sessionAffinityConfig":null}})"},
    {"services", 1,
     R"({"spec":{"type":"LoadBalancer","externalName":null,"selector":{"a":"b"},"clusterIP":"10.96.7.7",)"
     R"("clusterIPs":["10.96.7.7"],"ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack",)"
     R"("ports":[{"name":"a","port":80,"targetPort":8080,"nodePort":30080,"protocol":"TCP",)"
     R"("appProtocol":"http"}],"externalTrafficPolicy":"Local","healthCheckNodePort":30990,)"
     R"("internalTrafficPolicy":"Local","externalIPs":["1.2.3.4"],"loadBalancerClass":"example.com/lb",)"
     R"("loadBalancerIP":"1.2.3.5","loadBalancerSourceRanges":["10.0.0.0/8"],)"
     R"("sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":100}},)"
     R"("allocateLoadBalancerNodePorts":true,"publishNotReadyAddresses":true,)"
     R"("trafficDistribution":"PreferClose"},"status":{"loadBalancer":{"ingress":[{"ip":"1.2.3.5",)"
     R"("ipMode":"VIP","ports":[{"port":80,"protocol":"TCP","error":"example.com/reason"}]},)"
     R"({"hostname":"lb.example.com"}]}}})"},
    {"apiservices", kEveryTurn,
     R"({"metadata":{"name":"v1.example.com"},"spec":{"group":"example.com","version":"v1"}})"},
    {"apiservices", 0, R"({"spec":{"insecureSkipTLSVerify":null}})"},
    {"apiservices", 1, R"({"spec":{"caBundle":null,"insecureSkipTLSVerify":true}})"},
    {"rolebindings", 0, kSubjects},
    {"clusterrolebindings", 0, kSubjects},
    {"persistentvolumeclaims", kEveryTurn,
     R"({"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"},)"
     R"("limits":{"storage":"2Gi"}},"selector":{"matchLabels":{"a":"b"},"matchExpressions":[{"key":"a",)"
     R"("operator":"In","values":["b"]}]},"storageClassName":"fast","volumeName":"v",)"
     R"("volumeMode":"Block","volumeAttributesClassName":"gold",)"
     R"("dataSourceRef":{"apiGroup":"snapshot.storage.k8s.io","kind":"VolumeSnapshot","name":"s"}},)"
     R"("status":{"phase":"Bound","accessModes":["ReadWriteOnce"],"capacity":{"storage":"1Gi"},)"
     R"("allocatedResources":{"storage":"2Gi"},)"
     R"("allocatedResourceStatuses":{"storage":"NodeResizePending"}}})"},
    {"persistentvolumeclaims", 0,
     R"({"spec":{"dataSource":{"apiGroup":"snapshot.storage.k8s.io","kind":"VolumeSnapshot","name":"s"}}})"},
    {"persistentvolumeclaims", 1, R"({"spec":{"dataSource":null,"dataSourceRef":{"namespace":"other"}}})"},
    {"ingresses", kEveryTurn,
     R"({"spec":{"ingressClassName":"c"},"status":{"loadBalancer":{"ingress":[{"ip":"1.2.3.5",)"
     R"("ports":[{"port":80,"protocol":"TCP","error":"example.com/reason"}]},)"
     R"({"hostname":"lb.example.com"}]}}})"},
    {"ingresses", 0,
     R"({"spec":{"=defaultBackend":{"resource":{"apiGroup":"example.com","kind":"Bucket","name":"b"}},)"
     R"("tls":[{"hosts":["a.example.com"],"secretName":"s"}],)"
     R"("rules":[{"host":"a.example.com","http":{"paths":[{"path":"/a","pathType":"Prefix",)"
     R"("backend":{"resource":{"apiGroup":"example.com","kind":"Bucket","name":"b"}}},{"path":"/b",)"
     R"("pathType":"Exact","backend":{"service":{"name":"s","port":{"name":"http"}}}},{"path":"/c",)"
     R"("pathType":"ImplementationSpecific","backend":{"service":{"name":"s",)"
     R"("port":{"number":80}}}}]}}]}})"},
    {"ingresses", 1,
     R"({"spec":{"=defaultBackend":{"service":{"name":"s","port":{"name":"http"}}},)"
     R"("rules":[{"host":"*.example.com"}],"tls":null}})"},
    {"ingresses", 2,
     R"({"spec":{"=defaultBackend":{"service":{"name":"s","port":{"number":80}}},"rules":null,"tls":null}})"},
    {"customresourcedefinitions", kEveryTurn,
     R"({"metadata":{"name":"things.example.com"},"spec":{"group":"example.com","scope":"Namespaced",)"
     R"("preserveUnknownFields":null,"names":{"plural":"things","singular":"thing","kind":"Thing",)"
     R"("listKind":"ThingList","shortNames":["th"],"categories":["all"]},"versions":[{"name":"v1",)"
     R"("served":true,"storage":true,"deprecated":true,"deprecationWarning":"old",)"
     R"("schema":{"openAPIV3Schema":{"type":"object","title":"t","description":"d","required":["spec"],)"
     R"("minProperties":1,"maxProperties":9,"externalDocs":{"description":"d",)"
     R"("url":"https://example.com"},"example":{"a":1},"properties":{"spec":{"type":"object",)"
     R"("properties":{"a":{"type":"string"},"replicas":{"type":"integer"},"s":{"type":"string",)"
     R"("description":"d","title":"t","format":"date","maxLength":10,"minLength":1,"pattern":"^a*$",)"
     R"("nullable":true,"enum":["a"],"default":"a","example":"a","externalDocs":{"description":"d",)"
     R"("url":"https://example.com"}},"i":{"type":"integer","minimum":1,"exclusiveMinimum":true,)"
     R"("maximum":9,"exclusiveMaximum":true,"multipleOf":2},"l":{"type":"array","minItems":1,)"
     R"("maxItems":9,"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],)"
     R"("items":{"type":"object","required":["k"],"properties":{"k":{"type":"string"}}}},)"
     R"("m":{"type":"object","x-kubernetes-map-type":"granular","minProperties":1,"maxProperties":9,)"
     R"("additionalProperties":{"type":"string"}},"e":{"type":"object",)"
     R"("x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true},)"
     R"("x":{"x-kubernetes-int-or-string":true,"anyOf":[{"type":"integer"},{"type":"string"}]},)"
     R"("o":{"type":"integer","allOf":[{"minimum":1}],"oneOf":[{"maximum":9},{"minimum":20}],)"
     R"("anyOf":[{"minimum":2}],"not":{"minimum":30}}}},"status":{"type":"object",)"
     R"("properties":{"replicas":{"type":"integer"},"selector":{"type":"string"}}}},)"
     R"("x-kubernetes-validations":[{"rule":"self.spec.a == oldSelf.orValue(self).spec.a","message":"m",)"
     R"("messageExpression":"'m'","reason":"FieldValueInvalid","fieldPath":".spec",)"
     R"("optionalOldSelf":true}]}},"subresources":{"status":{},)"
     R"("scale":{"specReplicasPath":".spec.replicas","statusReplicasPath":".status.replicas",)"
     R"("labelSelectorPath":".status.selector"}},"additionalPrinterColumns":[{"name":"A",)"
     R"("type":"string","format":"date","description":"d","priority":1,"jsonPath":".spec.a"}],)"
     R"("selectableFields":[{"jsonPath":".spec.a"}]}],"conversion":{"strategy":"Webhook",)"
     R"("webhook":{"conversionReviewVersions":["v1"]}}},)"
     R"("status":{"observedGeneration":7,"storedVersions":["v1"],"acceptedNames":{"plural":"things",)"
     R"("singular":"thing","kind":"Thing","listKind":"ThingList","shortNames":["th"],)"
     R"("categories":["all"]},"conditions":[{"type":"Other","status":"True",)"
     R"("lastTransitionTime":"2026-11-22T17:59:23Z","reason":"R","message":"m",)"
     R"("observedGeneration":7}]}})"},
    {"customresourcedefinitions", 0,
     R"({"spec":{"conversion":{"webhook":{"clientConfig":{"url":"https://example.com/convert",)"
     R"("service":null}}}}})"},
    {"customresourcedefinitions", 1,
     R"({"spec":{"conversion":{"webhook":{"clientConfig":{"service":{"namespace":"n","name":"s",)"
     R"("path":"/p","port":443},"url":null}}}}})"},
    {"poddisruptionbudgets", 0,
     R"({"spec":{"maxUnavailable":null,"minAvailable":"20%","=selector":{"matchLabels":{"a":"b"},)"
     R"("matchExpressions":[{"key":"a","operator":"In","values":["b"]}]},)"
     R"("unhealthyPodEvictionPolicy":"AlwaysAllow"}})"},
    {"poddisruptionbudgets", 1,
     R"({"spec":{"minAvailable":null,"maxUnavailable":2,"=selector":{"matchLabels":{"a":"b"}}}})"},
    {"clusterroles", 0,
     R"({"rules":[{"apiGroups":["a"],"resources":["b"],"resourceNames":["c"],"verbs":["get"]},)"
     R"({"nonResourceURLs":["/x"],"verbs":["get"]}]})"},
    {"networkpolicies", 1,
     R"({"spec":{"=egress":[{"to":[{"podSelector":{"matchLabels":{"a":"b"},)"
     R"("matchExpressions":[{"key":"a","operator":"In","values":["b"]}]}}]}]}})"},
    {"networkpolicies", 2, "{}"},
    {"roles", 0,
     R"({"rules":[{"apiGroups":["a"],"resources":["b"],"resourceNames":["c"],"verbs":["get"]}]})"},
    {"volumeattachments", 0,
     R"({"spec":{"source":{"=inlineVolumeSpec":{"accessModes":["ReadWriteOnce"],)"
     R"("capacity":{"storage":"1Gi"},"csi":{"driver":"example.com","volumeHandle":"h",)"
     R"("controllerPublishSecretRef":{"name":"s","namespace":"default"},)"
     R"("nodeStageSecretRef":{"name":"s","namespace":"default"},"nodePublishSecretRef":{"name":"s",)"
     R"("namespace":"default"},"controllerExpandSecretRef":{"name":"s","namespace":"default"},)"
     R"("nodeExpandSecretRef":{"name":"s","namespace":"default"}}}}}})"},
    {"volumeattachments", 1, R"({})"},
};

constexpr std::string_view kSelector =
    R"({"matchLabels":{"a":"b"},"matchExpressions":[{"key":"a","operator":"In","values":["b"]}]})";

json::object template_variant(int turn) {
  const json::object labels{{"a", "b"}};
  return {{"metadata", {{"labels", labels}}}, {"spec", pod_spec_variant(turn)}};
}

// What keeps pods running takes neither a deadline nor another restart policy.
json::object keeper_variant(std::string_view resource, int turn) {
  json::object spec;
  spec["template"] = template_variant(turn);
  spec["template"].as_object()["spec"].as_object()["activeDeadlineSeconds"] = nullptr;
  spec["=selector"] =
      resource == "replicationcontrollers" ? json::parse(R"({"a":"b"})") : json::parse(kSelector);
  if (resource == "deployments") {
    spec["=strategy"] =
        json::parse(R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":1,"maxUnavailable":"20%"}})");
    spec["progressDeadlineSeconds"] = 5000;
  } else if (resource == "daemonsets") {
    spec["=updateStrategy"] = json::parse(
        turn % 2 == 1 ? R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":1,"maxUnavailable":0}})"
                      : R"({"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":2}})");
  } else if (resource == "statefulsets") {
    spec["=updateStrategy"] =
        json::parse(R"({"type":"RollingUpdate","rollingUpdate":{"partition":2,"maxUnavailable":"20%"}})");
  }
  return {{"spec", spec}};
}

constexpr std::string_view kIndexedJob = R"({"completionMode":"Indexed","completions":5,"parallelism":2,
  "selector":null,"manualSelector":null,"backoffLimit":null,"backoffLimitPerIndex":3,"maxFailedIndexes":2,
  "=successPolicy":{"rules":[{"succeededIndexes":"0-1","succeededCount":1}]},"podReplacementPolicy":"Failed",
  "managedBy":"example.com/m","=podFailurePolicy":{"rules":[
    {"action":"FailIndex","onExitCodes":{"containerName":"one","operator":"In","values":[42]}},
    {"action":"Ignore","onPodConditions":[{"type":"DisruptionTarget","status":"True"}]}]}})";

json::object job_variant(int turn) {
  json::object spec = json::parse(kIndexedJob).as_object();
  spec["template"] = template_variant(turn);
  spec["template"].as_object()["spec"].as_object()["restartPolicy"] = "Never";
  if (turn == 1) {
    for (const char* name : {"=podFailurePolicy", "backoffLimitPerIndex", "maxFailedIndexes"})
      spec.erase(name);
    for (const char* name : {"podFailurePolicy", "backoffLimitPerIndex", "maxFailedIndexes"})
      spec[name] = nullptr;
    spec["backoffLimit"] = 6;
  }
  return spec;
}

// A job that says itself which pods are its own; those of a CronJob may not.
json::object single_job_variant(int turn) {
  json::object spec = job_variant(turn);
  if (turn == 1) {
    spec.erase("selector");
    spec["manualSelector"] = true;
    spec["=selector"] = json::parse(kSelector);
  }
  return {{"spec", spec}};
}

// Erased from what is compared: the server writes something else there.
constexpr Unset kDecided[] = {
    {"certificatesigningrequests", "spec.username", "who asks, not what he says"},
    {"certificatesigningrequests", "spec.uid", "as above"},
    {"certificatesigningrequests", "spec.groups", "as above"},
    {"certificatesigningrequests", "spec.extra", "as above"},
    {"namespaces", "spec.finalizers", "kubernetes is always among them"},
    {"customresourcedefinitions", "metadata.finalizers", "it waits for its instances to be deleted"},
};

constexpr std::string_view kOtherWriters[] = {"apiservices", "customresourcedefinitions", "resourcequotas"};

constexpr std::string_view kKeepers[] = {"replicationcontrollers", "replicasets", "daemonsets", "deployments",
                                         "statefulsets"};

constexpr Unset kUnset[] = {
    {"*", "*spec.ephemeralContainers*", "they are added by pods/ephemeralcontainers, to pods that exist"},
    {"*", "*readinessProbe.terminationGracePeriodSeconds", "must not be set for readinessProbes"},
    {"*", "*spec.resources.claims[].*", "claims may not be set for resources at pod level"},
    {"replicationcontrollers", "spec.template.spec.activeDeadlineSeconds", "not in what keeps pods running"},
    {"replicasets", "spec.template.spec.activeDeadlineSeconds", "as above"},
    {"daemonsets", "spec.template.spec.activeDeadlineSeconds", "as above"},
    {"deployments", "spec.template.spec.activeDeadlineSeconds", "as above"},
    {"statefulsets", "spec.template.spec.activeDeadlineSeconds", "as above"},
    {"cronjobs", "spec.jobTemplate.spec.manualSelector", "not supported in a template"},
    {"cronjobs", "spec.jobTemplate.spec.selector.*", "it is made for each job"},
    {"roles", "rules[].nonResourceURLs[]", "namespaced rules cannot apply to non-resource URLs"},
    {"secrets", "stringData{}", "it is for writing alone: its texts come back in data"},
    {"customresourcedefinitions", "spec.preserveUnknownFields", "must be false, which is left out"},
    {"customresourcedefinitions", "*.openAPIV3Schema.$ref", "not supported"},
    {"customresourcedefinitions", "*.openAPIV3Schema.$schema", "not supported"},
    {"customresourcedefinitions", "*.openAPIV3Schema.id", "not supported"},
    {"customresourcedefinitions", "*.openAPIV3Schema.definitions{}", "not supported"},
    {"customresourcedefinitions", "*.openAPIV3Schema.dependencies{}", "not supported"},
    {"customresourcedefinitions", "*.openAPIV3Schema.patternProperties{}", "not supported"},
    {"customresourcedefinitions", "*.openAPIV3Schema.additionalItems", "not supported"},
    {"customresourcedefinitions", "*.openAPIV3Schema.uniqueItems", "its run time is quadratic"},
};

// One patch from two. Not by merge_into(): what erases or replaces a member has to stay in the patch as it
// is.
void lay_over(json::object& patch, const json::object& other) {
  for (const auto& [key, value] : other) {
    json::value& below = patch[key];
    if (below.is_object() && value.is_object() && !key.starts_with('=')) {
      lay_over(below.get_object(), value.get_object());
    } else {
      below = value;
    }
  }
}

bool matches_pattern(std::string_view pattern, std::string_view text) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;
  if (!text.starts_with(pattern.substr(0, star))) return false;
  for (size_t at = star; at <= text.size(); ++at) {
    if (matches_pattern(pattern.substr(star + 1), text.substr(at))) return true;
  }
  return false;
}

}  // namespace

json::object variant_of(std::string_view resource, int turn) {
  const int pod = std::min(turn, kPodVariants - 1);
  if (resource == "pods") return {{"spec", pod_spec_variant(pod)}};
  if (resource == "podtemplates") return {{"template", template_variant(pod)}};
  if (std::ranges::find(kKeepers, resource) != std::end(kKeepers)) return keeper_variant(resource, pod);
  if (resource == "jobs") return single_job_variant(pod);
  if (resource == "cronjobs") {
    return {{"spec",
             {{"schedule", "0 0 * * *"},
              {"timeZone", "Etc/UTC"},
              {"concurrencyPolicy", "Forbid"},
              {"jobTemplate", {{"spec", job_variant(pod)}}}}}};
  }
  json::object patch;
  json::object of_turn;
  for (const Variant& variant : kVariants) {
    if (variant.resource != resource || variant.turn > turn) continue;
    (variant.turn == kEveryTurn ? patch : of_turn) = json::parse(variant.patch).as_object();
  }
  lay_over(patch, of_turn);
  return patch;
}

void merge_into(json::object& object, const json::object& patch) {
  for (const auto& [key, value] : patch) {
    if (key.starts_with('=')) {
      object[key.substr(1)] = value;
    } else if (key.starts_with('+')) {
      json::value& list = object[key.substr(1)];
      if (!list.is_array()) list.emplace_array();
      for (const json::value& item : value.as_array()) list.get_array().push_back(item);
    } else if (value.is_null()) {
      object.erase(key);
    } else if (const json::object* members = value.if_object()) {
      json::value& below = object[key];
      if (!below.is_object()) below.emplace_object();
      merge_into(below.get_object(), *members);
    } else {
      object[key] = value;
    }
  }
}

void erase_decided(std::string_view resource, json::object& object) {
  for (const Unset& decided : kDecided) {
    if (decided.resource != resource) continue;
    const size_t dot = decided.path.rfind('.');
    if (dot == std::string_view::npos) {
      object.erase(decided.path);
      continue;
    }
    json::value whole(object);
    json::value* parent = value_at(whole, std::string(decided.path.substr(0, dot)));
    if (!parent || !parent->is_object()) continue;
    parent->get_object().erase(decided.path.substr(dot + 1));
    object = std::move(whole.get_object());
  }
}

bool has_other_writers(std::string_view resource) {
  return std::ranges::find(kOtherWriters, resource) != std::end(kOtherWriters);
}

std::span<const Unset> unset_fields() { return kUnset; }

bool matches(const Unset& unset, std::string_view resource, std::string_view path) {
  return (unset.resource == "*" || unset.resource == resource) && matches_pattern(unset.path, path);
}

}  // namespace cloudless::apiserver::testing

#include "apiserver/flowcontrol/defaults.hpp"

#include <string_view>

#include "apiserver/json_fields.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver {

namespace {

constexpr std::string_view kVersion = "flowcontrol.apiserver.k8s.io/v1";
constexpr const char* kAutoUpdate = "apf.kubernetes.io/autoupdate-spec";

struct Level {
  std::string_view name;
  int64_t shares;
  int64_t lendable_percent;
  int64_t queues;  // 0: what is too much is rejected
  int64_t hand_size;
};

constexpr int64_t kQueueLength = 50;
constexpr Level kLevels[] = {{"catch-all", 5, 0, 0, 0},         {"global-default", 20, 50, 128, 6},
                             {"leader-election", 10, 0, 16, 4}, {"node-high", 40, 25, 64, 6},
                             {"system", 30, 33, 64, 6},         {"workload-high", 40, 50, 128, 6},
                             {"workload-low", 100, 90, 128, 6}};

json::object limited_level(const Level& level) {
  json::object response{{"type", level.queues == 0 ? "Reject" : "Queue"}};
  if (level.queues > 0) {
    response["queuing"] = {
        {"queues", level.queues}, {"handSize", level.hand_size}, {"queueLengthLimit", kQueueLength}};
  }
  json::object limited{{"nominalConcurrencyShares", level.shares},
                       {"lendablePercent", level.lendable_percent},
                       {"limitResponse", std::move(response)}};
  return {{"type", "Limited"}, {"limited", std::move(limited)}};
}

json::object made(std::string_view kind, std::string_view name, json::object spec) {
  return {{"kind", kind},
          {"apiVersion", kVersion},
          {"metadata", {{"name", name}, {"annotations", {{kAutoUpdate, "true"}}}}},
          {"spec", std::move(spec)}};
}

// One rule of a schema: who ("u:" user, "g:" group, "s:" service account of kube-system), and what.
struct Rule {
  std::string_view subjects;    // by blanks
  std::string_view verbs;       // by commas
  std::string_view groups;      // by commas; "core" is the core group
  std::string_view resources;   // by commas; empty: paths alone
  std::string_view namespaces;  // by commas; "-": what has none
  std::string_view paths;       // by commas; empty: none
};

struct Schema {
  std::string_view name;
  std::string_view level;
  int64_t precedence;
  std::string_view distinguisher;  // empty: one flow
  std::vector<Rule> rules;
};

constexpr Rule everything(std::string_view subjects) { return {subjects, "*", "*", "*", "-,*", "*"}; }

std::vector<Schema> schemas() {
  constexpr std::string_view kLeaders = "get,create,update";
  return {
      {"exempt", "exempt", 1, "", {everything("g:system:masters")}},
      {"probes",
       "exempt",
       2,
       "",
       {{"g:system:unauthenticated g:system:authenticated", "get", "", "", "", "/healthz,/readyz,/livez"}}},
      {"system-leader-election",
       "leader-election",
       100,
       "ByUser",
       {{"u:system:kube-controller-manager u:system:kube-scheduler s:*", kLeaders, "coordination.k8s.io",
         "leases", "*", ""}}},
      {"endpoint-controller",
       "workload-high",
       150,
       "ByUser",
       {{"u:system:kube-controller-manager", "get,create,update", "core", "endpoints", "*", ""}}},
      {"workload-leader-election",
       "leader-election",
       200,
       "ByUser",
       {{"s:*", kLeaders, "coordination.k8s.io", "leases", "*", ""}}},
      {"system-node-high",
       "node-high",
       400,
       "ByUser",
       {{"g:system:nodes", "*", "core", "nodes,nodes/status", "-", ""},
        {"g:system:nodes", "*", "coordination.k8s.io", "leases", "*", ""}}},
      {"system-nodes", "system", 500, "ByUser", {everything("g:system:nodes")}},
      {"kube-controller-manager",
       "workload-high",
       800,
       "ByNamespace",
       {everything("u:system:kube-controller-manager")}},
      {"kube-scheduler", "workload-high", 800, "ByNamespace", {everything("u:system:kube-scheduler")}},
      {"kube-system-service-accounts", "workload-high", 900, "ByNamespace", {everything("s:*")}},
      {"service-accounts", "workload-low", 9000, "ByUser", {everything("g:system:serviceaccounts")}},
      {"global-default",
       "global-default",
       9900,
       "ByUser",
       {everything("g:system:unauthenticated g:system:authenticated")}},
      {"catch-all",
       "catch-all",
       10000,
       "ByUser",
       {everything("g:system:unauthenticated g:system:authenticated")}},
  };
}

json::array items_of(std::string_view text) {
  json::array out;
  for (const std::string_view item : split(text, ',')) out.emplace_back(item == "core" ? "" : item);
  return out;
}

json::object subject_of(std::string_view text) {
  const std::string_view name = text.substr(2);
  if (text.starts_with("u:")) return {{"kind", "User"}, {"user", {{"name", name}}}};
  if (text.starts_with("g:")) return {{"kind", "Group"}, {"group", {{"name", name}}}};
  return {{"kind", "ServiceAccount"}, {"serviceAccount", {{"namespace", "kube-system"}, {"name", name}}}};
}

json::object resource_rule(const Rule& rule) {
  json::object out{{"verbs", items_of(rule.verbs)},
                   {"apiGroups", items_of(rule.groups)},
                   {"resources", items_of(rule.resources)}};
  std::string_view namespaces = rule.namespaces;
  if (namespaces.starts_with('-')) {
    out["clusterScope"] = true;
    namespaces.remove_prefix(namespaces.size() > 1 ? 2 : 1);
  }
  if (!namespaces.empty()) out["namespaces"] = items_of(namespaces);
  return out;
}

json::object rule_of(const Rule& rule) {
  json::object out;
  json::array& subjects = out["subjects"].emplace_array();
  for (const std::string_view subject : split(rule.subjects, ' ')) subjects.push_back(subject_of(subject));
  if (!rule.resources.empty()) out["resourceRules"] = json::array{resource_rule(rule)};
  if (!rule.paths.empty()) {
    out["nonResourceRules"] =
        json::array{json::object{{"verbs", items_of(rule.verbs)}, {"nonResourceURLs", items_of(rule.paths)}}};
  }
  return out;
}

json::object schema_object(const Schema& schema, WallTime now) {
  json::array rules;
  for (const Rule& rule : schema.rules) rules.push_back(rule_of(rule));
  json::object spec{{"priorityLevelConfiguration", {{"name", schema.level}}},
                    {"matchingPrecedence", schema.precedence},
                    {"rules", std::move(rules)}};
  if (!schema.distinguisher.empty()) spec["distinguisherMethod"] = {{"type", schema.distinguisher}};
  json::object object = made("FlowSchema", schema.name, std::move(spec));
  const std::string message = fmt::format(
      "This FlowSchema references the PriorityLevelConfiguration object named \"{}\" and it exists",
      schema.level);
  object["status"] = {{"conditions", json::array{json::object{{"type", "Dangling"},
                                                              {"status", "False"},
                                                              {"lastTransitionTime", format_rfc3339(now)},
                                                              {"reason", "Found"},
                                                              {"message", message}}}}};
  return object;
}

}  // namespace

std::vector<json::object> default_priority_levels() {
  std::vector<json::object> out;
  out.push_back(
      made("PriorityLevelConfiguration", "exempt",
           {{"type", "Exempt"}, {"exempt", {{"nominalConcurrencyShares", 0}, {"lendablePercent", 0}}}}));
  for (const Level& level : kLevels)
    out.push_back(made("PriorityLevelConfiguration", level.name, limited_level(level)));
  return out;
}

std::vector<json::object> default_flow_schemas(WallTime now) {
  std::vector<json::object> out;
  for (const Schema& schema : schemas()) out.push_back(schema_object(schema, now));
  return out;
}

}  // namespace cloudless::apiserver

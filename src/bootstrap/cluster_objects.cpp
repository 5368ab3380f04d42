#include "bootstrap/cluster_objects.hpp"

#include <boost/json.hpp>

#include "bootstrap/token.hpp"
#include "schema/struct_codec.hpp"
#include "schema/yaml.hpp"

namespace cloudless::bootstrap {

namespace json = boost::json;

namespace {

constexpr std::string_view kRbac = "rbac.authorization.k8s.io";
constexpr std::string_view kAdminsGroup = "kubeadm:cluster-admins";
constexpr std::string_view kNodesGroup = "system:nodes";

struct SubjectRef {
  std::string_view kind;  // "Group", "User"
  std::string_view name;
};

client::Resource rbac(std::string_view plural, std::string_view kind) {
  const client::Scope scope =
      kind.starts_with("Cluster") ? client::Scope::kCluster : client::Scope::kNamespaced;
  return {std::string(kRbac), "v1", std::string(plural), std::string(kind), scope};
}

ClusterObject make(client::Resource resource, std::string_view ns, std::string_view name, json::object body) {
  json::object object{{"kind", resource.kind}, {"apiVersion", resource.api_version()}};
  json::object& metadata = object["metadata"].emplace_object();
  metadata["name"] = name;
  if (!ns.empty()) metadata["namespace"] = ns;
  for (auto& member : body) object[member.key()] = std::move(member.value());
  return {std::move(resource), std::string(ns), std::string(name), json::serialize(object)};
}

json::object binding_body(std::string_view role_kind, std::string_view role,
                          const std::vector<SubjectRef>& subjects) {
  json::array list;
  for (const SubjectRef& subject : subjects)
    list.push_back({{"kind", subject.kind}, {"apiGroup", kRbac}, {"name", subject.name}});
  return {{"subjects", std::move(list)},
          {"roleRef", {{"apiGroup", kRbac}, {"kind", role_kind}, {"name", role}}}};
}

ClusterObject cluster_binding(std::string_view name, std::string_view role,
                              const std::vector<SubjectRef>& subjects) {
  return make(rbac("clusterrolebindings", "ClusterRoleBinding"), "", name,
              binding_body("ClusterRole", role, subjects));
}

json::object rule(std::string_view group, std::initializer_list<std::string_view> resources,
                  std::initializer_list<std::string_view> verbs) {
  return {{"apiGroups", json::array{group}},
          {"resources", json::array(resources.begin(), resources.end())},
          {"verbs", json::array(verbs.begin(), verbs.end())}};
}

struct ObjectRef {
  std::string_view ns;
  std::string_view resource;
  std::string_view name;
};

// A Role that lets its subjects read one object, and its binding of the same name.
void add_reader(std::vector<ClusterObject>& out, std::string_view name, const ObjectRef& object,
                const std::vector<SubjectRef>& subjects) {
  const std::string_view ns = object.ns;
  const json::object rule{{"verbs", json::array{"get"}},
                          {"apiGroups", json::array{""}},
                          {"resources", json::array{object.resource}},
                          {"resourceNames", json::array{object.name}}};
  out.push_back(make(rbac("roles", "Role"), ns, name, {{"rules", json::array{rule}}}));
  out.push_back(make(rbac("rolebindings", "RoleBinding"), ns, name, binding_body("Role", name, subjects)));
}

ClusterObject config_map(std::string_view name, json::object data) {
  return make({"", "v1", "configmaps", "ConfigMap", client::Scope::kNamespaced}, "kube-system", name,
              {{"data", std::move(data)}});
}

// Whether `stored` has all that is wanted, whatever the server added.
bool contains(const json::value& stored, const json::value& wanted) {
  if (!wanted.is_object() || !stored.is_object()) return stored == wanted;
  for (const auto& [key, value] : wanted.as_object()) {
    const json::value* have = stored.as_object().if_contains(key);
    if (!have || !contains(*have, value)) return false;
  }
  return true;
}

// The wanted object over the stored one's metadata, for an update of exactly that version.
Result<std::string> merged(const std::string& stored_text, const std::string& wanted_text) {
  boost::system::error_code error;
  const json::value stored = json::parse(stored_text, error);
  json::value wanted = json::parse(wanted_text);
  if (error || !stored.is_object()) return fail(Code::kInternal, "the server's answer is no JSON object");
  if (contains(stored, wanted)) return std::string();
  if (const json::value* version =
          stored.as_object().at("metadata").as_object().if_contains("resourceVersion"))
    wanted.as_object()["metadata"].as_object()["resourceVersion"] = *version;
  return json::serialize(wanted);
}

runtime::Task<Result<>> ensure_object(const client::Client& client, ClusterObject object) {
  const auto created = co_await client.create_raw(object.resource, object.ns, object.json);
  if (created) co_return Result<>();
  if (created.error().code != Code::kAlreadyExists) co_return wrap(created.error(), "create {}", object.name);
  const std::string stored = CO_TRY(co_await client.get_raw(object.resource, object.ns, object.name));
  const std::string update = CO_TRY(merged(stored, object.json));
  if (update.empty()) co_return Result<>();
  const auto updated = co_await client.update_raw(object.resource, object.ns, object.name, "", update);
  if (!updated) co_return wrap(updated.error(), "update {}", object.name);
  co_return Result<>();
}

}  // namespace

std::vector<ClusterObject> admin_objects() {
  return {cluster_binding("kubeadm:cluster-admins", "cluster-admin", {{"Group", kAdminsGroup}})};
}

std::vector<ClusterObject> join_objects() {
  const SubjectRef joiners{"Group", kDefaultNodeTokenGroup};
  const SubjectRef nodes{"Group", kNodesGroup};
  const json::object get_nodes{
      {"verbs", json::array{"get"}}, {"apiGroups", json::array{""}}, {"resources", json::array{"nodes"}}};
  std::vector<ClusterObject> out;
  out.push_back(make(rbac("clusterroles", "ClusterRole"), "", "kubeadm:get-nodes",
                     {{"rules", json::array{get_nodes}}}));
  out.push_back(cluster_binding("kubeadm:get-nodes", "kubeadm:get-nodes", {joiners}));
  out.push_back(cluster_binding("kubeadm:kubelet-bootstrap", "system:node-bootstrapper", {joiners}));
  out.push_back(cluster_binding("kubeadm:node-autoapprove-bootstrap",
                                "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
                                {joiners}));
  out.push_back(cluster_binding("kubeadm:node-autoapprove-certificate-rotation",
                                "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
                                {nodes}));
  add_reader(out, "kubeadm:bootstrap-signer-clusterinfo", {"kube-public", "configmaps", "cluster-info"},
             {{"User", "system:anonymous"}});
  add_reader(out, "kubeadm:kubelet-config", {"kube-system", "configmaps", "kubelet-config"},
             {nodes, joiners});
  add_reader(out, "kubeadm:nodes-kubeadm-config", {"kube-system", "configmaps", "kubeadm-config"},
             {joiners, nodes});
  return out;
}

std::vector<ClusterObject> certificate_reader_objects() {
  std::vector<ClusterObject> out;
  add_reader(out, "kubeadm:kubeadm-certs", {"kube-system", "secrets", "kubeadm-certs"},
             {{"Group", kDefaultNodeTokenGroup}});
  return out;
}

std::vector<ClusterObject> node_role_objects() {
  constexpr std::string_view kName = "cloudless:node";
  json::array rules{
      rule("", {"services", "nodes", "configmaps"}, {"list", "watch"}),
      rule("discovery.k8s.io", {"endpointslices"}, {"list", "watch"}),
      rule("networking.k8s.io", {"ingresses"}, {"list", "watch"}),
      rule("externaldns.k8s.io", {"dnsendpoints"}, {"list", "watch"}),
      rule("metallb.io", {"ipaddresspools", "l2advertisements"}, {"list", "watch"}),
      rule("metallb.io", {"servicel2statuses"}, {"create", "delete"}),
      rule("metallb.io", {"servicel2statuses/status"}, {"patch"}),
      rule("", {"events"}, {"create", "patch"}),
  };
  std::vector<ClusterObject> out;
  out.push_back(make(rbac("clusterroles", "ClusterRole"), "", kName, {{"rules", std::move(rules)}}));
  out.push_back(cluster_binding(kName, kName, {{"Group", kNodesGroup}}));
  return out;
}

std::vector<ClusterObject> controller_manager_objects(const std::vector<std::string>& controller_roles) {
  constexpr std::string_view kName = "cloudless:controller-manager";
  const SubjectRef user{"User", "system:kube-controller-manager"};
  json::array rules{
      rule("apiextensions.k8s.io", {"customresourcedefinitions"}, {"get", "create", "update", "patch"}),
      rule("metallb.io", {"servicel2statuses"}, {"delete"}),
      rule("", {"services"}, {"create", "update", "patch"}),
      rule("", {"services/status"}, {"update", "patch"}),
      rule("", {"configmaps"}, {"create", "update", "patch"}),
      rule("", {"secrets"}, {"delete"}),
      rule("", {"events"}, {"create", "patch"}),
      rule("coordination.k8s.io", {"leases"}, {"get", "create", "update"}),
      rule("discovery.k8s.io", {"endpointslices"}, {"create", "update", "patch"}),
  };
  std::vector<ClusterObject> out;
  out.push_back(make(rbac("clusterroles", "ClusterRole"), "", kName, {{"rules", std::move(rules)}}));
  out.push_back(cluster_binding(kName, kName, {user}));
  // Upstream leaves the approval of nodes' serving certificates to somebody else; here a controller gives it.
  out.push_back(cluster_binding("cloudless:kubelet-serving-approver",
                                "system:certificates.k8s.io:kubelet-serving-approver", {user}));
  for (const std::string& role : controller_roles)
    out.push_back(cluster_binding("cloudless:" + role, role, {user}));
  return out;
}

std::vector<ClusterObject> configuration_objects(const api::kubeadm::v1beta4::ClusterConfiguration& cluster,
                                                 const std::string& kubelet_configuration) {
  api::kubeadm::v1beta4::ClusterConfiguration named = cluster;
  named.kind = "ClusterConfiguration";
  named.apiVersion = "kubeadm.k8s.io/v1beta4";
  std::vector<ClusterObject> out;
  out.push_back(config_map("kubeadm-config",
                           {{"ClusterConfiguration", schema::serialize_yaml(schema::to_value(named))}}));
  boost::system::error_code error;
  const json::value kubelet = json::parse(kubelet_configuration, error);
  if (!error) out.push_back(config_map("kubelet-config", {{"kubelet", schema::serialize_yaml(kubelet)}}));
  return out;
}

runtime::Task<Result<std::vector<std::string>>> list_controller_roles(const client::Client& client) {
  std::vector<std::string> names;
  const auto collect = [&names](const json::value& item) -> Result<> {
    const auto& name = item.at("metadata").at("name").as_string();
    if (name.starts_with("system:controller:")) names.emplace_back(name);
    return {};
  };
  CO_TRY(co_await client.list_each(rbac("clusterroles", "ClusterRole"), "", {}, collect));
  co_return names;
}

runtime::Task<Result<>> ensure_objects(const client::Client& client, std::vector<ClusterObject> objects) {
  for (ClusterObject& object : objects) CO_TRY(co_await ensure_object(client, std::move(object)));
  co_return Result<>();
}

}  // namespace cloudless::bootstrap

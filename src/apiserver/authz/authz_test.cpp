#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiserver/authz/access_review.hpp"
#include "apiserver/authz/bootstrap_policy.hpp"
#include "apiserver/authz/forbidden.hpp"
#include "apiserver/authz/node_authorizer.hpp"
#include "apiserver/testing/fake_objects.hpp"
#include "runtime/simulation.hpp"

namespace cloudless::apiserver::authz {
namespace {

Attributes ask(UserInfo user, std::string verb, std::string resource, std::string ns = "",
               std::string name = "", std::string group = "") {
  Attributes attributes{.user = std::move(user), .verb = std::move(verb), .is_resource_request = true};
  attributes.group = std::move(group);
  const size_t slash = resource.find('/');
  attributes.resource = resource.substr(0, slash);
  if (slash != std::string::npos) attributes.subresource = resource.substr(slash + 1);
  attributes.namespace_ = std::move(ns);
  attributes.name = std::move(name);
  return attributes;
}

Attributes ask_path(UserInfo user, std::string verb, std::string path) {
  return {.user = std::move(user), .verb = std::move(verb), .path = std::move(path)};
}

const UserInfo kJane{.name = "jane", .groups = {"system:authenticated", "dev"}};
const UserInfo kNode{.name = "system:node:n1", .groups = {"system:nodes", "system:authenticated"}};

TEST(Rules, MatchVerbsGroupsResourcesAndNames) {
  const PolicyRule rule{
      .verbs = {"get"}, .apiGroups = {""}, .resources = {"pods", "*/scale"}, .resourceNames = {"a"}};
  EXPECT_TRUE(rule_allows(rule, ask(kJane, "get", "pods", "x", "a")));
  EXPECT_FALSE(rule_allows(rule, ask(kJane, "get", "pods", "x", "b")));
  EXPECT_FALSE(rule_allows(rule, ask(kJane, "list", "pods", "x", "a")));
  EXPECT_FALSE(rule_allows(rule, ask(kJane, "get", "pods/log", "x", "a")));
  EXPECT_TRUE(rule_allows(rule, ask(kJane, "get", "deployments/scale", "x", "a")));
  EXPECT_FALSE(rule_allows(rule, ask(kJane, "get", "pods", "x", "a", "apps")));
  const PolicyRule urls{.verbs = {"get"}, .nonResourceURLs = {"/healthz", "/api/*"}};
  EXPECT_TRUE(rule_allows(urls, ask_path(kJane, "get", "/api/v1")));
  EXPECT_TRUE(rule_allows(urls, ask_path(kJane, "get", "/healthz")));
  EXPECT_FALSE(rule_allows(urls, ask_path(kJane, "get", "/healthz/x")));
  EXPECT_FALSE(rule_allows(urls, ask(kJane, "get", "pods")));
}

TEST(Rules, CoveringComparesPartByPart) {
  const PolicyRule wanted{.verbs = {"get", "list"}, .apiGroups = {""}, .resources = {"pods", "secrets"}};
  const PolicyRule pods{.verbs = {"*"}, .apiGroups = {""}, .resources = {"pods"}};
  const auto missing = compact(uncovered({pods}, {wanted}));
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_EQ(to_text(missing[0]), R"({APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]})");
  const PolicyRule all{.verbs = {"*"}, .apiGroups = {"*"}, .resources = {"*"}};
  EXPECT_TRUE(uncovered({all}, {wanted}).empty());
  EXPECT_FALSE(uncovered({wanted}, {all}).empty());
  const PolicyRule named{.verbs = {"get"}, .apiGroups = {""}, .resources = {"pods"}, .resourceNames = {"a"}};
  EXPECT_TRUE(uncovered({pods}, {named}).empty());
  EXPECT_FALSE(uncovered({named}, {{.verbs = {"get"}, .apiGroups = {""}, .resources = {"pods"}}}).empty());
}

TEST(Forbidden, SpeaksAsUpstreamDoes) {
  EXPECT_EQ(forbidden_status(ask({.name = "x"}, "list", "pods", "default"), "").message,
            "pods is forbidden: User \"x\" cannot list resource \"pods\" in API group \"\" in the namespace "
            "\"default\"");
  EXPECT_EQ(forbidden_status(ask({.name = "x"}, "get", "nodes", "", "a"), "").message,
            "nodes \"a\" is forbidden: User \"x\" cannot get resource \"nodes\" in API group \"\" at the "
            "cluster scope");
  EXPECT_EQ(forbidden_status(ask_path({.name = "x"}, "get", "/metrics"), "").message,
            "forbidden: User \"x\" cannot get path \"/metrics\"");
}

class RbacTest : public ::testing::Test {
 protected:
  RbacTest() : cache_(objects_), rbac_(cache_) {
    const auto done = simulation_.run(ensure_bootstrap_policy(objects_, Logger())).value();
    EXPECT_TRUE(done) << (done ? "" : done.error().message);
  }
  Decision decide(const Attributes& attributes) {
    return simulation_.run(rbac_.authorize(attributes)).value();
  }
  bool allowed(const Attributes& attributes) { return decide(attributes).allowed(); }

  void bind(std::string name, std::string role, std::string user, std::string ns = "") {
    json::object binding{
        {"metadata", {{"name", name}}},
        {"subjects", {{{"kind", "User"}, {"apiGroup", "rbac.authorization.k8s.io"}, {"name", user}}}},
        {"roleRef", {{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "ClusterRole"}, {"name", role}}}};
    if (!ns.empty()) metadata(binding)["namespace"] = ns;
    objects_.put({"rbac.authorization.k8s.io", ns.empty() ? "clusterrolebindings" : "rolebindings"}, binding);
  }

  ApiResult<> write(const UserInfo& user, std::string resource, std::string_view text,
                    const json::object* old_object = nullptr) {
    json::object object = json::parse(text).as_object();
    std::vector<std::string> warnings;
    std::map<std::string, std::string> annotations;
    const AdmissionRequest request{.operation = old_object ? Operation::kUpdate : Operation::kCreate,
                                   .group = "rbac.authorization.k8s.io",
                                   .version = "v1",
                                   .resource = std::move(resource),
                                   .namespace_ = std::string(namespace_of(object)),
                                   .name = std::string(name_of(object)),
                                   .user = user,
                                   .object = &object,
                                   .old_object = old_object,
                                   .warnings = warnings,
                                   .audit_annotations = annotations};
    RbacEscalationCheck check(cache_, rbac_);
    return simulation_.run(check.validate(request)).value();
  }

  runtime::Simulation simulation_;
  ::cloudless::apiserver::testing::FakeObjects objects_;
  RbacIndexCache cache_;
  RbacAuthorizer rbac_;
};

TEST_F(RbacTest, BootstrapPolicyGivesEveryoneWhatUpstreamDoes) {
  EXPECT_TRUE(allowed(ask_path({.groups = {"system:unauthenticated"}}, "get", "/version")));
  EXPECT_FALSE(allowed(ask_path({.groups = {"system:unauthenticated"}}, "get", "/api")));
  EXPECT_TRUE(allowed(ask_path(kJane, "get", "/apis/apps")));
  EXPECT_TRUE(allowed(ask(kJane, "create", "selfsubjectaccessreviews", "", "", "authorization.k8s.io")));
  EXPECT_FALSE(allowed(ask(kJane, "list", "pods", "default")));
  EXPECT_TRUE(allowed(ask({.groups = {"system:masters"}}, "anything", "anything")));
  EXPECT_TRUE(allowed(ask({.name = "system:kube-scheduler"}, "create", "pods/binding", "x", "p")));
  EXPECT_TRUE(allowed(ask({.name = "system:serviceaccount:kube-system:deployment-controller"}, "update",
                          "deployments/status", "x", "d", "apps")));
}

TEST_F(RbacTest, ABindingInANamespaceCountsThereAlone) {
  bind("b", "edit", "jane", "shop");
  EXPECT_TRUE(allowed(ask(kJane, "delete", "pods", "shop")));
  EXPECT_TRUE(allowed(ask(kJane, "list", "configmaps", "shop")));  // from view, which edit aggregates
  EXPECT_FALSE(allowed(ask(kJane, "delete", "pods", "other")));
  EXPECT_FALSE(allowed(ask(kJane, "create", "roles", "shop", "", "rbac.authorization.k8s.io")));
  EXPECT_EQ(decide(ask(kJane, "delete", "pods", "shop")).reason,
            "RBAC: allowed by RoleBinding \"b/shop\" of ClusterRole \"edit\" to User \"jane\"");
}

TEST_F(RbacTest, AggregatedRolesTakeUpNewRolesAtOnce) {
  bind("b", "view", "jane", "shop");
  EXPECT_FALSE(allowed(ask(kJane, "get", "crontabs", "shop", "a", "stable.example.com")));
  objects_.put(
      {"rbac.authorization.k8s.io", "clusterroles"},
      R"({"metadata":{"name":"crontab-view","labels":{"rbac.authorization.k8s.io/aggregate-to-view":"true"}},
                   "rules":[{"verbs":["get"],"apiGroups":["stable.example.com"],"resources":["crontabs"]}]})");
  EXPECT_TRUE(allowed(ask(kJane, "get", "crontabs", "shop", "a", "stable.example.com")));
}

TEST_F(RbacTest, ARoleThatIsMissingIsNamed) {
  bind("b", "nothing", "jane");
  EXPECT_EQ(decide(ask(kJane, "list", "pods")).reason,
            "RBAC: clusterrole.rbac.authorization.k8s.io \"nothing\" not found");
}

TEST_F(RbacTest, NobodyGivesWhatTheyDoNotHave) {
  bind("b", "admin", "jane", "shop");
  const char* fine = R"({"metadata":{"name":"r","namespace":"shop"},
      "rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]})";
  EXPECT_TRUE(write(kJane, "roles", fine));
  const auto refused = write(kJane, "roles", R"({"metadata":{"name":"r","namespace":"shop"},
      "rules":[{"verbs":["get"],"apiGroups":[""],"resources":["nodes"]}]})");
  ASSERT_FALSE(refused);
  EXPECT_EQ(
      refused.error().message,
      "roles.rbac.authorization.k8s.io \"r\" is forbidden: user \"jane\" (groups=[\"system:authenticated\" "
      "\"dev\"]) is attempting to grant RBAC permissions not currently held:\n"
      "{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\"]}");
  const char* binding = R"({"metadata":{"name":"x","namespace":"shop"},"subjects":[],
      "roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"NAME"}})";
  const auto to = [&](std::string role) {
    return std::string(binding).replace(std::string(binding).find("NAME"), 4, role);
  };
  EXPECT_TRUE(write(kJane, "rolebindings", to("view")));
  EXPECT_EQ(write(kJane, "rolebindings", to("cluster-admin")).error().code, 403);
  EXPECT_EQ(write(kJane, "rolebindings", to("nothing")).error().code, 404);
  bind("c", "cluster-admin", "root");
  EXPECT_TRUE(write({.name = "root"}, "rolebindings", to("cluster-admin")));
}

TEST_F(RbacTest, DefaultsAreRestoredUnlessProtected) {
  const GroupResource roles{"rbac.authorization.k8s.io", "clusterroles"};
  json::object changed = *objects_.peek(roles, "", "system:basic-user");
  changed["rules"] = json::array();
  objects_.put(roles, changed);
  changed = *objects_.peek(roles, "", "system:discovery");
  changed["rules"] = json::array();
  make_object(changed, {"metadata", "annotations"})[kAutoUpdateAnnotation] = "false";
  objects_.put(roles, changed);
  ASSERT_TRUE(simulation_.run(ensure_bootstrap_policy(objects_, Logger())).value());
  EXPECT_EQ(array_at(*objects_.peek(roles, "", "system:basic-user"), {"rules"}).size(), 3u);  // one a part
  EXPECT_TRUE(array_at(*objects_.peek(roles, "", "system:discovery"), {"rules"}).empty());
  const uint64_t before = simulation_.run(objects_.revision(roles)).value().value();
  ASSERT_TRUE(simulation_.run(ensure_bootstrap_policy(objects_, Logger())).value());
  EXPECT_EQ(simulation_.run(objects_.revision(roles)).value().value(), before);
}

TEST_F(RbacTest, ReviewsAnswerForSubjectsAndForOneself) {
  bind("b", "view", "jane", "shop");
  const auto review = [&](AccessReview::About about, std::string_view text, std::string ns = "") {
    AccessReview resource(about, rbac_);
    return simulation_.run(resource.create({kJane, ns, ""}, json::parse(text).as_object())).value();
  };
  using About = AccessReview::About;
  const char* pods =
      R"({"spec":{"user":"jane","resourceAttributes":{"verb":"list","resource":"pods","namespace":"shop"}}})";
  EXPECT_TRUE(truth_at(review(About::kSubject, pods).value(), {"status", "allowed"}));
  EXPECT_TRUE(truth_at(review(About::kSelf, pods).value(), {"status", "allowed"}));
  EXPECT_TRUE(truth_at(review(About::kSubjectInNamespace, pods, "shop").value(), {"status", "allowed"}));
  EXPECT_EQ(review(About::kSubjectInNamespace, pods, "other").error().code, 422);
  EXPECT_EQ(review(About::kSubject, R"({"spec":{"user":"x"}})").error().code, 422);
  EXPECT_FALSE(truth_at(
      review(
          About::kSubject,
          R"({"spec":{"user":"mary","resourceAttributes":{"verb":"list","resource":"pods","namespace":"shop"}}})")
          .value(),
      {"status", "allowed"}));
  SelfRulesReview rules(cache_);
  const json::object answer =
      simulation_
          .run(rules.create({kJane, "", ""}, json::parse(R"({"spec":{"namespace":"shop"}})").as_object()))
          .value()
          .value();
  EXPECT_GT(array_at(answer, {"status", "resourceRules"}).size(), 5u);
  EXPECT_FALSE(truth_at(answer, {"status", "incomplete"}));
}

class NodeTest : public ::testing::Test {
 protected:
  NodeTest() : authorizer_(objects_, node_rules()) {
    objects_.put({"", "pods"}, R"({"metadata":{"name":"p","namespace":"shop"},"spec":{"nodeName":"n1",
        "serviceAccountName":"web","imagePullSecrets":[{"name":"pull"}],
        "containers":[{"env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"env","key":"k"}}}],
                       "envFrom":[{"configMapRef":{"name":"settings"}}]}],
        "volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"data"}},
                   {"name":"t","projected":{"sources":[{"configMap":{"name":"kube-root-ca.crt"}}]}}]}})");
    objects_.put({"", "pods"}, R"({"metadata":{"name":"q","namespace":"shop"},"spec":{"nodeName":"n2",
        "volumes":[{"name":"v","secret":{"secretName":"other"}}]}})");
    objects_.put({"", "pods"}, R"({"metadata":{"name":"m","namespace":"shop",
        "annotations":{"kubernetes.io/config.mirror":"x"}},"spec":{"nodeName":"n1",
        "volumes":[{"name":"v","secret":{"secretName":"mirrored"}}]}})");
    objects_.put({"", "persistentvolumes"},
                 R"({"metadata":{"name":"pv"},"spec":{"claimRef":{"namespace":"shop","name":"data"}}})");
  }
  bool allowed(const Attributes& attributes) {
    return simulation_.run(authorizer_.authorize(attributes)).value().allowed();
  }

  runtime::Simulation simulation_;
  ::cloudless::apiserver::testing::FakeObjects objects_;
  NodeAuthorizer authorizer_;
};

TEST_F(NodeTest, ReadsWhatItsPodsNeedAndNothingElse) {
  for (const char* secret : {"pull", "env"})
    EXPECT_TRUE(allowed(ask(kNode, "get", "secrets", "shop", secret))) << secret;
  for (const char* secret : {"other", "mirrored", "unknown", ""})
    EXPECT_FALSE(allowed(ask(kNode, "get", "secrets", "shop", secret))) << secret;
  EXPECT_FALSE(allowed(ask(kNode, "get", "secrets", "elsewhere", "pull")));
  EXPECT_FALSE(allowed(ask(kNode, "update", "secrets", "shop", "pull")));
  EXPECT_TRUE(allowed(ask(kNode, "watch", "configmaps", "shop", "settings")));
  EXPECT_TRUE(allowed(ask(kNode, "get", "configmaps", "shop", "kube-root-ca.crt")));
  EXPECT_TRUE(allowed(ask(kNode, "get", "persistentvolumeclaims", "shop", "data")));
  EXPECT_TRUE(allowed(ask(kNode, "get", "persistentvolumes", "", "pv")));
  EXPECT_TRUE(allowed(ask(kNode, "create", "serviceaccounts/token", "shop", "web")));
  EXPECT_FALSE(allowed(ask(kNode, "create", "serviceaccounts/token", "shop", "admin")));
}

TEST_F(NodeTest, WritesItsOwnNodeAndLease) {
  EXPECT_TRUE(allowed(ask(kNode, "update", "nodes/status", "", "n1")));
  EXPECT_FALSE(allowed(ask(kNode, "update", "nodes/status", "", "n2")));
  EXPECT_TRUE(allowed(ask(kNode, "update", "leases", "kube-node-lease", "n1", "coordination.k8s.io")));
  EXPECT_FALSE(allowed(ask(kNode, "update", "leases", "kube-system", "n1", "coordination.k8s.io")));
  EXPECT_FALSE(allowed(ask(kNode, "list", "pods")));
  Attributes own = ask(kNode, "list", "pods");
  own.field_selector = "spec.nodeName=n1";
  EXPECT_TRUE(allowed(own));
  EXPECT_FALSE(allowed(ask(kNode, "delete", "nodes", "", "n1")));
  EXPECT_FALSE(allowed(ask(kJane, "get", "secrets", "shop", "pull")));
}

}  // namespace
}  // namespace cloudless::apiserver::authz

// What controllers of the API itself keep true: quotas' use, aggregated roles; and files that configure
// admission.
#include "apiserver/cluster.hpp"

namespace cloudless::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(KubectlPolicy, AQuotaShowsWhatIsUsed) {
  const Cluster cluster;
  cluster.ok("create quota q --hard=configmaps=3,services=2,count/secrets=5");
  cluster.ok("create configmap a");
  cluster.ok("create service clusterip s --tcp=80");
  // The namespace has kube-root-ca.crt and the kubernetes Service.
  cluster.await("get quota q -o jsonpath='{.status.used.configmaps} {.status.used.services}'", "2 2");
  EXPECT_THAT(cluster.fails("create service clusterip t --tcp=80"),
              HasSubstr("exceeded quota: q, requested: services=1, used: services=2, limited: services=2"));
  cluster.ok("delete configmap a");
  cluster.await("get quota q -o jsonpath='{.status.used.configmaps}'", "1");
  EXPECT_THAT(cluster.ok("describe quota q"),
              AllOf(HasSubstr("configmaps     1     3"), HasSubstr("count/secrets  0     5")));
}

TEST(KubectlPolicy, AnAggregatedRoleFollowsTheRolesThatItSelects) {
  const Cluster cluster;
  cluster.ok("create clusterrole all --aggregation-rule=team=shop");
  cluster.ok("create clusterrole pods --verb=get --resource=pods");
  cluster.ok("label clusterrole pods team=shop");
  const std::string rules = "get clusterrole all -o jsonpath='{.rules[*].resources}'";
  cluster.await(rules, R"(["pods"])");
  cluster.ok("create rolebinding b --clusterrole=all --user=alice");
  EXPECT_EQ(cluster.ok("auth can-i get pods --as=alice"), "yes\n");
  cluster.ok("label clusterrole pods team-");
  cluster.await(rules, "");
  // The roles for people have theirs from upstream's parts.
  EXPECT_THAT(cluster.ok("get clusterrole admin -o jsonpath='{.aggregationRule}'"),
              HasSubstr("rbac.authorization.k8s.io/aggregate-to-admin"));
}

}  // namespace
}  // namespace cloudless::testing

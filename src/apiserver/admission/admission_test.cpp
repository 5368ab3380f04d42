#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apiserver/admission/namespace_lifecycle.hpp"
#include "apiserver/admission/priority.hpp"
#include "apiserver/admission/service_account.hpp"
#include "apiserver/admission/small_plugins.hpp"
#include "apiserver/admission/testing.hpp"

namespace cloudless::apiserver::admission {
namespace {

using testing::Call;
using ::testing::HasSubstr;
using testing::parse;

class AdmissionTest : public ::testing::Test {
 protected:
  AdmissionTest() : random_(1) {
    objects_.put({"", "namespaces"}, R"({"metadata":{"name":"shop"},"status":{"phase":"Active"}})");
    objects_.put(
        {"", "serviceaccounts"},
        R"({"metadata":{"name":"default","namespace":"shop"},"imagePullSecrets":[{"name":"pull"}]})");
  }
  ApiResult<> run(AdmissionPlugin& plugin, Call& call) { return testing::run(simulation_, plugin, call); }
  static Call pod(std::string_view spec = "{}") {
    Call call;
    call.object = parse(R"({"metadata":{"name":"p","namespace":"shop"}})");
    call.object["spec"] = parse(spec);
    return call;
  }

  runtime::Simulation simulation_;
  ::cloudless::apiserver::testing::FakeObjects objects_;
  SeededRandom random_;
};

TEST_F(AdmissionTest, NothingIsMadeInANamespaceThatIsNotThereOrGoing) {
  NamespaceLifecycle plugin(objects_);
  Call call = pod();
  EXPECT_TRUE(run(plugin, call));
  metadata(call.object)["namespace"] = "none";
  EXPECT_EQ(run(plugin, call).error().message, "namespaces \"none\" not found");
  objects_.put({"", "namespaces"}, R"({"metadata":{"name":"none"},"status":{"phase":"Terminating"}})");
  const ApiStatus going = run(plugin, call).error();
  EXPECT_EQ(going.code, 403);
  EXPECT_EQ(going.message,
            "pods \"p\" is forbidden: unable to create new content in namespace none because it is being "
            "terminated");
  EXPECT_EQ(going.causes.at(0).reason, "NamespaceTerminating");
  call.operation = Operation::kUpdate;
  EXPECT_TRUE(run(plugin, call));
}

TEST_F(AdmissionTest, TheFirstNamespacesStay) {
  NamespaceLifecycle plugin(objects_);
  Call call{.operation = Operation::kDelete,
            .resource = "namespaces",
            .old_object = parse(R"({"metadata":{"name":"kube-system"}})")};
  EXPECT_EQ(run(plugin, call).error().message,
            "namespaces \"kube-system\" is forbidden: this namespace may not be deleted");
  call.old_object = parse(R"({"metadata":{"name":"shop"}})");
  EXPECT_TRUE(run(plugin, call));
}

TEST_F(AdmissionTest, APodGetsItsAccountTokenAndPullSecrets) {
  ServiceAccount plugin(objects_, random_);
  Call call = pod(R"({"containers":[{"name":"a"}],"initContainers":[{"name":"i"}]})");
  ASSERT_TRUE(run(plugin, call));
  const json::object& spec = call.object["spec"].as_object();
  EXPECT_EQ(text_at(spec, {"serviceAccountName"}), "default");
  EXPECT_EQ(text_at(spec, {"serviceAccount"}), "default");
  EXPECT_EQ(array_at(spec, {"imagePullSecrets"}).size(), 1u);
  const json::object& volume = array_at(spec, {"volumes"}).at(0).as_object();
  EXPECT_THAT(std::string(text_at(volume, {"name"})), ::testing::MatchesRegex("kube-api-access-[a-z0-9]{5}"));
  EXPECT_EQ(array_at(volume, {"projected", "sources"}).size(), 3u);
  for (const char* list : {"containers", "initContainers"}) {
    const json::object& mount = array_at(spec, {list}).at(0).at("volumeMounts").at(0).as_object();
    EXPECT_EQ(text_at(mount, {"mountPath"}), "/var/run/secrets/kubernetes.io/serviceaccount");
    EXPECT_EQ(text_at(mount, {"name"}), text_at(volume, {"name"}));
  }
}

TEST_F(AdmissionTest, ATokenIsLeftOutWhereNobodyWantsIt) {
  ServiceAccount plugin(objects_, random_);
  Call call = pod(R"({"containers":[{"name":"a"}],"automountServiceAccountToken":false})");
  ASSERT_TRUE(run(plugin, call));
  EXPECT_TRUE(array_at(call.object, {"spec", "volumes"}).empty());
}

TEST_F(AdmissionTest, AnAccountThatIsNotThereIsNamed) {
  ServiceAccount plugin(objects_, random_);
  Call call = pod(R"({"serviceAccountName":"web"})");
  EXPECT_EQ(run(plugin, call).error().message,
            "pods \"p\" is forbidden: error looking up service account shop/web: serviceaccounts \"web\" not "
            "found");
}

TEST_F(AdmissionTest, MirrorPodsReferToNoSecretsAndAccounts) {
  ServiceAccount plugin(objects_, random_);
  Call call = pod(R"({"serviceAccountName":"default"})");
  make_object(call.object, {"metadata", "annotations"})["kubernetes.io/config.mirror"] = "x";
  EXPECT_THAT(run(plugin, call).error().message,
              HasSubstr("a mirror pod may not reference service accounts"));
}

TEST_F(AdmissionTest, PriorityComesFromTheClass) {
  Priority plugin(objects_);
  for (const json::object& item : system_priority_classes())
    objects_.put({"scheduling.k8s.io", "priorityclasses"}, item);
  Call call = pod(R"({"priorityClassName":"system-node-critical"})");
  ASSERT_TRUE(run(plugin, call));
  EXPECT_EQ(number_at(call.object, {"spec", "priority"}), 2000001000);
  call = pod();
  ASSERT_TRUE(run(plugin, call));
  EXPECT_EQ(number_at(call.object, {"spec", "priority"}, -1), 0);
  EXPECT_EQ(text_at(call.object, {"spec", "preemptionPolicy"}), "PreemptLowerPriority");
  call = pod(R"({"priorityClassName":"x"})");
  EXPECT_THAT(run(plugin, call).error().message, HasSubstr("no PriorityClass with name x was found"));
  call = pod(R"({"priority":7})");
  EXPECT_THAT(run(plugin, call).error().message,
              HasSubstr("the integer value of priority (7) must not be provided"));
  objects_.put({"scheduling.k8s.io", "priorityclasses"},
               R"({"metadata":{"name":"low"},"value":5,"globalDefault":true,"preemptionPolicy":"Never"})");
  call = pod();
  ASSERT_TRUE(run(plugin, call));
  EXPECT_EQ(text_at(call.object, {"spec", "priorityClassName"}), "low");
  Call second{.group = "scheduling.k8s.io",
              .resource = "priorityclasses",
              .object = parse(R"({"metadata":{"name":"b"},"value":5,"globalDefault":true})")};
  EXPECT_THAT(run(plugin, second).error().message, HasSubstr("Only one default can exist"));
}

TEST_F(AdmissionTest, PodsTolerateATroubledNodeForFiveMinutes) {
  DefaultTolerationSeconds plugin;
  Call call = pod(
      R"({"tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute"}]})");
  ASSERT_TRUE(run(plugin, call));
  const json::array& tolerations = array_at(call.object, {"spec", "tolerations"});
  ASSERT_EQ(tolerations.size(), 2u);
  EXPECT_EQ(tolerations[1].at("key").as_string(), "node.kubernetes.io/unreachable");
  EXPECT_EQ(tolerations[1].at("tolerationSeconds").as_int64(), 300);
  ASSERT_TRUE(run(plugin, call));
  EXPECT_EQ(array_at(call.object, {"spec", "tolerations"}).size(), 2u);
}

TEST_F(AdmissionTest, NewNodesTakeNoPodsYet) {
  TaintNodesByCondition plugin;
  Call call{.resource = "nodes", .object = parse(R"({"metadata":{"name":"n"}})")};
  ASSERT_TRUE(run(plugin, call));
  ASSERT_TRUE(run(plugin, call));
  EXPECT_EQ(array_at(call.object, {"spec", "taints"}).size(), 1u);
}

TEST_F(AdmissionTest, ClaimsGetTheNewestDefaultClass) {
  const GroupResource classes{"storage.k8s.io", "storageclasses"};
  DefaultClass plugin(DefaultClass::storage_class(), objects_);
  Call call{.resource = "persistentvolumeclaims",
            .object = parse(R"({"metadata":{"name":"c","namespace":"shop"},"spec":{}})")};
  ASSERT_TRUE(run(plugin, call));
  EXPECT_EQ(find(call.object, {"spec", "storageClassName"}), nullptr);
  for (const auto& [name, time] :
       {std::pair{"old", "2026-01-01T00:00:00Z"}, std::pair{"new", "2026-02-01T00:00:00Z"}})
    objects_.put(classes, parse(fmt::format(R"({{"metadata":{{"name":"{}","creationTimestamp":"{}",
        "annotations":{{"storageclass.kubernetes.io/is-default-class":"true"}}}}}})",
                                            name, time)));
  ASSERT_TRUE(run(plugin, call));
  EXPECT_EQ(text_at(call.object, {"spec", "storageClassName"}), "new");
  call.object["spec"] = parse(R"({"storageClassName":""})");
  ASSERT_TRUE(run(plugin, call));
  EXPECT_EQ(text_at(call.object, {"spec", "storageClassName"}), "");
}

TEST_F(AdmissionTest, RuntimeClassesBringOverheadAndPlacement) {
  objects_.put({"node.k8s.io", "runtimeclasses"}, R"({"metadata":{"name":"vm"},"handler":"vm",
      "overhead":{"podFixed":{"memory":"120Mi"}},"scheduling":{"nodeSelector":{"kind":"vm"},
      "tolerations":[{"key":"vm","operator":"Exists"}]}})");
  RuntimeClass plugin(objects_);
  Call call = pod(R"({"runtimeClassName":"vm"})");
  ASSERT_TRUE(run(plugin, call));
  EXPECT_EQ(text_at(call.object, {"spec", "overhead", "memory"}), "120Mi");
  EXPECT_EQ(text_at(call.object, {"spec", "nodeSelector", "kind"}), "vm");
  EXPECT_EQ(array_at(call.object, {"spec", "tolerations"}).size(), 1u);
  call = pod(R"({"runtimeClassName":"vm","nodeSelector":{"kind":"metal"}})");
  EXPECT_EQ(run(plugin, call).error().code, 403);
  call = pod(R"({"runtimeClassName":"none"})");
  EXPECT_THAT(run(plugin, call).error().message, HasSubstr("pod rejected: RuntimeClass \"none\" not found"));
}

TEST_F(AdmissionTest, ClaimsGrowOnlyWhereTheirClassAllowsIt) {
  PersistentVolumeClaimResize plugin(objects_);
  const char* claim = R"({"metadata":{"name":"c","namespace":"shop"},"spec":{"storageClassName":"s",
      "resources":{"requests":{"storage":"1Gi"}}},"status":{"phase":"Bound"}})";
  Call call{.operation = Operation::kUpdate,
            .resource = "persistentvolumeclaims",
            .object = parse(claim),
            .old_object = parse(claim)};
  EXPECT_TRUE(run(plugin, call));
  make_object(call.object, {"spec", "resources", "requests"})["storage"] = "2Gi";
  EXPECT_FALSE(run(plugin, call));
  objects_.put({"storage.k8s.io", "storageclasses"},
               R"({"metadata":{"name":"s"},"allowVolumeExpansion":true})");
  EXPECT_TRUE(run(plugin, call));
}

}  // namespace
}  // namespace cloudless::apiserver::admission

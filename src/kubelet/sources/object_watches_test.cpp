#include "kubelet/sources/object_watches.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "client/testing/fake_api.hpp"
#include "kubelet/testing/pods.hpp"
#include "net/in_process.hpp"
#include "runtime/simulation.hpp"

namespace cloudless::kubelet {
namespace {

namespace json = boost::json;

core::Pod pod_with_config(const std::string& name, const std::string& config_map) {
  core::Pod pod = testing::make_pod(name, {testing::make_container("main", "image")});
  core::Volume& volume = pod.spec.volumes.emplace_back();
  volume.name = "config";
  volume.configMap.emplace().name = config_map;
  return pod;
}

TEST(ObjectWatches, APodNamesObjectsInVolumesEnvironmentsAndPullSecrets) {
  core::Pod pod = pod_with_config("web", "settings");
  pod.spec.initContainers.push_back(testing::make_container("init", "image"));
  pod.spec.initContainers[0].envFrom.emplace_back().configMapRef.emplace().name = "first";
  pod.spec.containers[0].env.emplace_back().valueFrom.emplace().secretKeyRef.emplace().name = "password";
  pod.spec.imagePullSecrets.emplace_back().name = "registry";
  const ObjectNames names = names_in_pod(pod);
  EXPECT_EQ(names.config_maps, (std::set<std::string>{"first", "settings"}));
  EXPECT_EQ(names.secrets, (std::set<std::string>{"password", "registry"}));
}

class Watches : public ::testing::Test {
 public:
  ~Watches() override {
    scope_.cancel();
    EXPECT_TRUE(simulation_.run(scope_.join()).has_value());
    EXPECT_TRUE(simulation_.run(transport_.stop()).has_value());
  }

 protected:
  void put(const std::string& name, const std::string& value) {
    api_.put("configmaps", {{"apiVersion", "v1"},
                            {"kind", "ConfigMap"},
                            {"metadata", {{"namespace", "default"}, {"name", name}}},
                            {"data", {{"key", value}}}});
  }
  // Whom a change told.
  std::vector<std::string> told() {
    simulation_.run_for(std::chrono::seconds(1));
    return std::exchange(told_, {});
  }

  runtime::Simulation simulation_{1};
  client::testing::FakeApi api_{simulation_, 1};
  net::InProcessTransport transport_{simulation_, api_.handler(), "test", {}, Logger()};
  client::Client client_{transport_};
  SeededRandom random_{1};
  runtime::TaskScope scope_{simulation_, Logger()};
  std::vector<std::string> told_;
  ObjectWatches watches_{client_, scope_, random_, [this](const std::string& uid) { told_.push_back(uid); },
                         Logger()};
};

TEST_F(Watches, AChangeReachesThePodsThatNameTheObject) {
  put("settings", "one");
  watches_.follow(pod_with_config("web", "settings"));
  watches_.follow(pod_with_config("api", "settings"));
  watches_.follow(pod_with_config("other", "later"));
  EXPECT_EQ(watches_.watch_count(), 2u);
  (void)told();
  put("settings", "two");
  EXPECT_EQ(told(), (std::vector<std::string>{"uid-api", "uid-web"}));
  put("later", "made");
  EXPECT_EQ(told(), std::vector<std::string>{"uid-other"});
  api_.erase("configmaps", "default/later");
  EXPECT_EQ(told(), std::vector<std::string>{"uid-other"});
}

TEST_F(Watches, NothingIsWatchedForPodsThatAreGone) {
  put("settings", "one");
  watches_.follow(pod_with_config("web", "settings"));
  watches_.follow(pod_with_config("api", "settings"));
  watches_.forget("uid-web");
  (void)told();
  put("settings", "two");
  EXPECT_EQ(told(), std::vector<std::string>{"uid-api"});
  watches_.follow(pod_with_config("api", "settings-v2"));
  EXPECT_EQ(watches_.watch_count(), 1u);
  (void)told();
  put("settings", "three");
  EXPECT_TRUE(told().empty());
  watches_.forget("uid-api");
  watches_.forget("uid-api");
  EXPECT_EQ(watches_.watch_count(), 0u);
}

}  // namespace
}  // namespace cloudless::kubelet

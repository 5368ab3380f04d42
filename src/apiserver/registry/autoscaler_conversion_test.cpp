#include "apiserver/registry/autoscaler_conversion.hpp"

#include <gtest/gtest.h>

#include "apiserver/json_fields.hpp"

namespace cloudless::apiserver {
namespace {

constexpr const char* kAutoscaler = R"({
  "metadata": {"name": "web", "annotations": {"team": "a"}},
  "spec": {
    "maxReplicas": 5,
    "metrics": [
      {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 50, "type": "Utilization"}}},
      {"type": "Resource", "resource": {"name": "memory", "target": {"averageValue": "1Gi", "type": "AverageValue"}}},
      {"type": "ContainerResource", "containerResource":
        {"name": "cpu", "container": "app", "target": {"averageUtilization": 60, "type": "Utilization"}}},
      {"type": "Pods", "pods": {"metric": {"name": "qps"}, "target": {"averageValue": "100", "type": "AverageValue"}}},
      {"type": "Object", "object": {"describedObject": {"kind": "Ingress", "name": "main"},
        "metric": {"name": "hits"}, "target": {"value": "2k", "type": "Value"}}},
      {"type": "External", "external": {"metric": {"name": "queue", "selector": {"matchLabels": {"q": "x"}}},
        "target": {"averageValue": "30", "type": "AverageValue"}}}
    ],
    "behavior": {"scaleDown": {"stabilizationWindowSeconds": 30}}
  },
  "status": {
    "currentMetrics": [
      {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 40}}},
      {"type": "Pods", "pods": {"metric": {"name": "qps"}, "current": {"averageValue": "90"}}}
    ],
    "conditions": [{"type": "AbleToScale", "status": "True"}]
  }
})";

json::object autoscaler() { return json::parse(kAutoscaler).as_object(); }

TEST(AutoscalerConversion, V1ShowsCpuAndKeepsTheRestInAnnotations) {
  json::object object = autoscaler();
  autoscaler_to_v1(object);
  EXPECT_EQ(object.at("spec"), json::parse(R"({"maxReplicas": 5, "targetCPUUtilizationPercentage": 50})"));
  EXPECT_EQ(object.at("status"), json::parse(R"({"currentCPUUtilizationPercentage": 40})"));
  const std::string_view metrics =
      text_at(object, {"metadata", "annotations", "autoscaling.alpha.kubernetes.io/metrics"});
  EXPECT_TRUE(
      metrics.starts_with(R"([{"type":"Resource","resource":{"name":"memory","targetAverageValue":"1Gi"}},)"))
      << metrics;
  EXPECT_EQ(text_at(object, {"metadata", "annotations", "autoscaling.alpha.kubernetes.io/behavior"}),
            R"({"scaleDown":{"stabilizationWindowSeconds":30}})");
}

TEST(AutoscalerConversion, NothingIsLostOnTheWayToV1AndBack) {
  json::object object = autoscaler();
  autoscaler_to_v1(object);
  autoscaler_to_v2(object);
  EXPECT_EQ(object, autoscaler());
}

TEST(AutoscalerConversion, AnAnnotationThatIsNoJsonIsDropped) {
  json::object object = json::parse(R"({"metadata": {"name": "web", "annotations":
    {"autoscaling.alpha.kubernetes.io/metrics": "[{"}}, "spec": {"targetCPUUtilizationPercentage": 70}})")
                            .as_object();
  autoscaler_to_v2(object);
  EXPECT_FALSE(object.at("metadata").as_object().contains("annotations"));
  EXPECT_EQ(array_at(object, {"spec", "metrics"}).size(), 1U);
}

}  // namespace
}  // namespace cloudless::apiserver

// HorizontalPodAutoscaler between autoscaling/v1 and autoscaling/v2. v1 knows one metric, the pods' cpu;
// upstream keeps the rest of v2 in annotations of the v1 object, in the words of v2beta1, so that nothing is
// lost on the way there and back (kubernetes/pkg/apis/autoscaling/v1/conversion.go).
#pragma once

#include <boost/json/fwd.hpp>

namespace cloudless::apiserver {

void autoscaler_to_v1(boost::json::object& object);
void autoscaler_to_v2(boost::json::object& object);

}  // namespace cloudless::apiserver

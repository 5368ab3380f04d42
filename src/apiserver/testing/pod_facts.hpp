// Pod specs whose members fit together: with them every field of a pod, and of what makes pods, is set by one
// of a few objects.
#pragma once

#include <boost/json.hpp>

namespace cloudless::apiserver::testing {

/// How many there are: usual (twice, as filled members turn), on the host's network, on Windows, with a host
/// name of its own.
inline constexpr int kPodVariants = 5;

/// A patch (kind_facts.hpp) onto a pod's spec that has every field set. `index` < kPodVariants.
boost::json::object pod_spec_variant(int index);

}  // namespace cloudless::apiserver::testing

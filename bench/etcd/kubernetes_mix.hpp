// KubernetesMix: what a small cluster asks of its store, as a list of steps made beforehand: half of them
// write a pod, a quarter renew a node's lease, a fifth record an event, the rest list the pods.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cloudless::bench {

struct MixStep {
  enum class Kind { kWrite, kList };
  Kind kind = Kind::kWrite;
  /// Of the object that is written; steps on one object go one after another, as a controller's do.
  size_t object = 0;
  std::string value;
};

struct KubernetesMix {
  std::vector<MixStep> steps;
  std::vector<std::string> keys;  // of the objects
};

KubernetesMix make_kubernetes_mix(int steps, uint64_t seed);

/// The range that steps of kind kList ask for, and watchers watch.
inline constexpr const char* kPodsFrom = "/registry/pods/";
inline constexpr const char* kPodsTo = "/registry/pods0";

}  // namespace cloudless::bench

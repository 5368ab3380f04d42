#include "kubernetes_mix.hpp"

#include <fmt/format.h>

#include <random>

#include "kubernetes_objects.hpp"

namespace cloudless::bench {
namespace {

constexpr int kPods = 500;
constexpr int kNodes = 50;

std::string pod_key(int number) { return fmt::format("/registry/pods/default/web-{:05}", number); }
std::string lease_key(int node) { return fmt::format("/registry/leases/kube-node-lease/node-{:03}", node); }
std::string event_key(int pod, int id) {
  return fmt::format("/registry/events/default/web-{:05}.{:016x}", pod, id);
}

}  // namespace

KubernetesMix make_kubernetes_mix(int steps, uint64_t seed) {
  KubernetesMix mix;
  for (int i = 0; i < kPods; ++i) mix.keys.push_back(pod_key(i));
  for (int i = 0; i < kNodes; ++i) mix.keys.push_back(lease_key(i));
  std::vector<int> versions(kPods + kNodes, 0);
  std::mt19937_64 random(seed);
  for (int i = 0; i < steps; ++i) {
    const uint64_t dice = random() % 100;
    const int number = static_cast<int>(random() % kPods);
    MixStep step;
    if (dice < 50) {
      step.object = static_cast<size_t>(number);
      step.value = pod_json(number, ++versions[step.object]);
    } else if (dice < 75) {
      const int node = number % kNodes;
      step.object = static_cast<size_t>(kPods + node);
      step.value = lease_json(node, ++versions[step.object]);
    } else if (dice < 95) {
      step.object = mix.keys.size();
      mix.keys.push_back(event_key(number, i));
      step.value = event_json(number, i);
    } else {
      step.kind = MixStep::Kind::kList;
    }
    mix.steps.push_back(std::move(step));
  }
  return mix;
}

}  // namespace cloudless::bench

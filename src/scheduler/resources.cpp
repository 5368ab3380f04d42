#include "scheduler/resources.hpp"

#include <algorithm>

#include "schema/quantity.hpp"

namespace cloudless::scheduler {

using api::core::v1::Container;

namespace {

constexpr int64_t kDefaultMilliCpu = 100;
constexpr int64_t kDefaultMemory = int64_t{200} * 1024 * 1024;

enum class Unset { kZero, kDefaults };

Amounts container_requests(const Container& container, Unset unset) {
  const Quantities& requests = container.resources.requests;
  Amounts amounts = amounts_of(requests);
  if (unset == Unset::kZero) return amounts;
  if (!requests.contains("cpu")) amounts.milli_cpu = kDefaultMilliCpu;
  if (!requests.contains("memory")) amounts.memory = kDefaultMemory;
  return amounts;
}

Amounts pod_requests(const Pod& pod, Unset unset) {
  Amounts running;
  for (const Container& container : pod.spec.containers) running += container_requests(container, unset);
  Amounts sidecars;
  Amounts peak;
  for (const Container& container : pod.spec.initContainers) {
    Amounts request = container_requests(container, unset);
    if (container.restartPolicy == "Always") {
      sidecars += request;
      request = sidecars;
    } else {
      request += sidecars;
    }
    peak.raise_to(request);
  }
  running += sidecars;
  running.raise_to(peak);
  if (pod.spec.resources) {
    const Quantities& whole = pod.spec.resources->requests;
    const Amounts given = amounts_of(whole);
    if (whole.contains("cpu")) running.milli_cpu = given.milli_cpu;
    if (whole.contains("memory")) running.memory = given.memory;
  }
  running += amounts_of(pod.spec.overhead);
  running.pods = 1;
  return running;
}

}  // namespace

Amounts& Amounts::operator+=(const Amounts& other) {
  milli_cpu += other.milli_cpu;
  memory += other.memory;
  ephemeral += other.ephemeral;
  pods += other.pods;
  for (const auto& [name, amount] : other.scalars) scalars[name] += amount;
  return *this;
}

Amounts& Amounts::operator-=(const Amounts& other) {
  milli_cpu -= other.milli_cpu;
  memory -= other.memory;
  ephemeral -= other.ephemeral;
  pods -= other.pods;
  for (const auto& [name, amount] : other.scalars) scalars[name] -= amount;
  return *this;
}

void Amounts::raise_to(const Amounts& other) {
  milli_cpu = std::max(milli_cpu, other.milli_cpu);
  memory = std::max(memory, other.memory);
  ephemeral = std::max(ephemeral, other.ephemeral);
  for (const auto& [name, amount] : other.scalars) scalars[name] = std::max(scalars[name], amount);
}

Amounts amounts_of(const Quantities& quantities) {
  Amounts amounts;
  for (const auto& [name, quantity] : quantities) {
    if (name == "cpu") {
      amounts.milli_cpu = quantity.milli_value();
    } else if (name == "memory") {
      amounts.memory = quantity.value();
    } else if (name == "ephemeral-storage") {
      amounts.ephemeral = quantity.value();
    } else if (name == "pods") {
      amounts.pods = quantity.value();
    } else {
      amounts.scalars[name] = quantity.value();
    }
  }
  return amounts;
}

Amounts requests_of(const Pod& pod) { return pod_requests(pod, Unset::kZero); }
Amounts nonzero_requests_of(const Pod& pod) { return pod_requests(pod, Unset::kDefaults); }

}  // namespace cloudless::scheduler

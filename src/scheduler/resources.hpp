// What pods ask for and nodes have, in numbers (upstream: component-helpers/resource,
// scheduler/framework/types.go).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "api/core_v1.hpp"

namespace cloudless::scheduler {

using api::core::v1::Pod;

struct Amounts {
  int64_t milli_cpu = 0;
  int64_t memory = 0;     // bytes
  int64_t ephemeral = 0;  // bytes
  int64_t pods = 0;
  std::map<std::string, int64_t, std::less<>> scalars;  // huge pages and extended resources

  Amounts& operator+=(const Amounts& other);
  Amounts& operator-=(const Amounts& other);
  /// The larger of each.
  void raise_to(const Amounts& other);
};

using Quantities = std::map<std::string, schema::Quantity>;
/// Of a node's allocatable or a container's requests.
Amounts amounts_of(const Quantities& quantities);

/// The pod's effective request: the larger of all its containers together and of each init container on its
/// way, with sidecars running beside what follows them; pod-level requests in their place; overhead on top;
/// one pod.
Amounts requests_of(const Pod& pod);
/// The same for scoring: a container that asks for nothing counts as 100 milli-CPU and 200 MB, so that pods
/// without requests spread too.
Amounts nonzero_requests_of(const Pod& pod);

}  // namespace cloudless::scheduler

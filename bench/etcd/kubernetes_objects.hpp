// Objects as a cluster stores them: a pod with its managed fields and status, a node's lease, an event. Each
// `version` of one differs from the one before as little as it does in life.
#pragma once

#include <cstdint>
#include <string>

namespace cloudless::bench {

std::string pod_json(int number, int version);
std::string lease_json(int node, int version);
std::string event_json(int pod, int id);
/// `bytes` of JSON with words that repeat and numbers that do not.
std::string json_filler(uint64_t seed, size_t bytes);

}  // namespace cloudless::bench

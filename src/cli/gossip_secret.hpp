// The key that the nodes' gossip is sealed with: a Secret of kube-system that nodes may read and nobody else
// needs.
#pragma once

#include <string>

#include "base/random.hpp"
#include "client/client.hpp"

namespace cloudless::cli {

inline constexpr std::string_view kGossipSecret = "cloudless-gossip";

std::string make_gossip_secret(Random& random);
/// Makes the Secret with this content, and the Role that lets nodes read it, where they are missing. A Secret
/// that is there stays.
runtime::Task<Result<>> ensure_gossip_secret(const client::Client& client, std::string content);
/// 32 bytes. kNotFound where the cluster has none.
runtime::Task<Result<std::string>> read_gossip_secret(const client::Client& client);

}  // namespace cloudless::cli

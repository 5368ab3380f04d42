// ClusterFacts: what a node must know of its cluster before it can wire a pod: the networks, the DNS domain
// and the gossip's key. They are kept in a file, so that a node that starts while no API server answers has
// its network, addresses and names at once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/kubeadm_v1beta4.hpp"
#include "client/client.hpp"
#include "net/address.hpp"

namespace cloudless::cli {

struct ClusterFacts {
  std::vector<net::Prefix> pod_cidrs;
  std::vector<net::Prefix> service_cidrs;
  std::string domain;
  std::string gossip_secret;

  friend bool operator==(const ClusterFacts&, const ClusterFacts&) = default;
};

/// "10.244.0.0/16,fd00::/48" as kubeadm's documents have it.
Result<std::vector<net::Prefix>> parse_subnets(const std::string& list);
std::string subnets_text(const std::vector<net::Prefix>& prefixes);

/// As JSON; holds a secret.
std::string encode_facts(const ClusterFacts& facts);
Result<ClusterFacts> decode_facts(std::string_view text);

/// Nothing where there is no such file, or none that can be read: then the API is asked. Blocking.
std::optional<ClusterFacts> load_facts(const std::string& path);
/// Mode 0600. Blocking.
Result<> store_facts(const std::string& path, const ClusterFacts& facts);

/// kube-system/kubeadm-config's, with defaults. kDataLoss where it holds none.
runtime::Task<Result<api::kubeadm::v1beta4::ClusterConfiguration>> fetch_cluster_configuration(
    const client::Client& client);
/// From kube-system/kubeadm-config and the gossip's Secret.
runtime::Task<Result<ClusterFacts>> fetch_facts(const client::Client& client);

}  // namespace cloudless::cli

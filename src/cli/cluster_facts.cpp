#include "cli/cluster_facts.hpp"

#include <boost/json.hpp>

#include "api/core_v1.hpp"
#include "base/encoding.hpp"
#include "base/files.hpp"
#include "base/strings.hpp"
#include "bootstrap/documents.hpp"
#include "cli/gossip_secret.hpp"

namespace cloudless::cli {

namespace json = boost::json;
using api::core::v1::ConfigMap;
using runtime::Task;

namespace {

constexpr const char* kConfigMap = "kubeadm-config";
constexpr mode_t kSecretMode = 0600;

Result<std::string> text_at(const json::value& object, std::string_view name) {
  const json::value* value = object.is_object() ? object.as_object().if_contains(name) : nullptr;
  if (!value || !value->is_string()) return fail(Code::kDataLoss, "the cluster's facts have no {}", name);
  return std::string(value->as_string());
}

}  // namespace

Result<std::vector<net::Prefix>> parse_subnets(const std::string& list) {
  std::vector<net::Prefix> prefixes;
  for (const std::string_view text : split(list, ','))
    prefixes.push_back(TRY(net::Prefix::parse(trim(text))).masked());
  return prefixes;
}

std::string subnets_text(const std::vector<net::Prefix>& prefixes) {
  std::vector<std::string> texts;
  for (const net::Prefix& prefix : prefixes) texts.push_back(prefix.to_string());
  return join(texts, ",");
}

std::string encode_facts(const ClusterFacts& facts) {
  return json::serialize(json::object{{"podSubnet", subnets_text(facts.pod_cidrs)},
                                      {"serviceSubnet", subnets_text(facts.service_cidrs)},
                                      {"dnsDomain", facts.domain},
                                      {"gossipKey", base64_encode(facts.gossip_secret)}});
}

Result<ClusterFacts> decode_facts(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error) return fail(Code::kDataLoss, "the cluster's facts are no JSON: {}", error.message());
  ClusterFacts facts;
  facts.pod_cidrs = TRY(parse_subnets(TRY(text_at(value, "podSubnet"))));
  facts.service_cidrs = TRY(parse_subnets(TRY(text_at(value, "serviceSubnet"))));
  facts.domain = TRY(text_at(value, "dnsDomain"));
  const auto key = base64_decode(TRY(text_at(value, "gossipKey")));
  if (!key || key->empty()) return fail(Code::kDataLoss, "the cluster's facts have no gossipKey");
  facts.gossip_secret = *key;
  return facts;
}

std::optional<ClusterFacts> load_facts(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return std::nullopt;
  auto facts = decode_facts(*text);
  if (!facts) return std::nullopt;
  return std::move(*facts);
}

Result<> store_facts(const std::string& path, const ClusterFacts& facts) {
  return write_file(path, encode_facts(facts), kSecretMode);
}

Task<Result<api::kubeadm::v1beta4::ClusterConfiguration>> fetch_cluster_configuration(
    const client::Client& client) {
  const auto map = CO_TRY(co_await client.get<ConfigMap>("kube-system", kConfigMap));
  const auto text = map.data.find("ClusterConfiguration");
  if (text == map.data.end())
    co_return fail(Code::kDataLoss, "the ConfigMap kube-system/{} has no ClusterConfiguration", kConfigMap);
  auto documents = CO_TRY(bootstrap::read_documents(text->second, kConfigMap));
  if (!documents.cluster)
    co_return fail(Code::kDataLoss, "the ConfigMap kube-system/{} holds no ClusterConfiguration", kConfigMap);
  bootstrap::apply_defaults(*documents.cluster);
  co_return std::move(*documents.cluster);
}

Task<Result<ClusterFacts>> fetch_facts(const client::Client& client) {
  const auto cluster = CO_TRY(co_await fetch_cluster_configuration(client));
  const auto& networking = cluster.networking;
  ClusterFacts facts;
  facts.pod_cidrs = CO_TRY(parse_subnets(networking.podSubnet));
  facts.service_cidrs = CO_TRY(parse_subnets(networking.serviceSubnet));
  facts.domain = networking.dnsDomain;
  facts.gossip_secret = CO_TRY(co_await read_gossip_secret(client));
  co_return facts;
}

}  // namespace cloudless::cli

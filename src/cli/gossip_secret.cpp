#include "cli/gossip_secret.hpp"

#include "api/core_v1.hpp"
#include "api/rbac_v1.hpp"
#include "base/encoding.hpp"

namespace cloudless::cli {

using runtime::Task;

namespace {

constexpr std::string_view kNamespace = "kube-system";
constexpr std::string_view kKey = "key";
constexpr size_t kKeyBytes = 32;

template <class T>
Task<Result<>> create_if_missing(const client::Client& client, T object) {
  const auto created = co_await client.create(object);
  if (!created && created.error().code != Code::kAlreadyExists) co_return std::unexpected(created.error());
  co_return {};
}

template <class T>
T named() {
  T object;
  object.metadata.namespace_ = kNamespace;
  object.metadata.name = kGossipSecret;
  return object;
}

}  // namespace

std::string make_gossip_secret(Random& random) { return random.bytes(kKeyBytes); }

Task<Result<>> ensure_gossip_secret(const client::Client& client, std::string content) {
  auto secret = named<api::core::v1::Secret>();
  secret.type = "Opaque";
  secret.data[std::string(kKey)] = std::move(content);
  auto role = named<api::rbac::v1::Role>();
  api::rbac::v1::PolicyRule rule;
  rule.apiGroups = {""};
  rule.resources = {"secrets"};
  rule.resourceNames = {std::string(kGossipSecret)};
  rule.verbs = {"get"};
  role.rules = {rule};
  auto binding = named<api::rbac::v1::RoleBinding>();
  binding.roleRef.apiGroup = "rbac.authorization.k8s.io";
  binding.roleRef.kind = "Role";
  binding.roleRef.name = kGossipSecret;
  api::rbac::v1::Subject nodes;
  nodes.kind = "Group";
  nodes.apiGroup = "rbac.authorization.k8s.io";
  nodes.name = "system:nodes";
  binding.subjects = {nodes};
  CO_TRY(co_await create_if_missing(client, std::move(secret)));
  CO_TRY(co_await create_if_missing(client, std::move(role)));
  co_return co_await create_if_missing(client, std::move(binding));
}

Task<Result<std::string>> read_gossip_secret(const client::Client& client) {
  const auto secret =
      CO_TRY(co_await client.get<api::core::v1::Secret>(std::string(kNamespace), std::string(kGossipSecret)));
  const auto found = secret.data.find(std::string(kKey));
  if (found == secret.data.end() || found->second.empty()) {
    co_return fail(Code::kDataLoss, "the Secret {}/{} has no {}", kNamespace, kGossipSecret, kKey);
  }
  co_return found->second;
}

}  // namespace cloudless::cli

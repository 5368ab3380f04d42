#include "bootstrap/signer.hpp"

#include "bootstrap/cluster_info.hpp"

namespace cloudless::bootstrap {

using api::core::v1::ConfigMap;
using api::core::v1::Secret;

namespace {

constexpr const char* kComponent = "bootstrap-signer";

const std::string& info_key() {
  static const std::string key = client::object_key(kPublicNamespace, kClusterInfoName);
  return key;
}

// All changes lead to the one plan.
template <class T>
std::vector<std::string> keys_of(const T& object) {
  const bool is_token =
      object.metadata.namespace_ == kTokenNamespace && object.metadata.name.starts_with(kTokenSecretPrefix);
  const bool is_info =
      object.metadata.namespace_ == kPublicNamespace && object.metadata.name == kClusterInfoName;
  return is_token || is_info ? std::vector{info_key()} : std::vector<std::string>();
}

}  // namespace

client::Plan plan_signatures(const client::ObjectCache<Secret>& secrets,
                             const client::ObjectCache<ConfigMap>& config_maps, WallTime now) {
  client::Plan plan;
  std::vector<BootstrapTokenSpec> tokens;
  for (const auto& [key, secret] : secrets.all()) {
    if (secret->type != kTokenSecretType || secret->metadata.namespace_ != kTokenNamespace) continue;
    auto token = from_secret(*secret);
    if (!token) continue;
    if (token->expires && *token->expires <= now) {
      plan.actions.push_back(client::remove(*secret));
      continue;
    }
    if (token->expires) plan.look_again(*token->expires - now);
    tokens.push_back(std::move(*token));
  }
  const auto info = config_maps.get(info_key());
  if (!info) return plan;
  const ConfigMap wanted = sign_cluster_info(*info, tokens, now);
  if (wanted.data != info->data) plan.actions.push_back(client::update(wanted));
  return plan;
}

BootstrapSigner::BootstrapSigner(client::Informers& informers, runtime::Executor& executor, Random& random,
                                 Logger log)
    : scope_(executor, log),
      recorder_(informers.client(), scope_, random, kComponent, "", log),
      performer_(informers.client(), informers, recorder_, kComponent),
      reconciler_(
          {.name = kComponent, .workers = 1, .backoff = {}},
          client::asking_nothing([&informers](const std::string&, const client::PlanContext& context) {
            return plan_signatures(informers.of<Secret>().cache(), informers.of<ConfigMap>().cache(),
                                   context.now);
          }),
          performer_, executor, random, log) {
  const auto keys = [](const auto& before, const auto& now) { return keys_of(now ? *now : *before); };
  reconciler_.watch(informers.of<Secret>(), keys);
  reconciler_.watch(informers.of<ConfigMap>(), keys);
}

void BootstrapSigner::start() { scope_.spawn(reconciler_.run()); }

runtime::Task<void> BootstrapSigner::stop() {
  scope_.cancel();
  co_await scope_.join();
}

}  // namespace cloudless::bootstrap

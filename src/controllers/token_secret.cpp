#include "controllers/token_secret.hpp"

namespace cloudless::controllers {

using api::core::v1::Secret;
using api::core::v1::ServiceAccount;

namespace {

constexpr const char* kType = "kubernetes.io/service-account-token";
constexpr const char* kAccountName = "kubernetes.io/service-account.name";
constexpr const char* kAccountUid = "kubernetes.io/service-account.uid";
constexpr const char* kToken = "token";
constexpr const char* kRootCa = "ca.crt";
constexpr const char* kNamespace = "namespace";

std::string annotation(const Secret& secret, const char* name) {
  const auto found = secret.metadata.annotations.find(name);
  return found == secret.metadata.annotations.end() ? std::string() : found->second;
}

bool belongs_to(const Secret& secret, const ServiceAccount& account) {
  const std::string uid = annotation(secret, kAccountUid);
  return annotation(secret, kAccountName) == account.metadata.name &&
         (uid.empty() || uid == account.metadata.uid);
}

struct View {
  const client::ObjectCache<Secret>& secrets;
  const client::ObjectCache<ServiceAccount>& accounts;
};

// The account may be newer than what the informer has seen, so the API is asked before a Secret goes.
runtime::Task<Result<Plan>> plan(const client::Client& client, View view, const MintToken& mint,
                                 const std::string& root_ca, std::string key) {
  const auto secret = view.secrets.get(key);
  if (!secret || !is_token_secret(*secret)) co_return Plan();
  const std::string& ns = secret->metadata.namespace_;
  const std::string name = annotation(*secret, kAccountName);
  const auto seen = view.accounts.get(ns, name);
  if (seen && belongs_to(*secret, *seen)) co_return plan_token_secret(*secret, seen.get(), mint, root_ca);
  if (name.empty()) co_return plan_token_secret(*secret, nullptr, mint, root_ca);
  const Result<ServiceAccount> account = co_await client.get<ServiceAccount>(ns, name);
  if (!account && account.error().code != Code::kNotFound) co_return std::unexpected(account.error());
  co_return plan_token_secret(*secret, account ? &*account : nullptr, mint, root_ca);
}

// The token Secrets of an account that changed.
std::vector<std::string> secrets_of(const client::ObjectCache<Secret>& secrets,
                                    const ServiceAccount& account) {
  std::vector<std::string> keys;
  for (const auto& [key, secret] : secrets.all()) {
    if (is_token_secret(*secret) && secret->metadata.namespace_ == account.metadata.namespace_ &&
        annotation(*secret, kAccountName) == account.metadata.name)
      keys.push_back(key);
  }
  return keys;
}

}  // namespace

bool is_token_secret(const Secret& secret) {
  return secret.type == kType && !secret.metadata.deletionTimestamp;
}

Result<Plan> plan_token_secret(const Secret& secret, const ServiceAccount* account, const MintToken& mint,
                               const std::string& root_ca) {
  Plan plan;
  if (!account || !belongs_to(secret, *account)) {
    plan.actions.push_back(client::remove(secret));
    return plan;
  }
  Secret wanted = secret;
  wanted.metadata.annotations[kAccountName] = account->metadata.name;
  wanted.metadata.annotations[kAccountUid] = account->metadata.uid;
  if (!root_ca.empty()) wanted.data[kRootCa] = root_ca;
  if (wanted.data[kNamespace].empty()) wanted.data[kNamespace] = secret.metadata.namespace_;
  if (wanted.data[kToken].empty()) wanted.data[kToken] = TRY(mint(secret, *account));
  if (wanted != secret) plan.actions.push_back(client::update(wanted));
  return plan;
}

ControllerPtr make_token_secret_controller(const Deps& deps, MintToken mint, std::string root_ca) {
  auto& secrets = deps.informers.of<Secret>();
  auto& accounts = deps.informers.of<ServiceAccount>();
  const View view{secrets.cache(), accounts.cache()};
  auto controller = std::make_unique<Controller>(
      deps, Controller::Options{.name = "serviceaccount-token-controller"},
      [&client = deps.client, view, mint = std::move(mint), root_ca = std::move(root_ca)](
          std::string key, const PlanContext&) { return plan(client, view, mint, root_ca, std::move(key)); });
  controller->reconciler().watch(secrets);
  controller->reconciler().watch(accounts,
                                 [view](const auto& before, const auto& now) -> std::vector<std::string> {
                                   return secrets_of(view.secrets, now ? *now : *before);
                                 });
  return controller;
}

}  // namespace cloudless::controllers

#include "bootstrap/cluster_info.hpp"

#include <algorithm>

#include "base/strings.hpp"
#include "bootstrap/kubeconfig.hpp"
#include "client/kubeconfig.hpp"
#include "pki/certificate.hpp"
#include "pki/jws.hpp"

namespace cloudless::bootstrap {

using api::core::v1::ConfigMap;

namespace {

bool is_pinned(const std::string& ca, const std::vector<std::string>& pins) {
  const auto certificates = pki::Certificate::bundle_from_pem(ca);
  if (!certificates) return false;
  return std::ranges::any_of(*certificates, [&](const pki::Certificate& certificate) {
    return std::ranges::any_of(
        pins, [&](const std::string& pin) { return equal_ignoring_case(pin, certificate.public_key_pin()); });
  });
}

}  // namespace

ConfigMap make_cluster_info(const std::string& server, const std::string& ca) {
  ConfigMap info;
  info.metadata.name = kClusterInfoName;
  info.metadata.namespace_ = kPublicNamespace;
  info.data[std::string(kKubeconfigKey)] = render({.cluster = "", .server = server, .ca = ca, .user = ""});
  return info;
}

ConfigMap sign_cluster_info(ConfigMap info, const std::vector<BootstrapTokenSpec>& tokens, WallTime now) {
  std::erase_if(info.data, [](const auto& item) { return item.first.starts_with(kSignaturePrefix); });
  const auto kubeconfig = info.data.find(std::string(kKubeconfigKey));
  if (kubeconfig == info.data.end()) return info;
  const std::string payload = kubeconfig->second;
  for (const BootstrapTokenSpec& token : tokens) {
    if (!token.is_for("signing") || (token.expires && *token.expires <= now)) continue;
    info.data[fmt::format("{}{}", kSignaturePrefix, token.token.id)] =
        pki::sign_detached_hs256(token.token.id, token.token.secret, payload);
  }
  return info;
}

runtime::Task<Result<>> ensure_cluster_info(const client::Client& client, std::string server,
                                            std::string ca) {
  const ConfigMap wanted = make_cluster_info(server, ca);
  const auto created = co_await client.create(wanted);
  if (created) co_return Result<>();
  if (created.error().code != Code::kAlreadyExists) co_return wrap(created.error(), "create cluster-info");
  ConfigMap info =
      CO_TRY(co_await client.get<ConfigMap>(std::string(kPublicNamespace), std::string(kClusterInfoName)));
  const std::string key(kKubeconfigKey);
  if (info.data[key] == wanted.data.at(key)) co_return Result<>();
  info.data[key] = wanted.data.at(key);
  CO_TRY(co_await client.update(info));
  co_return Result<>();
}

Result<DiscoveredCluster> verify_cluster_info(const ConfigMap& info, const BootstrapTokenId& token,
                                              const std::vector<std::string>& pins) {
  const auto kubeconfig = info.data.find(std::string(kKubeconfigKey));
  if (kubeconfig == info.data.end())
    return fail(Code::kNotFound,
                "there is no {} key in the {} ConfigMap. This API Server isn't set up for token "
                "bootstrapping, can't connect",
                kKubeconfigKey, kClusterInfoName);
  const auto signature = info.data.find(fmt::format("{}{}", kSignaturePrefix, token.id));
  if (signature == info.data.end())
    return fail(Code::kUnauthenticated,
                "could not find a JWS signature in the {} ConfigMap for token ID {}: the token "
                "has expired or is of another cluster; make one with 'token create'",
                kClusterInfoName, quote(token.id));
  if (!pki::verify_detached_hs256(signature->second, token.id, token.secret, kubeconfig->second))
    return fail(Code::kUnauthenticated,
                "failed to verify JWS signature of received cluster info object, can't trust "
                "this API Server");
  const auto config = TRY(client::parse_kubeconfig(kubeconfig->second, ""));
  if (!pins.empty() && !is_pinned(config.ca, pins))
    return fail(Code::kUnauthenticated,
                "cluster CA found in {} ConfigMap is invalid: none of the public keys {} are "
                "pinned",
                kClusterInfoName, quote(TRY(pki::Certificate::from_pem(config.ca)).public_key_pin()));
  return DiscoveredCluster{config.server, config.ca};
}

}  // namespace cloudless::bootstrap

#include "cli/control_roles.hpp"

#include "apiserver/authn/service_account.hpp"
#include "bootstrap/signer.hpp"
#include "dns/cluster_service.hpp"
#include "lb/lb.hpp"

namespace cloudless::cli {

using runtime::Task;

struct ControlRoles::Parts {
  Parts(ControlRolesOptions options, const client::Client& client, client::Informers& informers,
        runtime::EventLoop& loop, Random& random, const Logger& log)
      : signs_cluster_info(options.signs_cluster_info),
        controllers(std::move(options.controllers), client, informers, loop, random,
                    log.named("controllers")),
        load_balancer({.node_name = options.node_name}, informers, loop, random, log.named("lb")),
        cluster_dns({.address = options.cluster_dns}, informers, loop, random, log.named("dns")),
        signer(informers, loop, random, log.named("bootstrap")) {}

  const bool signs_cluster_info;
  controllers::ControllerManager controllers;
  lb::LoadBalancerController load_balancer;
  dns::ClusterService cluster_dns;
  bootstrap::BootstrapSigner signer;
};

controllers::MintToken token_minter(pki::PrivateKey key) {
  return [key = std::move(key)](const auto& secret, const auto& account) {
    return apiserver::authn::legacy_token(key, secret.metadata.namespace_, secret.metadata.name,
                                          {account.metadata.name, account.metadata.uid});
  };
}

ControlRoles::ControlRoles(ControlRolesOptions options, const client::Client& client,
                           client::Informers& informers, runtime::EventLoop& loop, Random& random, Logger log)
    : parts_(std::make_unique<Parts>(std::move(options), client, informers, loop, random, log)) {}

ControlRoles::~ControlRoles() = default;

Task<Result<>> ControlRoles::start() {
  CO_TRY(co_await parts_->controllers.start());
  CO_TRY(co_await parts_->load_balancer.start());
  parts_->cluster_dns.start();
  if (parts_->signs_cluster_info) parts_->signer.start();
  co_return {};
}

Task<void> ControlRoles::stop() {
  co_await parts_->signer.stop();
  co_await parts_->cluster_dns.stop();
  co_await parts_->load_balancer.stop();
  co_await parts_->controllers.stop();
}

void ControlRoles::set_dead_nodes(const std::set<std::string>& nodes) {
  parts_->controllers.set_dead_nodes(nodes);
}

}  // namespace cloudless::cli

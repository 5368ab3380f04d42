// Dns: the DNS role of one node. It reads the cluster's objects, builds the zones (zone_plan.hpp,
// cluster_records.hpp) and serves them from memory. Every node that sees the same objects serves the same
// data; when the API is gone, the last state goes on being served (decision 8).
//
// What cannot be served is said in events on the object that asked for it, by the one node for which
// `Options::reports` is true, so that a cluster says it once.
#pragma once

#include <functional>
#include <memory>
#include <set>

#include "base/random.hpp"
#include "client/dynamic.hpp"
#include "client/event_recorder.hpp"
#include "client/informers.hpp"
#include "dns/cluster_records.hpp"
#include "dns/server.hpp"
#include "dns/zone_plan.hpp"
#include "gossip/membership.hpp"

namespace cloudless::dns {

struct Options {
  ServerOptions server;
  ForwarderOptions forwarder;  // no upstreams: names outside all zones are refused
  ClusterOptions cluster;
  std::function<bool()> reports = [] { return false; };
};

class Dns {
 public:
  /// All references outlive this. `membership` may be null.
  Dns(Options options, runtime::EventLoop& loop, client::Informers& informers, gossip::Membership* membership,
      Random& random, metrics::Registry& registry, Logger log);
  ~Dns();

  /// Binds, then serves what is known so far; zones appear as the informers sync. On the loop's thread.
  Result<> start();
  runtime::Task<void> stop();

  const Server& server() const { return server_; }

  /// Installs the CustomResourceDefinition of DNSEndpoint where the cluster has none.
  static runtime::Task<Result<>> install_crd(const client::Client& client);

 private:
  runtime::Task<void> rebuild_on_change();
  void rebuild();
  Wanted collect_wanted() const;
  void report(const SourcesUpdate& update, const PublicZones& zones);
  uint32_t newest_revision() const;

  const Options options_;
  gossip::Membership* membership_;
  Logger log_;
  runtime::TaskScope scope_;
  client::Informer<api::core::v1::ConfigMap> config_maps_;
  client::Informer<api::core::v1::Service>& services_;
  client::Informer<api::discovery::v1::EndpointSlice>& slices_;
  client::Informer<api::networking::v1::Ingress>& ingresses_;
  client::Informer<client::Dynamic>& dns_endpoints_;
  client::EventRecorder recorder_;
  std::unique_ptr<Forwarder> forwarder_;
  Server server_;
  runtime::Signal changed_;
  std::shared_ptr<void> membership_subscription_;
  ZoneSources sources_;
  std::set<std::string> reported_;
};

}  // namespace cloudless::dns

// Dns: the DNS role of one node. It reads the cluster's objects and serves the zones that they make from
// memory. Every node that sees the same objects serves the same data; when the API is gone, the last state
// goes on being served.
//
//     ConfigMaps --zone_plan--> fixed part ----------+
//     Services, Ingresses, DNSEndpoints --external_records--+-> MergedZones, for anybody
//     Services, EndpointSlices --cluster_records------------+-> MergedZones, the cluster's own
//
// An object that changes is noted by its key; what has been noted within kCoalesce is worked in at once.
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
#include "dns/external_records.hpp"
#include "dns/merged_zones.hpp"
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
  // Objects of one kind that changed, by key.
  using Keys = std::set<std::string>;

  void follow();
  void note_if_headless(const std::string& service_key);
  runtime::Task<void> work_in_changes();
  void work_in();
  void read_texts();
  void read_service(const std::string& key);
  void take(Wanted wanted, std::string_view resource_version);
  void publish();
  void report();

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

  bool texts_changed_ = false;
  Keys changed_services_;
  Keys changed_ingresses_;
  Keys changed_endpoints_;

  Name domain_;
  MergedZones own_;  // the cluster's
  MergedZones public_;
  ZoneSources sources_;
  std::vector<Origin> loaded_;  // ConfigMaps whose zones are new, not told yet
  std::vector<Problem> text_problems_;
  std::map<Origin, std::vector<Problem>, OriginOrder> object_problems_;
  std::set<std::string> reported_;
};

}  // namespace cloudless::dns

// ControlPlane: store, API server, controllers, scheduler and the load balancer's allocator in one process,
// wired together, with their certificates. `up` runs it beside a NodeAgent.
//
// The API server works on a thread of its own; the roles share the loop that they are given, and reach the
// server by a direct call.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"
#include "cli/api_host.hpp"
#include "client/informers.hpp"
#include "net/address.hpp"
#include "runtime/event_loop.hpp"

namespace cloudless::cli {

struct ControlPlaneOptions {
  std::string node_name;
  std::string data_dir;
  /// What other nodes reach the API server by; it listens on all addresses.
  net::IpAddress advertise_address;
  uint16_t secure_port = 6443;
  std::vector<std::string> extra_sans;
  std::vector<net::Prefix> pod_cidrs;
  std::vector<net::Prefix> service_cidrs;
  std::string cluster_domain = "cluster.local";
  net::IpAddress cluster_dns;
  /// An empty endpoint is SQLite below data_dir.
  DatastoreOptions datastore;
  AuditOptions audit;

  /// "https://host:port" as other nodes reach the API server.
  std::string server_url() const;
  std::string pki_dir() const { return data_dir + "/pki"; }
};

class ControlPlane {
 public:
  /// All references outlive this. `loop` runs the controllers and the scheduler.
  ControlPlane(ControlPlaneOptions options, runtime::EventLoop& loop, Random& random,
               metrics::Registry& registry, Logger log);
  ~ControlPlane();

  /// Opens the store and makes certificates and kubeconfigs. Blocking; before start().
  Result<> prepare();
  /// Returns when the API answers and the controllers work.
  runtime::Task<Result<>> start();
  runtime::Task<void> stop();

  /// This process's own way to the API; valid between start() and stop().
  client::Client& client();
  client::Informers& informers();
  /// The key of the nodes' gossip, made once and kept in the Secret kube-system/cloudless-gossip.
  runtime::Task<Result<std::string>> gossip_secret();
  /// The nodes that gossip calls dead, for the node lifecycle controller. On the loop's thread.
  void set_dead_nodes(const std::set<std::string>& nodes);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace cloudless::cli

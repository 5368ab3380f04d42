// ApiServer: the Kubernetes API over a store. A Handler for any carrier (net/server.hpp, net/in_process.hpp).
//
// A request's way:
//
//     handle -> authenticate -> impersonate -> authorize -> route -> verb | subresource | document -> render
//
// Construct, give it its pipeline (which may use objects()), start(), serve handler(), stop(). Thread-safe
// between start and stop: connections may be served by several event loops.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apiserver/pipeline.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"
#include "runtime/executor.hpp"
#include "store/store.hpp"

namespace cloudless::apiserver {

/// How many requests that read, and that write, are worked on at once (upstream's --max-requests-inflight and
/// --max-mutating-requests-inflight); 0: no limit.
struct InFlightLimits {
  int64_t reading = 400;
  int64_t mutating = 200;
};

struct ServerOptions {
  /// What every key in the store starts with, upstream's --etcd-prefix.
  std::string storage_root = "/registry";
  /// One range, or one of each family with a comma between.
  std::string service_cidr = "10.96.0.0/12";
  uint16_t first_node_port = 30000;
  uint16_t last_node_port = 32767;
  /// What the kubernetes Service in default points to: other nodes' way to this server. Empty: no endpoints
  /// are written.
  std::string advertise_address;
  uint16_t advertise_port = 6443;
  /// Whether other servers may use the same store: then each keeps its address there under a lease, and the
  /// kubernetes Service points to all whose lease is alive.
  enum class StoreUsers { kThisServer, kSeveralServers } store_users = StoreUsers::kThisServer;
  /// How long events are kept (upstream's --event-ttl).
  std::chrono::seconds event_ttl = std::chrono::hours(1);
  /// How long a request other than a watch or a connection may take to send its body (upstream's
  /// --request-timeout).
  Duration request_timeout = std::chrono::seconds(60);
  InFlightLimits in_flight;
  /// How often old revisions are forgotten (--etcd-compaction-interval); zero leaves it to others.
  Duration compaction_interval = std::chrono::minutes(5);
  /// What extension API servers read to know whom this one speaks for: the data of the ConfigMap
  /// kube-system/extension-apiserver-authentication. Empty: none is written.
  std::map<std::string, std::string> extension_authentication;
};

/// A part of the control plane as componentstatuses shows it, besides the store.
struct Component {
  std::string name;
  /// Where on this machine it answers /healthz over TLS; 0: it is a part of this process, which lives.
  uint16_t health_port = 0;
};

/// What stands between a request and the registry. Empty parts let everything pass (tests); without
/// authenticators everybody is system:anonymous.
struct Pipeline {
  std::vector<std::shared_ptr<Authenticator>> authenticators;
  std::shared_ptr<Impersonator> impersonator;
  /// Empty: everything is allowed.
  std::vector<std::shared_ptr<Authorizer>> authorizers;
  std::vector<std::shared_ptr<AdmissionPlugin>> admission;
  /// By "<group>/<resource>", as "authentication.k8s.io/tokenreviews" or "/serviceaccounts/token".
  std::map<std::string, std::shared_ptr<VirtualResource>> virtual_resources;
  /// Documents at fixed paths: "/openid/v1/jwks". Authorized as non-resource paths.
  std::map<std::string, net::Handler> paths;
  std::shared_ptr<Auditor> auditor;
  std::shared_ptr<NodeConnector> nodes;
  std::vector<Component> components;
};

class ApiServer {
 public:
  /// All references outlive the server. `transformer` may be null: values are stored as they are. `executor`
  /// runs the server's own tasks.
  ApiServer(ServerOptions options, store::Store& store, runtime::Executor& executor,
            ValueTransformer* transformer, const Clock& clock, Random& random, metrics::Registry& metrics,
            Logger log);
  ~ApiServer();

  /// The objects from the inside; usable after start().
  Objects& objects();
  /// Before start().
  void set_pipeline(Pipeline pipeline);

  /// Loads the watch caches, serves the custom resources that are defined, and creates what must always be
  /// there: the system namespaces, the kubernetes Service.
  runtime::Task<Result<>> start();
  runtime::Task<void> stop();

  /// Serves requests between start() and stop(). The server outlives the handler's last call.
  net::Handler handler();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cloudless::apiserver

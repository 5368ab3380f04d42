#include "etcd/server.hpp"

#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <fstream>
#include <sstream>

#include "etcd/kv_service.hpp"
#include "etcd/lease_service.hpp"
#include "etcd/maintenance_service.hpp"
#include "etcd/watch_service.hpp"
#include "runtime/event_loop.hpp"

namespace cloudless::etcd {

namespace {

// How long calls under way may take once the server stops; streams end then.
constexpr std::chrono::milliseconds kDrain{500};

Result<std::string> read_pem(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Code::kNotFound, "{} cannot be read", path);
  std::stringstream content;
  content << file.rdbuf();
  return std::move(content).str();
}

Result<std::shared_ptr<grpc::ServerCredentials>> credentials(const TlsFiles& tls) {
  if (tls.certificate.empty() && tls.key.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({TRY(read_pem(tls.key)), TRY(read_pem(tls.certificate))});
  if (!tls.client_ca.empty()) {
    options.pem_root_certs = TRY(read_pem(tls.client_ca));
    options.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  return grpc::SslServerCredentials(options);
}

}  // namespace

struct Server::State {
  State(ServerOptions wanted, store::Store& store, runtime::EventLoop& home, metrics::Registry& registry,
        Logger logger)
      : options(std::move(wanted)),
        loop(home),
        log(logger),
        scope(home, logger),
        backend{.store = store,
                .scope = scope,
                .handled = registry.counter("grpc_server_handled_total", "Calls answered, by their outcome.",
                                            {"grpc_type", "grpc_service", "grpc_method", "grpc_code"})},
        kv(backend),
        watch(backend, options.progress_interval),
        lease(backend),
        maintenance(backend, options),
        cluster(backend, options) {}

  const ServerOptions options;
  runtime::EventLoop& loop;
  Logger log;
  runtime::TaskScope scope;
  Backend backend;
  KvService kv;
  WatchService watch;
  LeaseService lease;
  MaintenanceService maintenance;
  ClusterService cluster;
  std::vector<int> ports;
  std::unique_ptr<grpc::Server> server;
};

Server::Server(ServerOptions options, store::Store& store, runtime::EventLoop& loop,
               metrics::Registry& registry, Logger log)
    : state_(std::make_unique<State>(std::move(options), store, loop, registry, std::move(log))) {}

Server::~Server() { stop(); }

Result<> Server::start() {
  const store::Status status = TRY(runtime::run_blocking(state_->loop, state_->backend.store.status()));
  state_->backend.identity = {status.cluster_id, status.member_id};
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  const auto creds = TRY(credentials(state_->options.tls));
  state_->ports.resize(state_->options.listen.size());
  for (size_t i = 0; i < state_->options.listen.size(); ++i) {
    builder.AddListeningPort(state_->options.listen[i], creds, &state_->ports[i]);
  }
  // Without this two servers share a port, and clients meet one or the other.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // etcd's --grpc-keepalive-min-time, -interval and -timeout: kube-apiserver pings every 30 seconds, which
  // gRPC would take for abuse by its own default.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 2 * 3600 * 1000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder.SetMaxSendMessageSize(-1);
  builder.RegisterService(&state_->kv);
  builder.RegisterService(&state_->watch);
  builder.RegisterService(&state_->lease);
  builder.RegisterService(&state_->maintenance);
  builder.RegisterService(&state_->cluster);
  state_->server = builder.BuildAndStart();
  if (!state_->server) {
    return fail(Code::kUnavailable, "cannot listen on {}: the address is taken or not this machine's",
                fmt::join(state_->options.listen, ", "));
  }
  return {};
}

std::vector<int> Server::ports() const { return state_->ports; }

void Server::stop() {
  if (!state_->server) return;
  state_->server->Shutdown(std::chrono::system_clock::now() + kDrain);
  state_->scope.cancel();
  runtime::run_blocking(state_->loop, state_->scope.join());
  state_->server->Wait();
  state_->server.reset();
}

}  // namespace cloudless::etcd

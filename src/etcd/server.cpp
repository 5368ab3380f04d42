#include "etcd/server.hpp"

#include "etcd/auth_service.hpp"
#include "etcd/health_service.hpp"
#include "etcd/kv_service.hpp"
#include "etcd/lease_service.hpp"
#include "etcd/maintenance_service.hpp"
#include "etcd/status.hpp"
#include "etcd/watch_service.hpp"
#include "net/server.hpp"
#include "net/tcp.hpp"
#include "runtime/event_loop.hpp"
#include "store/errors.hpp"

namespace cloudless::etcd {

using runtime::Task;

namespace {

// How long calls under way may take once the server stops; streams end at once.
constexpr std::chrono::milliseconds kDrain{500};

Result<std::shared_ptr<net::TlsServerConfig>> tls_config(const TlsFiles& tls, const Logger& log) {
  if (tls.certificate.empty() && tls.key.empty()) return nullptr;
  net::TlsServerOptions options;
  options.identities.push_back({net::PemSource::file(tls.certificate), net::PemSource::file(tls.key)});
  if (!tls.client_ca.empty()) {
    options.client_ca = net::PemSource::file(tls.client_ca);
    options.client_certificates = net::ClientCertificates::kRequired;
  }
  return net::TlsServerConfig::make(std::move(options), log);
}

Result<net::SocketAddress> resolve(runtime::EventLoop& loop, const std::string& host_port) {
  if (const auto literal = net::SocketAddress::parse(host_port)) return *literal;
  const auto [host, port] = TRY(net::split_host_port(host_port));
  runtime::WorkerPool workers("resolve", 1, 1);
  net::Resolver resolver(workers);
  return net::SocketAddress{TRY(runtime::run_blocking(loop, resolver.resolve(host))).front(), port};
}

// What etcd answers over HTTP/1.1 on the same port.
Task<void> answer_http(Backend& backend, const std::string& version, net::Request request,
                       net::ResponseWriter& response) {
  int status = 404;
  std::string body = "404 page not found\n";
  if (request.path() == "/version") {
    status = 200;
    body = fmt::format(R"({{"etcdserver":"{}","etcdcluster":"{}.0"}})", version,
                       version.substr(0, version.rfind('.')));
  } else if (request.path() == "/health") {
    const auto health = co_await backend.store.status();
    const bool serving = health && health->health == store::Health::kServing;
    status = serving ? 200 : 503;
    body = serving ? R"({"health":"true","reason":""})" : R"({"health":"false","reason":"STORE"})";
  }
  static_cast<void>(co_await response.respond(status, {}, {share(std::move(body))}));
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
        service{.methods = {},
                .limits = {.request_bytes = kMaxRequestBytes},
                .status_of = to_status,
                .stopped = to_status(store::errors::stopped()),
                .scope = scope,
                .log = logger} {
    add_kv_methods(service.methods, backend);
    add_watch_methods(service.methods, backend, options.progress_interval);
    add_lease_methods(service.methods, backend);
    add_maintenance_methods(service.methods, backend, options);
    add_cluster_methods(service.methods, backend, options);
    add_auth_methods(service.methods, backend);
    add_health_methods(service.methods, backend);
  }

  Result<> listen(const std::string& address, std::shared_ptr<net::TlsServerConfig> tls) {
    constexpr std::string_view kUnix = "unix://";
    net::ServerOptions wanted;
    wanted.tls = std::move(tls);
    wanted.http2 = [this](std::unique_ptr<net::Stream> socket, std::string received) {
      return grpc::make_connection(service, std::move(socket), std::move(received));
    };
    if (address.starts_with(kUnix)) {
      wanted.unix_path = address.substr(kUnix.size());
    } else {
      wanted.address = TRY(resolve(loop, address));
    }
    auto handler = [this](net::Request request, net::ResponseWriter& response) {
      return answer_http(backend, options.version, std::move(request), response);
    };
    auto server =
        std::make_unique<net::Server>(std::vector{&loop}, std::move(wanted), std::move(handler), log);
    TRY(server->start());
    listeners.push_back(std::move(server));
    return {};
  }

  Task<void> stop() {
    scope.cancel();
    co_await scope.join();
    for (const auto& listener : listeners) co_await listener->stop(kDrain);
    // What came in between, and what the store has not answered yet.
    co_await scope.join();
    while (backend.calls > 0) static_cast<void>(co_await backend.calls_ended.wait());
  }

  const ServerOptions options;
  runtime::EventLoop& loop;
  Logger log;
  runtime::TaskScope scope;
  Backend backend;
  grpc::Service service;
  std::vector<std::unique_ptr<net::Server>> listeners;
};

Server::Server(ServerOptions options, store::Store& store, runtime::EventLoop& loop,
               metrics::Registry& registry, Logger log)
    : state_(std::make_unique<State>(std::move(options), store, loop, registry, std::move(log))) {}

Server::~Server() { stop(); }

Result<> Server::start() {
  const store::Status status = TRY(runtime::run_blocking(state_->loop, state_->backend.store.status()));
  state_->backend.identity = {status.cluster_id, status.member_id};
  const auto tls = TRY(tls_config(state_->options.tls, state_->log));
  for (const std::string& address : state_->options.listen) {
    if (const Result<> listening = state_->listen(address, tls); !listening) {
      return wrap(listening.error(), "cannot listen on {}", address);
    }
  }
  return {};
}

std::vector<int> Server::ports() const {
  std::vector<int> ports;
  for (const auto& listener : state_->listeners) ports.push_back(listener->port());
  return ports;
}

void Server::stop() {
  if (state_->listeners.empty()) return;
  runtime::run_blocking(state_->loop, state_->stop());
  state_->listeners.clear();
}

}  // namespace cloudless::etcd

#include "cli/store_server.hpp"

#include "net/http.hpp"
#include "runtime/timer.hpp"

namespace cloudless::cli {

using runtime::Task;

namespace {

constexpr Duration kMetricsDrain = std::chrono::seconds(1);

// "tcp://host:port", ":port" and "host:port" are the same to kine; gRPC wants the last.
std::string listen_address(std::string_view address) {
  for (const std::string_view scheme : {"tcp://", "http://", "https://"}) {
    if (address.starts_with(scheme)) address.remove_prefix(scheme.size());
  }
  return address.starts_with(':') ? "0.0.0.0" + std::string(address) : std::string(address);
}

// What a dashboard for etcd asks a server for (etcd's own names).
Task<void> refresh_gauges(metrics::Registry& registry, store::Store& store) {
  const auto set = [&registry](const char* name, const char* help, auto value) {
    registry.gauge(name, help).with().set(static_cast<double>(value));
  };
  const auto status = co_await store.status();
  set("etcd_server_has_leader", "Whether the store answers.", status.has_value());
  if (!status) co_return;
  set("etcd_mvcc_db_total_size_in_bytes", "Size of the database on disk, in bytes.", status->db_size_bytes);
  set("etcd_mvcc_db_total_size_in_use_in_bytes", "Part of the database that holds data, in bytes.",
      status->db_size_in_use_bytes);
  set("etcd_debugging_mvcc_keys_total", "Keys that exist.", status->keys);
  set("etcd_debugging_mvcc_current_revision", "The store's revision.", status->revision);
  set("etcd_debugging_mvcc_compact_revision", "The revision of the last compaction.",
      status->compact_revision);
  set("cloudless_store_healthy", "1 while reads and writes are served, else 0.",
      status->health == store::Health::kServing);
}

Task<void> answer_metrics(metrics::Registry& registry, store::Store& store, net::Request request,
                          net::ResponseWriter& response) {
  if (request.path() != "/metrics") {
    static_cast<void>(co_await response.respond(404, {}, {share("not found\n")}));
    co_return;
  }
  co_await refresh_gauges(registry, store);
  net::Headers headers;
  headers.add("content-type", "text/plain; version=0.0.4; charset=utf-8");
  static_cast<void>(co_await response.respond(200, std::move(headers), {share(registry.expose())}));
}

}  // namespace

StoreServer::StoreServer(StoreServerOptions options, runtime::EventLoop& loop, const Clock& clock,
                         Random& random, Logger log)
    : options_(std::move(options)),
      loop_(loop),
      clock_(clock),
      random_(random),
      log_(std::move(log)),
      scope_(loop, log_) {}

StoreServer::~StoreServer() { stop(); }

Result<> StoreServer::start() {
  store_ = TRY(open_datastore(options_.datastore, clock_, random_, log_));
  const std::string address = listen_address(options_.listen_address);
  const std::string scheme = options_.server_cert_file.empty() ? "http://" : "https://";
  etcd::ServerOptions server_options{
      .listen = {address},
      .tls = {options_.server_cert_file, options_.server_key_file, options_.server_ca_file},
      .advertise_urls = {address.starts_with("unix:") ? address : scheme + address},
      .version = options_.emulated_version,
      .progress_interval = options_.progress_interval};
  server_ = std::make_unique<etcd::Server>(std::move(server_options), *store_, loop_, registry_,
                                           log_.named("etcd"));
  TRY(server_->start());
  if (options_.metrics_bind_address != "0") TRY(serve_metrics());
  if (options_.compact_interval > Duration::zero()) scope_.spawn(compact_by_clock());
  log_.info("serving etcd's API", {{"address", address}});
  return {};
}

Result<> StoreServer::serve_metrics() {
  net::ServerOptions options;
  options.address = TRY(net::SocketAddress::parse(listen_address(options_.metrics_bind_address)));
  if (!options_.server_cert_file.empty() && !options_.metrics_ignore_tls) {
    net::TlsServerOptions tls;
    tls.identities.push_back(
        {net::PemSource::file(options_.server_cert_file), net::PemSource::file(options_.server_key_file)});
    options.tls = TRY(net::TlsServerConfig::make(std::move(tls), log_.named("metrics")));
  }
  auto handler = [this](net::Request request, net::ResponseWriter& response) {
    return answer_metrics(registry_, *store_, std::move(request), response);
  };
  metrics_server_ = std::make_unique<net::Server>(std::vector{&loop_}, std::move(options), std::move(handler),
                                                  log_.named("metrics"));
  const Result<> started = metrics_server_->start();
  if (started) return {};
  metrics_server_.reset();
  return wrap(started.error(), "--metrics-bind-address {}", options_.metrics_bind_address);
}

// kube-apiserver compacts by itself; other clients of kine rely on this.
Task<void> StoreServer::compact_by_clock() {
  while (co_await runtime::sleep_for(options_.compact_interval)) co_await compact_once();
}

Task<void> StoreServer::compact_once() {
  const auto status = co_await store_->status();
  if (!status) co_return;
  const store::Revision target = status->revision - options_.compact_min_retain;
  if (target <= status->compact_revision) co_return;
  const auto done = co_await store_->compact(target, false);
  // Somebody else may have compacted meanwhile.
  if (!done && done.error().code != Code::kCompacted) {
    log_.warn("compaction failed", {{"revision", target}, {"error", done.error()}});
  }
}

void StoreServer::stop() {
  scope_.cancel();
  runtime::run_blocking(loop_, scope_.join());
  if (metrics_server_) runtime::run_blocking(loop_, metrics_server_->stop(kMetricsDrain));
  metrics_server_.reset();
  server_.reset();
  store_.reset();
}

}  // namespace cloudless::cli

// StoreServer: a store opened from its endpoint URL, etcd's API in front of it, its metrics, and compaction
// by the clock: what `cloudless store` runs. The flags' names and defaults are kine's (pkg/app/app.go).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"
#include "cli/command.hpp"
#include "cli/datastore.hpp"
#include "etcd/server.hpp"
#include "net/server.hpp"
#include "runtime/event_loop.hpp"

namespace cloudless::cli {

struct StoreServerOptions {
  DatastoreOptions datastore;
  std::string listen_address = "0.0.0.0:2379";
  std::string server_cert_file;
  std::string server_key_file;
  std::string server_ca_file;
  /// "0" turns the metrics endpoint off.
  std::string metrics_bind_address = ":8080";
  bool metrics_ignore_tls = false;
  Duration progress_interval = std::chrono::seconds(5);
  std::string emulated_version = etcd::ServerOptions().version;
  /// 0 leaves compaction to the clients.
  Duration compact_interval = std::chrono::minutes(5);
  int64_t compact_min_retain = 1000;
};

/// `store export` and `store import`.
void add_store_archive_commands(CLI::App& store, Invocation& invocation);

class StoreServer {
 public:
  /// All references outlive this.
  StoreServer(StoreServerOptions options, runtime::EventLoop& loop, const Clock& clock, Random& random,
              Logger log);
  ~StoreServer();

  /// Opens the store and listens. Not on the loop's thread.
  Result<> start();
  /// Ends calls under way, then makes the store durable and closes it. Not on the loop's thread.
  void stop();

 private:
  runtime::Task<void> compact_by_clock();
  runtime::Task<void> compact_once();
  Result<> serve_metrics();

  const StoreServerOptions options_;
  runtime::EventLoop& loop_;
  const Clock& clock_;
  Random& random_;
  const Logger log_;
  metrics::Registry registry_;
  runtime::TaskScope scope_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<etcd::Server> server_;
  std::unique_ptr<net::Server> metrics_server_;
};

}  // namespace cloudless::cli

// `cloudless store`: etcd's API on SQLite, PostgreSQL or a remote etcd, with kine's flags; and `export` and
// `import`, which move a store from one to another.
#include <CLI/CLI.hpp>

#include "cli/command.hpp"
#include "cli/signals.hpp"
#include "cli/store_server.hpp"

namespace cloudless::cli {

namespace {

struct StoreFlags {
  StoreServerOptions server;
  std::string log_format = "plain";
  bool debug = false;
  std::string progress_interval = "5s";
  std::string compact_interval = "5m";
  // Words of kine that have no meaning here: its polling and its driver's pool are not needed.
  std::string ignored;
  bool ignored_flag = false;
};

Logger make_logger(const StoreFlags& flags) {
  return Logger(make_stderr_sink(flags.debug ? LogLevel::kDebug : LogLevel::kInfo,
                                 flags.log_format == "json" ? LogFormat::kJson : LogFormat::kText));
}

Result<> serve(const StoreFlags& flags) {
  StoreServerOptions options = flags.server;
  options.progress_interval = TRY(parse_duration(flags.progress_interval));
  options.compact_interval = TRY(parse_duration(flags.compact_interval));
  const Logger log = make_logger(flags);
  const SystemClock clock;
  SystemRandom random;
  runtime::LoopThread thread("store");
  StoreServer server(std::move(options), thread.loop(), clock, random, log);
  TRY(server.start());
  const int number = TRY(runtime::run_blocking(thread.loop(), wait_for_termination(thread.loop())));
  log.info("stopping", {{"signal", number}});
  server.stop();
  return {};
}

void add_server_flags(CLI::App& command, StoreFlags& flags) {
  StoreServerOptions& options = flags.server;
  command.add_option("--listen-address", options.listen_address, "Where to serve etcd's API")
      ->capture_default_str();
  command.add_option("--server-cert-file", options.server_cert_file, "Certificate for etcd connections");
  command.add_option("--server-key-file", options.server_key_file, "Key file for etcd connections");
  command.add_option("--server-ca-file,--trusted-ca-file", options.server_ca_file,
                     "CA that clients' certificates must be of; without it they need none");
  command
      .add_option("--metrics-bind-address", options.metrics_bind_address,
                  "The address the metrics endpoint binds to; 0 disables it")
      ->capture_default_str();
  command.add_flag("--metrics-ignore-tls-config", options.metrics_ignore_tls, "Serve metrics without TLS");
  command
      .add_option("--watch-progress-notify-interval", flags.progress_interval,
                  "How often watches that ask for it are told of progress")
      ->capture_default_str();
  command
      .add_option("--emulated-etcd-version", options.emulated_version,
                  "The version that Status tells clients")
      ->capture_default_str();
  command
      .add_option("--compact-interval", flags.compact_interval,
                  "How often old revisions are compacted; 0 leaves it to clients")
      ->capture_default_str();
  command
      .add_option("--compact-min-retain", options.compact_min_retain,
                  "Revisions that --compact-interval leaves in place")
      ->capture_default_str();
  command.add_option("--log-format", flags.log_format, "plain or json")
      ->check(CLI::IsMember({"plain", "text", "json"}))
      ->capture_default_str();
  command.add_flag("--debug", flags.debug, "Log more");
  for (const char* name :
       {"--datastore-max-idle-connections", "--datastore-max-open-connections",
        "--datastore-connection-max-lifetime", "--slow-sql-threshold", "--slow-sql-warning-threshold",
        "--compact-interval-jitter", "--compact-timeout", "--compact-batch-size", "--poll-batch-size"}) {
    command.add_option(name, flags.ignored, "Taken for kine's sake; has no effect")->group("kine");
  }
  command.add_flag("--metrics-enable-profiling", flags.ignored_flag, "Taken for kine's sake; has no effect")
      ->group("kine");
}

}  // namespace

void add_store_commands(CLI::App& app, Invocation& invocation) {
  auto flags = std::make_shared<StoreFlags>();
  CLI::App* command = app.add_subcommand("store", "etcd's API on SQLite, PostgreSQL or a remote etcd");
  add_datastore_flags(*command, flags->server.datastore);
  add_server_flags(*command, *flags);
  add_store_archive_commands(*command, invocation);
  // Of the commands that a line names, the innermost has set what to run before its parent is asked.
  command->callback([flags, &invocation] {
    if (invocation.run) return;
    invocation.run = [flags] {
      const auto served = serve(*flags);
      return served ? kSuccess : report_failure(served.error());
    };
  });
}

}  // namespace cloudless::cli

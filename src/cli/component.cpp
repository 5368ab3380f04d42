#include "cli/component.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <optional>

#include "base/files.hpp"
#include "base/strings.hpp"
#include "cli/node_address.hpp"
#include "cli/signals.hpp"
#include "client/connection.hpp"
#include "net/server.hpp"
#include "net/tcp.hpp"
#include "pki/certificate.hpp"
#include "runtime/timer.hpp"
#include "runtime/worker_pool.hpp"

namespace cloudless::cli {

using runtime::Task;

namespace {

constexpr size_t kWorkers = 1;
constexpr size_t kWorkerQueue = 100;
constexpr Duration kDrain = std::chrono::seconds(1);
// How often the kubeconfig is looked at; it is renewed months before it expires.
constexpr Duration kKubeconfigCheck = std::chrono::minutes(10);
constexpr std::chrono::hours kSelfSignedLifetime{24 * 365};

Task<void> answer(metrics::Registry& registry, net::Request request, net::ResponseWriter& response) {
  const std::string_view path = request.path();
  net::Headers headers;
  headers.add("content-type", "text/plain; charset=utf-8");
  if (path == "/metrics") {
    static_cast<void>(co_await response.respond(200, std::move(headers), {share(registry.expose())}));
  } else if (path == "/healthz" || path == "/livez" || path == "/readyz") {
    static_cast<void>(co_await response.respond(200, std::move(headers), {share("ok")}));
  } else {
    static_cast<void>(co_await response.respond(404, std::move(headers), {share("404 page not found\n")}));
  }
}

Result<net::TlsIdentity> self_signed(const ComponentFlags& flags, WallTime now) {
  const auto key = TRY(pki::PrivateKey::generate(pki::KeyType::kEcdsaP256));
  const pki::CertificateSpec spec{
      .subject = {.common_name = flags.name, .organizations = {}},
      .alt_names = {.dns = {"localhost"}, .ips = {"127.0.0.1"}, .emails = {}, .uris = {}},
      .usages = {"digital signature", "server auth"},
      .not_before = now - pki::kBackdate,
      .not_after = now + kSelfSignedLifetime};
  const auto certificate = TRY(pki::self_sign(spec, key));
  return net::TlsIdentity{net::PemSource::inline_text(certificate.to_pem()),
                          net::PemSource::inline_text(key.to_pem())};
}

Result<client::LeaderElectionOptions> election_options(const ComponentFlags& flags, Random& random) {
  client::LeaderElectionOptions options;
  options.ns = flags.lease_namespace;
  options.lease_name = flags.lease_name.empty() ? flags.name : flags.lease_name;
  options.identity = detect_node_name() + "_" + random.uuid();
  options.lease_duration = flags.lease_duration;
  options.renew_deadline = flags.renew_deadline;
  options.retry_period = flags.retry_period;
  if (options.lease_duration <= options.renew_deadline || options.renew_deadline <= options.retry_period)
    return fail(
        Code::kInvalid,
        "--leader-elect-lease-duration must be greater than --leader-elect-renew-deadline, and that greater "
        "than --leader-elect-retry-period");
  return options;
}

class Component {
 public:
  Component(const ComponentFlags& flags, Logger log) : flags_(flags), log_(std::move(log)) {}

  Result<> run(const MakeRole& make_role) {
    Result<> outcome;
    runtime::TaskScope scope(loop_, log_);
    scope.spawn(main(outcome, make_role));
    loop_.run();
    return outcome;
  }

 private:
  Task<void> main(Result<>& outcome, const MakeRole& make_role) {
    outcome = co_await work(make_role);
    co_await stop();
    // After this task's frame is gone, so that its scope is idle when the loop has ended.
    loop_.post([this] { loop_.post([this] { loop_.stop(); }); });
  }

  Task<Result<>> work(const MakeRole& make_role) {
    CO_TRY(connect());
    CO_TRY(serve());
    role_ = make_role({*client_, *informers_, loop_, random_, registry_, log_});
    scope_.spawn(follow_kubeconfig());
    scope_.spawn(await_signal());
    if (flags_.leader_elect) {
      elector_.emplace(*client_, CO_TRY(election_options(flags_, random_)), random_, log_.named("election"));
      scope_.spawn(campaign());
    } else {
      CO_TRY(co_await role_->start());
    }
    auto ended = co_await ended_.wait();
    co_return ended ? std::move(*ended) : Result<>();
  }

  Result<> connect() {
    kubeconfig_ = TRY(read_file(flags_.kubeconfig));
    const auto config = TRY(client::load_kubeconfig(flags_.kubeconfig));
    connection_ = TRY(
        client::Connection::make(TRY(client::connection_options(config)), resolver_, log_.named("client")));
    client_ =
        std::make_unique<client::Client>(*connection_, client::Client::Options{.user_agent = flags_.name});
    informers_ = std::make_unique<client::Informers>(*client_, loop_, random_, log_.named("informers"));
    return {};
  }

  Result<> serve() {
    if (flags_.secure_port == 0) return {};
    net::TlsServerOptions tls;
    if (flags_.certificate.empty()) {
      tls.identities = {TRY(self_signed(flags_, loop_.clock().wall_now()))};
    } else {
      tls.identities = {{net::PemSource::file(flags_.certificate), net::PemSource::file(flags_.key)}};
    }
    net::ServerOptions options;
    options.address = {TRY(net::IpAddress::parse(flags_.bind_address)), flags_.secure_port};
    options.tls = TRY(net::TlsServerConfig::make(std::move(tls), log_));
    server_ = std::make_unique<net::Server>(
        std::vector{&loop_}, std::move(options),
        [this](net::Request request, net::ResponseWriter& response) {
          return answer(registry_, std::move(request), response);
        },
        log_.named("health"));
    return server_->start();
  }

  Task<void> campaign() {
    const Result<> ended = co_await elector_->run([this] { return lead(); });
    ended_.complete(ended);
  }

  Task<void> lead() {
    const Result<> started = co_await role_->start();
    if (!started) {
      ended_.complete(started);
      co_return;
    }
    // Until the lease is lost or the program ends.
    static_cast<void>(co_await never_.wait());
  }

  Task<void> await_signal() {
    const auto number = co_await wait_for_termination(loop_);
    if (!number) co_return;
    log_.info("stopping", {{"signal", *number}});
    ended_.complete(Result<>());
  }

  // A connection shows the certificate that lies in the file when it is made.
  Task<void> follow_kubeconfig() {
    while (co_await runtime::sleep_for(kKubeconfigCheck)) {
      auto text = co_await workers_.run([path = flags_.kubeconfig] { return read_file(path); });
      if (!text || *text == kubeconfig_) continue;
      const auto updated = reconnect();
      if (updated) kubeconfig_ = std::move(*text);
      log_.info("the kubeconfig has changed", {{"used", updated ? "yes" : updated.error().message}});
    }
  }

  Result<> reconnect() {
    const auto config = TRY(client::load_kubeconfig(flags_.kubeconfig));
    return connection_->update(TRY(client::connection_options(config)).tls);
  }

  // The role first, and only then the lease: nobody else may lead while this one works.
  Task<void> stop() {
    if (role_) co_await role_->stop();
    scope_.cancel();
    co_await scope_.join();
    if (server_) co_await server_->stop(kDrain);
    if (informers_) co_await informers_->stop();
    if (connection_) co_await connection_->stop();
  }

  const ComponentFlags flags_;
  Logger log_;
  SystemRandom random_;
  metrics::Registry registry_;
  runtime::EventLoop loop_;
  runtime::WorkerPool workers_{"resolver", kWorkers, kWorkerQueue};
  net::Resolver resolver_{workers_};
  std::string kubeconfig_;
  std::unique_ptr<client::Connection> connection_;
  std::unique_ptr<client::Client> client_;
  // Declared before the informers that call into it, so destroyed after them.
  std::unique_ptr<ComponentRole> role_;
  std::unique_ptr<client::Informers> informers_;
  std::unique_ptr<net::Server> server_;
  std::optional<client::LeaderElector> elector_;
  runtime::Completion<Result<>> ended_;
  runtime::Signal never_;
  runtime::TaskScope scope_{loop_, log_};
};

}  // namespace

void ComponentFlags::bind(FlagSet& set) {
  using Takes = FlagSet::Takes;
  set.text("kubeconfig", kubeconfig, "Who the component is, and where the API server");
  set.truth("leader-elect", leader_elect, "Work only while holding the lease");
  set.duration("leader-elect-lease-duration", lease_duration, "How long a lease is good for others");
  set.duration("leader-elect-renew-deadline", renew_deadline, "When a leader gives up renewing");
  set.duration("leader-elect-retry-period", retry_period, "How often leaders and candidates try");
  set.text("leader-elect-resource-namespace", lease_namespace, "The lease's namespace");
  set.text("leader-elect-resource-name", lease_name, "The lease's name (default: the component's)");
  set.text("bind-address", bind_address, "Where health and metrics are served");
  set.port("secure-port", secure_port, "Their port; 0: none");
  set.text("tls-cert-file", certificate, "Certificate to serve with (default: a self-signed one)");
  set.text("tls-private-key-file", key, "Its key");
  set.text("log-level", log.level, "What to log: debug, info, warn or error");
  set.text("logging-format", log.format, "text or json");
  set.text("log-format", log.format, "The same");
  set.number("v", verbosity, "4 and more: log more");
  set.without_effect(Takes::kValue, {"allow-metric-labels",
                                     "allow-metric-labels-manifest",
                                     "authentication-kubeconfig",
                                     "authentication-token-webhook-cache-ttl",
                                     "authorization-always-allow-paths",
                                     "authorization-kubeconfig",
                                     "authorization-webhook-cache-authorized-ttl",
                                     "authorization-webhook-cache-unauthorized-ttl",
                                     "cert-dir",
                                     "client-ca-file",
                                     "disabled-metrics",
                                     "emulated-version",
                                     "feature-gates",
                                     "http2-max-streams-per-connection",
                                     "kube-api-burst",
                                     "kube-api-content-type",
                                     "kube-api-qps",
                                     "leader-elect-resource-lock",
                                     "log-flush-frequency",
                                     "log-json-info-buffer-size",
                                     "log-text-info-buffer-size",
                                     "requestheader-allowed-names",
                                     "requestheader-client-ca-file",
                                     "requestheader-extra-headers-prefix",
                                     "requestheader-group-headers",
                                     "requestheader-uid-headers",
                                     "requestheader-username-headers",
                                     "show-hidden-metrics-for-version",
                                     "tls-cipher-suites",
                                     "tls-min-version",
                                     "tls-sni-cert-key",
                                     "vmodule"});
  set.without_effect(
      Takes::kTruth,
      {"authentication-skip-lookup", "authentication-tolerate-lookup-failure", "contention-profiling",
       "disable-http2-serving", "emulation-forward-compatible", "log-json-split-stream",
       "log-text-split-stream", "permit-address-sharing", "permit-port-sharing", "profiling"});
  set.refused({"master"}, "it is upstream's old way to name the API server; use --kubeconfig");
}

Logger ComponentFlags::make_logger(const FlagSet& set) const {
  LogOptions options = log;
  if (verbosity >= 4 && !set.given("log-level")) options.level = "debug";
  return options.make_logger();
}

void add_flag_set_command(CLI::App& app, Invocation& invocation, const std::string& name,
                          const std::string& description,
                          int (*run)(const std::vector<std::string>& arguments)) {
  CLI::App* command = app.add_subcommand(name, description);
  command->set_help_flag();
  command->prefix_command();
  command->callback([command, run, &invocation] {
    invocation.run = [run, arguments = command->remaining()] { return run(arguments); };
  });
}

std::optional<int> parse_command_line(const std::string& command, FlagSet& set,
                                      const std::vector<std::string>& arguments) {
  if (std::ranges::any_of(arguments, [](const auto& word) { return word == "--help" || word == "-h"; })) {
    fmt::print("Usage:\n  cloudless {} [flags]\n\nFlags:\n{}", command, set.help());
    return kSuccess;
  }
  const Result<> parsed = set.parse(arguments);
  if (parsed) return std::nullopt;
  static_cast<void>(report_failure(parsed.error()));
  return kUsage;
}

void notice_ineffective(const std::vector<std::string>& names, const Logger& log) {
  if (names.empty()) return;
  log.warn("flags that have no effect here", {{"flags", "--" + join(names, ", --")}});
}

int run_component(const ComponentFlags& flags, const Logger& log, const MakeRole& make_role) {
  if (flags.kubeconfig.empty())
    return report_failure(
        {Code::kInvalid, "--kubeconfig is needed: who the component is, and where the API server"});
  const Result<> ended = Component(flags, log).run(make_role);
  return ended ? kSuccess : report_failure(ended.error());
}

}  // namespace cloudless::cli

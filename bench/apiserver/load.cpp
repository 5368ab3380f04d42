#include "load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "client/connection.hpp"
#include "net/tcp.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/scope.hpp"
#include "runtime/timer.hpp"
#include "runtime/worker_pool.hpp"

namespace cloudless::bench {

using runtime::Task;
using Steady = std::chrono::steady_clock;

namespace {

constexpr size_t kMaxAnswerBytes = size_t{512} << 20;
// How long stragglers have after the last write.
constexpr std::chrono::seconds kWatchLimit{30};

[[noreturn]] void give_up(const std::string& what) {
  fmt::print(stderr, "bench: {}\n", what);
  std::exit(1);
}

double milliseconds(Steady::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

double percentile(std::vector<double>& sorted, double part) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1, static_cast<size_t>(part * static_cast<double>(sorted.size())))];
}

// A pod as a Deployment makes it, near 2 KB. Nobody schedules it.
std::string pod(int number) {
  return fmt::format(
      R"({{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"web-7d4b9c6f5d-{0:06}","labels":{{"app":"web","tier":"front","pod-template-hash":"7d4b9c6f5d"}},"annotations":{{"prometheus.io/scrape":"true","prometheus.io/port":"9090","checksum/config":"8d2f7a1c5e9b3d6f8a0c2e4b6d8f0a1c3e5b7d9f1a3c5e7b9d1f3a5c7e9b1d3f"}}}},"spec":{{"schedulerName":"none","containers":[{{"name":"app","image":"registry.example/team/web:1.2.3","ports":[{{"containerPort":8080,"name":"http"}},{{"containerPort":9090,"name":"metrics"}}],"env":[{{"name":"POD_NAME","valueFrom":{{"fieldRef":{{"fieldPath":"metadata.name"}}}}}},{{"name":"LOG_LEVEL","value":"info"}},{{"name":"DATABASE","valueFrom":{{"secretKeyRef":{{"name":"db","key":"url"}}}}}}],"resources":{{"requests":{{"cpu":"100m","memory":"128Mi"}},"limits":{{"memory":"256Mi"}}}},"livenessProbe":{{"httpGet":{{"path":"/healthz","port":"http"}}}},"readinessProbe":{{"httpGet":{{"path":"/readyz","port":"http"}}}},"volumeMounts":[{{"name":"config","mountPath":"/etc/web"}}]}}],"volumes":[{{"name":"config","configMap":{{"name":"web"}}}}]}}}})",
      number);
}

struct Answer {
  int status = 0;
  size_t bytes = 0;
};

Task<Answer> call(net::Transport& transport, std::string method, std::string target, std::string body,
                  std::string accept) {
  net::Request request{.method = std::move(method), .target = std::move(target)};
  request.headers.add("accept", std::move(accept));
  if (!body.empty()) {
    request.headers.add("content-type", "application/json");
    request.body = net::make_body(std::move(body));
  }
  Result<net::Response> response = co_await transport.send(std::move(request));
  if (!response) co_return Answer{};
  const Result<std::string> whole = co_await net::read_all(*response->body, kMaxAnswerBytes);
  co_return Answer{whole ? response->status : 0, whole ? whole->size() : 0};
}

// One run's latencies, on the loop's thread.
struct Run {
  int next = 0;
  int end = 0;
  size_t bytes = 0;
  LoadResult result;
  std::vector<double> latencies;

  LoadResult finish(Steady::duration took) {
    const double seconds = std::chrono::duration<double>(took).count();
    std::ranges::sort(latencies);
    result.per_second = static_cast<double>(latencies.size()) / seconds;
    result.bytes_per_second = static_cast<double>(bytes) / seconds;
    result.p50_ms = percentile(latencies, 0.5);
    result.p99_ms = percentile(latencies, 0.99);
    return result;
  }
};

Task<void> create_until_end(net::Transport& transport, const std::string& ns, Run& run) {
  const std::string target = "/api/v1/namespaces/" + ns + "/pods";
  while (run.next < run.end) {
    const int number = run.next++;
    const auto begin = Steady::now();
    const Answer answer = co_await call(transport, "POST", target, pod(number), "application/json");
    run.latencies.push_back(milliseconds(Steady::now() - begin));
    if (answer.status != 201) ++run.result.failed;
  }
}

// The time of each write by its number, and how late each watcher saw it.
struct WatchRun {
  std::vector<Steady::time_point> written;
  std::vector<double> late_ms;
  int watching = 0;
  int complete = 0;
  Steady::time_point last;
};

// Events are lines; one that was written by this run names its number as "n":"17".
void note(WatchRun& run, std::string_view line, int& seen) {
  constexpr std::string_view kMark = R"("n":")";
  const size_t at = line.find(kMark);
  if (at == std::string_view::npos) return;
  const int number = std::atoi(line.data() + at + kMark.size());
  run.last = Steady::now();
  run.late_ms.push_back(milliseconds(run.last - run.written[static_cast<size_t>(number)]));
  ++seen;
}

Task<void> watch_all(net::Transport& transport, std::string target, size_t writes, WatchRun& run) {
  net::Request request{.target = std::move(target)};
  request.headers.add("accept", "application/json");
  Result<net::Response> response = co_await transport.send(std::move(request));
  if (!response || response->status != 200) co_return;
  ++run.watching;
  std::string rest;
  int seen = 0;
  while (seen < static_cast<int>(writes)) {
    const auto piece = co_await response->body->next();
    if (!piece || !*piece) co_return;
    rest += ***piece;
    size_t begin = 0;
    for (size_t end; (end = rest.find('\n', begin)) != std::string::npos; begin = end + 1)
      note(run, std::string_view(rest).substr(begin, end - begin), seen);
    rest.erase(0, begin);
  }
  ++run.complete;
}

}  // namespace

struct ApiLoad::State {
  runtime::WorkerPool workers{"bench", 1, 100};
  net::Resolver resolver{workers};
  runtime::LoopThread thread{"bench"};
  std::unique_ptr<client::Connection> connection;

  Task<LoadResult> create(std::string ns, int clients, int first, int total) {
    Run run{.next = first, .end = first + total};
    const auto begin = Steady::now();
    runtime::TaskScope scope(thread.loop(), Logger());
    for (int i = 0; i < clients; ++i) scope.spawn(create_until_end(*connection, ns, run));
    co_await scope.join();
    co_return run.finish(Steady::now() - begin);
  }

  Task<LoadResult> list(std::string target, std::string accept, int repeats) {
    Run run;
    const auto begin = Steady::now();
    for (int i = 0; i < repeats; ++i) {
      const auto start = Steady::now();
      const Answer answer = co_await call(*connection, "GET", target, "", accept);
      run.latencies.push_back(milliseconds(Steady::now() - start));
      run.bytes += answer.bytes;
      if (answer.status != 200) ++run.result.failed;
    }
    co_return run.finish(Steady::now() - begin);
  }

  Task<WatchResult> watch(std::string collection, int watchers, int writes,
                          std::chrono::milliseconds interval) {
    WatchRun run;
    run.written.resize(static_cast<size_t>(writes));
    runtime::TaskScope scope(thread.loop(), Logger());
    for (int i = 0; i < watchers; ++i)
      scope.spawn(watch_all(*connection, collection + "?watch=true", static_cast<size_t>(writes), run));
    const auto open_limit = Steady::now() + kWatchLimit;
    while (run.watching < watchers && Steady::now() < open_limit)
      (void)co_await runtime::sleep_for(std::chrono::milliseconds(10));
    const auto begin = Steady::now();
    for (int i = 0; i < writes; ++i) {
      const std::string body = fmt::format(R"({{"metadata":{{"name":"busy"}},"data":{{"n":"{}"}}}})", i);
      run.written[static_cast<size_t>(i)] = Steady::now();
      const Answer answer = co_await call(*connection, "PUT", collection + "/busy", body, "application/json");
      if (answer.status != 200) give_up(fmt::format("a write was answered {}", answer.status));
      (void)co_await runtime::sleep_for(interval);
    }
    const auto end = Steady::now() + kWatchLimit;
    while (run.complete < watchers && Steady::now() < end)
      (void)co_await runtime::sleep_for(std::chrono::milliseconds(10));
    scope.cancel();
    co_await scope.join();
    const double seconds = std::chrono::duration<double>(run.last - begin).count();
    std::ranges::sort(run.late_ms);
    co_return WatchResult{.events_per_second = static_cast<double>(run.late_ms.size()) / seconds,
                          .p50_ms = percentile(run.late_ms, 0.5),
                          .p99_ms = percentile(run.late_ms, 0.99),
                          .incomplete = watchers - run.complete};
  }
};

ApiLoad::ApiLoad(const std::string& kubeconfig) : state_(std::make_unique<State>()) {
  auto config = client::load_kubeconfig(kubeconfig);
  if (!config) give_up(config.error().message);
  auto options = client::connection_options(*config);
  if (!options) give_up(options.error().message);
  auto connection = client::Connection::make(std::move(*options), state_->resolver, Logger());
  if (!connection) give_up(connection.error().message);
  state_->connection = std::move(*connection);
}

ApiLoad::~ApiLoad() { runtime::run_blocking(state_->thread.loop(), state_->connection->stop()); }

void ApiLoad::make_namespace(const std::string& name) {
  const auto post = [&](const std::string& target, const std::string& body) {
    const Answer answer = runtime::run_blocking(
        state_->thread.loop(), call(*state_->connection, "POST", target, body, "application/json"));
    if (answer.status != 201) give_up(fmt::format("POST {} was answered {}", target, answer.status));
  };
  post("/api/v1/namespaces", fmt::format(R"({{"metadata":{{"name":"{}"}}}})", name));
  post("/api/v1/namespaces/" + name + "/configmaps", R"({"metadata":{"name":"busy"}})");
}

LoadResult ApiLoad::create_pods(const std::string& ns, int clients, int first, int total) {
  return runtime::run_blocking(state_->thread.loop(), state_->create(ns, clients, first, total));
}

LoadResult ApiLoad::list_pods(const std::string& ns, const std::string& accept, int repeats) {
  const std::string target = ns.empty() ? "/api/v1/pods" : "/api/v1/namespaces/" + ns + "/pods";
  return runtime::run_blocking(state_->thread.loop(), state_->list(target, accept, repeats));
}

WatchResult ApiLoad::watch(const std::string& ns, int watchers, int writes,
                           std::chrono::milliseconds interval) {
  return runtime::run_blocking(
      state_->thread.loop(),
      state_->watch("/api/v1/namespaces/" + ns + "/configmaps", watchers, writes, interval));
}

}  // namespace cloudless::bench

// A real etcd and `cloudless store` beside each other on one disk, under the same load, in turns; prints a
// table with ratios. bench_etcd STORE_PROGRAM [DIRECTORY [puts] [mix] [compaction] [size] [postgres]]
//
//     BENCH_ROUNDS     how often everything but `size` is measured (5)
//     BENCH_REALTIME   set: at real-time priority, so that what else the machine does counts less
//     BENCH_POSTGRES   the database for `postgres`; without it that part is left out
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "load.hpp"
#include "report.hpp"
#include "support/process.hpp"

namespace {

using namespace cloudless::bench;
using cloudless::testing::free_port;
using cloudless::testing::Process;

constexpr int kMixClients = 16;
constexpr int kMixOperations = 10'000;
constexpr int kWatchers = 100;
constexpr int kPostgresSamples = 200;
// The compaction's load: each key is overwritten so often before.
constexpr int kCompactedKeys = 2'000;
constexpr int kOverwritten = 40;
constexpr int kCompactionClients = 8;
constexpr std::chrono::seconds kStartLimit{60};
// Longer than what relaxed writes may wait for their sync.
constexpr std::chrono::seconds kSettle{7};

// "write_bytes: 123" in /proc/PID/io, "VmRSS: 123 kB" in /proc/PID/status.
int64_t proc_number(pid_t pid, const char* file, const std::string& name) {
  std::ifstream in(fmt::format("/proc/{}/{}", pid, file));
  for (std::string word; in >> word;) {
    if (word != name + ":") continue;
    int64_t number = 0;
    in >> number;
    return number;
  }
  return 0;
}

double cpu_us(pid_t pid) {
  clockid_t clock{};
  timespec now{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &now) != 0) return 0;
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

using Argv =
    std::function<std::vector<std::string>(const std::string& endpoint, const std::string& directory)>;

class Server {
 public:
  Server(Argv argv, std::string directory) : argv_(std::move(argv)), directory_(std::move(directory)) {
    std::filesystem::create_directories(directory_);
    start();
  }
  ~Server() {
    process_.reset();
    std::filesystem::remove_all(directory_);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  const std::string& endpoint() const { return endpoint_; }
  int64_t written() const { return proc_number(process_->pid(), "io", "write_bytes"); }
  double cpu_us() const { return ::cpu_us(process_->pid()); }
  double resident_mib() const {
    return static_cast<double>(proc_number(process_->pid(), "status", "VmRSS")) / 1024;
  }
  /// Seconds from the start of the process to its first answer.
  double start() {
    endpoint_ = fmt::format("127.0.0.1:{}", free_port());
    process_ = std::make_unique<Process>(argv_(endpoint_, directory_), directory_ + ".log");
    const double seconds = seconds_until_ready(endpoint_, kStartLimit);
    if (seconds < 0) {
      fmt::print(stderr, "the server does not start:\n{}\n", process_->output());
      std::exit(1);
    }
    return seconds;
  }
  double restart() {
    process_.reset();
    return start();
  }

 private:
  const Argv argv_;
  const std::string directory_;
  std::string endpoint_;
  std::unique_ptr<Process> process_;
};

double per(int64_t bytes, int64_t operations) {
  return static_cast<double>(bytes) / static_cast<double>(std::max<int64_t>(1, operations));
}

// What is measured, and where.
struct Bench {
  Argv argv[2];
  std::string directory;
  int rounds = 5;
  Report report;

  std::unique_ptr<Server> start(Peer peer, const std::string& part) const {
    return std::make_unique<Server>(argv[peer], fmt::format("{}/{}-{}", directory, part, int{peer}));
  }
  void add(Peer peer, const std::string& row, double value) { report.add(peer, row, value); }
};

// The one who goes first has the quieter disk, so they take turns in that, too.
std::vector<Peer> turn(int round) {
  return round % 2 == 0 ? std::vector{kTheirs, kOurs} : std::vector{kOurs, kTheirs};
}

void warn_of_failures(const LoadResult& result, const char* what) {
  if (result.failed > 0) fmt::print(stderr, "{} {} failed\n", result.failed, what);
}

// For about a second each, so that journals that fill and databases that take them in are part of it.
int puts_for(int clients) { return clients == 1 ? 2'000 : clients == 8 ? 10'000 : 60'000; }

void measure_puts_once(Bench& bench, Peer peer, const Server& server, int clients, int round) {
  const int total = puts_for(clients);
  const int64_t before = server.written();
  const double cpu_before = server.cpu_us();
  const LoadResult result =
      put_load(server.endpoint(),
               {.clients = clients, .total = total, .prefix = fmt::format("/put/{}/{}/", clients, round)});
  warn_of_failures(result, "puts");
  const std::string suffix = fmt::format(", {} clients", clients);
  bench.add(peer, "puts/s" + suffix, result.per_second);
  bench.add(peer, "  p50 ms" + suffix, result.p50_ms);
  bench.add(peer, "  p99 ms" + suffix, result.p99_ms);
  bench.add(peer, "  server's CPU us a put" + suffix, (server.cpu_us() - cpu_before) / total);
  bench.add(peer, "  generator's CPU us a put" + suffix, result.own_cpu_us);
  bench.add(peer, "  bytes to disk a put" + suffix, per(server.written() - before, total));
}

void measure_puts(Bench& bench) {
  const std::unique_ptr<Server> servers[] = {bench.start(kTheirs, "puts"), bench.start(kOurs, "puts")};
  for (int round = 0; round < bench.rounds; ++round) {
    for (const int clients : {1, 8, 64, 256}) {
      for (const Peer peer : turn(round)) measure_puts_once(bench, peer, *servers[peer], clients, round);
    }
  }
}

void measure_mix_once(Bench& bench, Peer peer) {
  const auto server = bench.start(peer, "mix");
  const int64_t before = server->written();
  const MixResult mix = kubernetes_load(server->endpoint(), kMixClients, kMixOperations, kWatchers);
  warn_of_failures(mix.operations, "steps of the mix");
  std::this_thread::sleep_for(kSettle);
  bench.add(peer, "Kubernetes mix: operations/s", mix.operations.per_second);
  bench.add(peer, "  p50 ms", mix.operations.p50_ms);
  bench.add(peer, "  p99 ms", mix.operations.p99_ms);
  bench.add(peer, "  watch events/s", mix.events_per_second);
  bench.add(peer, "  bytes to disk a write", per(server->written() - before, mix.writes));
}

// Puts go on while what they superseded is thrown away: what a compaction costs those who write meanwhile.
void measure_compaction_once(Bench& bench, Peer peer) {
  const auto server = bench.start(peer, "compaction");
  PutLoad load{.clients = 64, .total = kCompactedKeys, .prefix = "/compacted/"};
  for (int i = 0; i < kOverwritten; ++i) {
    put_load(server->endpoint(), load);
    load.seed += kCompactedKeys;
  }
  load.clients = kCompactionClients;
  const LoadResult before = put_load(server->endpoint(), load);
  load.seed += kCompactedKeys;
  const LoadResult during = put_load_while_compacting(server->endpoint(), load);
  warn_of_failures(during, "puts");
  bench.add(peer, "puts before a compaction: p99 ms", before.p99_ms);
  bench.add(peer, "  longest ms, before", before.longest_ms);
  bench.add(peer, "puts during a compaction: p99 ms", during.p99_ms);
  bench.add(peer, "  longest ms, during", during.longest_ms);
  bench.add(peer, "  puts/s, during", during.per_second);
}

void measure_size(Bench& bench, Peer peer) {
  const auto server = bench.start(peer, "size");
  int filled = 0;
  for (const int keys : {10'000, 100'000}) {
    put_load(server->endpoint(),
             {.clients = 64, .total = keys - filled, .prefix = fmt::format("/fill/{}/", keys)});
    filled = keys;
    std::this_thread::sleep_for(kSettle);
    bench.add(peer, fmt::format("resident MiB, {} keys", keys), server->resident_mib());
  }
  for (int i = 0; i < bench.rounds; ++i) {
    bench.add(peer, "start-up s, 100000 keys", server->restart());
    bench.add(peer, "  resident MiB after it", server->resident_mib());
  }
}

void in_turns(Bench& bench, void (*measure)(Bench&, Peer)) {
  for (int round = 0; round < bench.rounds; ++round) {
    for (const Peer peer : turn(round)) measure(bench, peer);
  }
}

std::vector<std::string> etcd_argv(const std::string& endpoint, const std::string& directory) {
  const std::string url = "http://" + endpoint;
  const std::string peer = fmt::format("http://127.0.0.1:{}", free_port());
  return {"etcd",
          "--data-dir",
          directory + "/data",
          "--listen-client-urls",
          url,
          "--advertise-client-urls",
          url,
          "--listen-peer-urls",
          peer,
          "--initial-advertise-peer-urls",
          peer,
          "--initial-cluster",
          "default=" + peer,
          "--log-level",
          "error",
          "--logger",
          "zap",
          "--quota-backend-bytes",
          "8589934592"};
}

// Two stores on one database: how long a write on one takes to be an event on the other.
void measure_postgres(const Argv& argv, const std::string& directory) {
  const Server writer(argv, directory + "/pg-writer");
  const Server watcher(argv, directory + "/pg-watcher");
  const double median = write_to_event_ms(writer.endpoint(), watcher.endpoint(), kPostgresSamples);
  fmt::print("PostgreSQL: write on one server to event on another, median: {:.2f} ms\n", median);
}

void become_realtime() {
  const sched_param priority{.sched_priority = 1};
  if (::sched_setscheduler(0, SCHED_RR, &priority) != 0) fmt::print(stderr, "no real-time priority\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: bench_etcd STORE_PROGRAM [DIRECTORY [PART...]]\n");
    return 2;
  }
  if (std::getenv("BENCH_REALTIME")) become_realtime();
  const std::string program = argv[1];
  const auto store_on = [&program](std::string endpoint, const std::string& listen) {
    return std::vector<std::string>{
        program, "store",      "--listen-address", listen, "--metrics-bind-address",
        "0",     "--endpoint", std::move(endpoint)};
  };
  const auto store_argv = [&](const std::string& listen, const std::string& directory) {
    return store_on("sqlite://" + directory + "/state.db", listen);
  };
  Bench bench{.argv = {etcd_argv, store_argv}, .directory = {}, .report = {}};
  bench.directory = argc > 2 ? argv[2] : std::filesystem::temp_directory_path().string();
  bench.directory += fmt::format("/cloudless-bench-etcd-{}", getpid());
  if (const char* rounds = std::getenv("BENCH_ROUNDS")) bench.rounds = std::max(1, std::atoi(rounds));
  const std::vector<std::string_view> parts(argv + std::min(argc, 3), argv + argc);
  const auto wanted = [&](std::string_view part) {
    return parts.empty() || std::ranges::find(parts, part) != parts.end();
  };
  if (wanted("puts")) measure_puts(bench);
  if (wanted("mix")) in_turns(bench, measure_mix_once);
  if (wanted("compaction")) in_turns(bench, measure_compaction_once);
  if (wanted("size")) {
    for (const Peer peer : {kTheirs, kOurs}) measure_size(bench, peer);
  }
  bench.report.print();
  if (const char* postgres = std::getenv("BENCH_POSTGRES"); postgres && wanted("postgres")) {
    measure_postgres(
        [&](const std::string& listen, const std::string&) { return store_on(postgres, listen); },
        bench.directory);
  }
  std::filesystem::remove_all(bench.directory);
  return 0;
}

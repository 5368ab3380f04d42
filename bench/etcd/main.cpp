// A real etcd and `cloudless store` beside each other on one disk, under the same load, one at a time; prints
// a table with ratios. bench_etcd STORE_PROGRAM [DIRECTORY [puts] [mix] [compaction] [size] [postgres]]
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <thread>
#include <vector>

#include "load.hpp"
#include "support/process.hpp"

namespace {

using namespace cloudless::bench;
using cloudless::testing::free_port;
using cloudless::testing::Process;

constexpr size_t kValueBytes = 1024;
constexpr int kMixClients = 16;
constexpr int kMixOperations = 10'000;
constexpr int kWatchers = 100;
constexpr int kPostgresSamples = 200;
// The compaction's load: each key is overwritten so often before.
constexpr int kCompactedKeys = 2'000;
constexpr int kOverwritten = 20;
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

// User and system time of a process, in microseconds (fields 14 and 15 of /proc/PID/stat).
double cpu_us(pid_t pid) {
  std::ifstream in(fmt::format("/proc/{}/stat", pid));
  std::string word;
  for (int i = 0; i < 13; ++i) in >> word;
  double user = 0;
  double system = 0;
  in >> user >> system;
  return (user + system) * 1e6 / static_cast<double>(sysconf(_SC_CLK_TCK));
}

class Server {
 public:
  using Argv =
      std::function<std::vector<std::string>(const std::string& endpoint, const std::string& directory)>;
  Server(Argv argv, std::string directory) : argv_(std::move(argv)), directory_(std::move(directory)) {
    std::filesystem::create_directories(directory_);
    start();
  }

  const std::string& endpoint() const { return endpoint_; }
  int64_t written() const { return proc_number(process_->pid(), "io", "write_bytes"); }
  double cpu_us() const { return ::cpu_us(process_->pid()); }
  int64_t resident_kib() const { return proc_number(process_->pid(), "status", "VmRSS"); }
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

struct Row {
  std::string name;
  double value = 0;
};

double per(int64_t bytes, int64_t operations) {
  return static_cast<double>(bytes) / static_cast<double>(std::max<int64_t>(1, operations));
}

void measure_puts(const Server::Argv& argv, const std::string& directory, std::vector<Row>& rows) {
  Server server(argv, directory + "/puts");
  for (const int clients : {1, 8, 64, 256}) {
    const int total = clients == 1 ? 600 : clients == 8 ? 4'000 : 15'000;
    const int64_t before = server.written();
    const double cpu_before = server.cpu_us();
    const LoadResult result =
        put_load(server.endpoint(), clients, total, kValueBytes, fmt::format("/put/{}/", clients));
    if (result.failed > 0) fmt::print(stderr, "{} of {} puts failed\n", result.failed, total);
    rows.push_back({fmt::format("puts/s, {} clients", clients), result.per_second});
    rows.push_back({fmt::format("  p50 ms, {} clients", clients), result.p50_ms});
    rows.push_back({fmt::format("  p99 ms, {} clients", clients), result.p99_ms});
    rows.push_back({fmt::format("  server's CPU us a put, {} clients", clients),
                    (server.cpu_us() - cpu_before) / total});
    rows.push_back(
        {fmt::format("  bytes to disk a put, {} clients", clients), per(server.written() - before, total)});
  }
}

void measure_mix(const Server::Argv& argv, const std::string& directory, std::vector<Row>& rows) {
  Server server(argv, directory + "/mix");
  const int64_t before = server.written();
  const MixResult mix = kubernetes_load(server.endpoint(), kMixClients, kMixOperations, kWatchers);
  if (mix.operations.failed > 0) fmt::print(stderr, "{} steps of the mix failed\n", mix.operations.failed);
  std::this_thread::sleep_for(kSettle);
  rows.push_back({"Kubernetes mix: operations/s", mix.operations.per_second});
  rows.push_back({"  p50 ms", mix.operations.p50_ms});
  rows.push_back({"  p99 ms", mix.operations.p99_ms});
  rows.push_back({"  watch events/s", mix.events_per_second});
  rows.push_back({"  bytes to disk a write", per(server.written() - before, mix.writes)});
}

// Puts go on while what they superseded is thrown away: what a compaction costs those who write meanwhile.
void measure_compaction(const Server::Argv& argv, const std::string& directory, std::vector<Row>& rows) {
  Server server(argv, directory + "/compaction");
  const auto overwrite = [&](int clients) {
    return put_load(server.endpoint(), clients, kCompactedKeys, kValueBytes, "/compacted/");
  };
  for (int i = 0; i < kOverwritten; ++i) overwrite(64);
  std::atomic<bool> compacted{false};
  std::thread compaction([&] {
    if (!compact_all(server.endpoint())) fmt::print(stderr, "the compaction failed\n");
    compacted = true;
  });
  LoadResult worst;
  do {
    const LoadResult result = overwrite(8);
    worst.p99_ms = std::max(worst.p99_ms, result.p99_ms);
    worst.longest_ms = std::max(worst.longest_ms, result.longest_ms);
  } while (!compacted);
  compaction.join();
  rows.push_back({"puts while compacting, 8 clients: p99 ms", worst.p99_ms});
  rows.push_back({"  longest ms", worst.longest_ms});
}

void measure_size(const Server::Argv& argv, const std::string& directory, std::vector<Row>& rows) {
  Server server(argv, directory + "/size");
  int filled = 0;
  for (const int keys : {10'000, 100'000}) {
    put_load(server.endpoint(), 64, keys - filled, kValueBytes, fmt::format("/fill/{}/", keys));
    filled = keys;
    std::this_thread::sleep_for(kSettle);
    rows.push_back(
        {fmt::format("resident MiB, {} keys", keys), static_cast<double>(server.resident_kib()) / 1024});
  }
  rows.push_back({"start-up s, 100000 keys", server.restart()});
  rows.push_back({"  resident MiB after it", static_cast<double>(server.resident_kib()) / 1024});
}

using Wanted = std::function<bool(std::string_view part)>;

std::vector<Row> measure(const Server::Argv& argv, const std::string& directory, const Wanted& wanted) {
  std::vector<Row> rows;
  if (wanted("puts")) measure_puts(argv, directory, rows);
  if (wanted("mix")) measure_mix(argv, directory, rows);
  if (wanted("compaction")) measure_compaction(argv, directory, rows);
  if (wanted("size")) measure_size(argv, directory, rows);
  return rows;
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
void measure_postgres(const Server::Argv& argv, const std::string& directory) {
  Server writer(argv, directory + "/pg-writer");
  Server watcher(argv, directory + "/pg-watcher");
  const double median = write_to_event_ms(writer.endpoint(), watcher.endpoint(), kPostgresSamples);
  fmt::print("PostgreSQL: write on one server to event on another, median: {:.2f} ms\n", median);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: bench_etcd STORE_PROGRAM [DIRECTORY [PART...]]\n");
    return 2;
  }
  const std::string program = argv[1];
  const auto store_on = [&program](std::string endpoint, const std::string& listen) {
    return std::vector<std::string>{
        program, "store",      "--listen-address", listen, "--metrics-bind-address",
        "0",     "--endpoint", std::move(endpoint)};
  };
  const auto store_argv = [&](const std::string& listen, const std::string& directory) {
    return store_on("sqlite://" + directory + "/state.db", listen);
  };
  std::string directory = argc > 2 ? argv[2] : std::filesystem::temp_directory_path().string();
  directory += fmt::format("/cloudless-bench-etcd-{}", getpid());
  const std::vector<std::string_view> parts(argv + std::min(argc, 3), argv + argc);
  const Wanted wanted = [&](std::string_view part) {
    return parts.empty() || std::ranges::find(parts, part) != parts.end();
  };
  const std::vector<Row> theirs = measure(etcd_argv, directory + "/etcd", wanted);
  const std::vector<Row> ours = measure(store_argv, directory + "/cloudless", wanted);
  fmt::print("{:<40} {:>12} {:>12} {:>8}\n", "", "etcd", "cloudless", "ratio");
  for (size_t i = 0; i < theirs.size(); ++i) {
    fmt::print("{:<40} {:>12.2f} {:>12.2f} {:>7.2f}x\n", theirs[i].name, theirs[i].value, ours[i].value,
               ours[i].value / theirs[i].value);
  }
  if (const char* postgres = std::getenv("BENCH_POSTGRES"); postgres && wanted("postgres")) {
    measure_postgres(
        [&](const std::string& listen, const std::string&) { return store_on(postgres, listen); }, directory);
  }
  std::filesystem::remove_all(directory);
  return 0;
}

// Store and API server in one process, `cloudless apiserver` on SQLite, under lists, watches and writes, and
// idle; prints a table with the aims. bench_apiserver PROGRAM [DIRECTORY]; BENCH_IDLE_SECONDS (20): how long
// it is watched idle.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "load.hpp"
#include "support/process.hpp"

namespace {

using namespace cloudless::bench;
using cloudless::testing::eventually;
using cloudless::testing::free_port;
using cloudless::testing::Process;
using cloudless::testing::run_command;
using cloudless::testing::write_file;

constexpr int kSmall = 1'000;
constexpr int kLarge = 10'000;
constexpr int kWatchers = 1'000;
constexpr int kWrites = 200;
constexpr std::chrono::milliseconds kWriteInterval{20};
constexpr std::chrono::seconds kStartLimit{60};
// What starts late has settled by then.
constexpr std::chrono::seconds kSettle{5};
constexpr const char* kJson = "application/json";
constexpr const char* kProtobuf = "application/vnd.kubernetes.protobuf";

// The process's own CPU time, all threads, in milliseconds.
double cpu_ms(pid_t pid) {
  std::ifstream in(fmt::format("/proc/{}/stat", pid));
  std::string line;
  std::getline(in, line);
  std::istringstream rest(line.substr(line.rfind(')') + 2));
  std::string word;
  long user = 0;
  long system = 0;
  for (int i = 0; i < 11; ++i) rest >> word;
  rest >> user >> system;
  return 1000.0 * static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double resident_mb(pid_t pid) {
  std::ifstream in(fmt::format("/proc/{}/status", pid));
  for (std::string word; in >> word;) {
    if (word != "VmRSS:") continue;
    double kib = 0;
    in >> kib;
    return kib / 1024;
  }
  return 0;
}

void row(const std::string& what, const std::string& figures, const std::string& aim = "") {
  fmt::print("{:<34} {:<70} {}\n", what, figures, aim);
  std::fflush(stdout);
}

// Runs `work` and tells the server's CPU time beside its result.
template <class Work>
auto measured(pid_t pid, double& cpu, const Work& work) {
  const double before = cpu_ms(pid);
  auto result = work();
  cpu = cpu_ms(pid) - before;
  return result;
}

void lists(ApiLoad& load, pid_t pid, const std::string& ns, int pods, const char* accept, int repeats,
           const std::string& aim) {
  // The first list pays for what the others share.
  const LoadResult first = load.list_pods(ns, accept, 1);
  double cpu = 0;
  const LoadResult result = measured(pid, cpu, [&] { return load.list_pods(ns, accept, repeats); });
  row(fmt::format("list {} pods, {}", pods, accept == kJson ? "JSON" : "protobuf"),
      fmt::format(
          "{:.1f}/s, {:.0f} MB/s, p50 {:.1f} ms, p99 {:.1f} ms, first {:.1f} ms, CPU {:.1f} ms each{}",
          result.per_second, result.bytes_per_second / 1e6, result.p50_ms, result.p99_ms, first.p50_ms,
          cpu / repeats, result.failed ? fmt::format(", {} FAILED", result.failed) : ""),
      aim);
}

void creates(ApiLoad& load, pid_t pid, const std::string& ns, int clients, int first, int total) {
  double cpu = 0;
  const LoadResult result = measured(pid, cpu, [&] { return load.create_pods(ns, clients, first, total); });
  row(fmt::format("create pods, {} client{}", clients, clients == 1 ? "" : "s"),
      fmt::format("{:.0f}/s, p50 {:.2f} ms, p99 {:.2f} ms, CPU {:.2f} ms each{}", result.per_second,
                  result.p50_ms, result.p99_ms, cpu / total,
                  result.failed ? fmt::format(", {} FAILED", result.failed) : ""));
}

void watches(ApiLoad& load, pid_t pid) {
  double cpu = 0;
  const WatchResult result =
      measured(pid, cpu, [&] { return load.watch("busy", kWatchers, kWrites, kWriteInterval); });
  row(fmt::format("{} watchers of one namespace", kWatchers),
      fmt::format("{:.0f} events/s, write to event p50 {:.1f} ms, p99 {:.1f} ms, CPU {:.1f} us an event{}",
                  result.events_per_second, result.p50_ms, result.p99_ms, 1000 * cpu / (kWatchers * kWrites),
                  result.incomplete ? fmt::format(", {} INCOMPLETE", result.incomplete) : ""));
}

void idle(pid_t pid, const std::string& what, const std::string& aim) {
  const char* text = std::getenv("BENCH_IDLE_SECONDS");
  const int seconds = text ? std::max(1, std::atoi(text)) : 20;
  std::this_thread::sleep_for(kSettle);
  const double before = cpu_ms(pid);
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
  row(what,
      fmt::format("{:.1f} MB resident, {:.2f} % of a core over {} s", resident_mb(pid),
                  (cpu_ms(pid) - before) / seconds / 10, seconds),
      aim);
}

// Keys for service account tokens, an administrator, and a kubeconfig of his; its path.
std::string make_files(const std::string& directory, uint16_t port) {
  run_command({"openssl", "genrsa", "-traditional", "-out", directory + "/sa.key", "2048"});
  write_file(directory + "/tokens.csv", "bench,admin,1,\"system:masters\"\n");
  write_file(directory + "/kubeconfig",
             fmt::format(R"({{"apiVersion":"v1","kind":"Config","current-context":"c",
"clusters":[{{"name":"c","cluster":{{"server":"https://127.0.0.1:{}","insecure-skip-tls-verify":true}}}}],
"users":[{{"name":"u","user":{{"token":"bench"}}}}],
"contexts":[{{"name":"c","context":{{"cluster":"c","user":"u"}}}}]}})",
                         port));
  return directory + "/kubeconfig";
}

std::vector<std::string> server_line(const std::string& program, const std::string& directory,
                                     uint16_t port) {
  return {program,
          "apiserver",
          "--datastore-endpoint=sqlite://" + directory + "/state.db",
          "--secure-port=" + std::to_string(port),
          "--bind-address=127.0.0.1",
          "--cert-dir=" + directory + "/serving",
          "--service-account-issuer=https://kubernetes.default.svc",
          "--service-account-signing-key-file=" + directory + "/sa.key",
          "--service-account-key-file=" + directory + "/sa.key",
          "--service-cluster-ip-range=10.96.0.0/16",
          "--authorization-mode=Node,RBAC",
          "--disable-admission-plugins=ServiceAccount",
          "--token-auth-file=" + directory + "/tokens.csv"};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: bench_apiserver PROGRAM [DIRECTORY]\n");
    return 2;
  }
  const std::string parent = argc > 2 ? argv[2] : std::filesystem::temp_directory_path().string();
  const std::string directory = fmt::format("{}/apiserver-{}", parent, getpid());
  std::filesystem::create_directories(directory);
  {
    const uint16_t port = free_port();
    const std::string kubeconfig = make_files(directory, port);
    Process server(server_line(argv[1], directory, port), directory + "/log");
    if (!eventually([&] { return !server.running() || server.output().contains("the API server answers"); },
                    kStartLimit) ||
        !server.running()) {
      fmt::print(stderr, "the server does not start:\n{}\n", server.output());
      return 1;
    }
    const pid_t pid = server.pid();
    idle(pid, "idle", "aim: 40 MB, 0.5 %");
    ApiLoad load(kubeconfig);
    load.make_namespace("small");
    load.make_namespace("large");
    load.make_namespace("busy");
    creates(load, pid, "small", 1, 0, kSmall);
    lists(load, pid, "small", kSmall, kJson, 200, "");
    lists(load, pid, "small", kSmall, kProtobuf, 200, "");
    creates(load, pid, "large", 64, 0, kLarge - kSmall);
    lists(load, pid, "", kLarge, kJson, 30, "aim: CPU < 60 ms");
    lists(load, pid, "", kLarge, kProtobuf, 30, "aim: CPU < 60 ms");
    watches(load, pid);
    idle(pid, fmt::format("with {} pods", kLarge), "aim: 250 MB");
  }
  std::filesystem::remove_all(directory);
  return 0;
}

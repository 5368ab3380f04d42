// cloudless's DNS server beside Knot DNS, NSD and PowerDNS: the same zone, the same questions, one server on
// one pinned core at a time, the load on another. bench_dns SERVER_PROGRAM
//
// Two loads: as fast as the server answers, and a fixed rate at which every server has time between questions
// (so that what a wake-up costs counts). Rounds are interleaved and medians taken, because other work on the
// machine moves all figures. CPU is the time that all of a server's processes have run, per answer.
#include <fmt/format.h>
#include <sys/types.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <vector>

#include "support/process.hpp"
#include "workload.hpp"

namespace {

using namespace cloudless::bench;
using cloudless::testing::eventually;
using cloudless::testing::free_port;
using cloudless::testing::Process;
using cloudless::testing::run_command;
using cloudless::testing::TempDir;
using cloudless::testing::write_file;

constexpr int kNames = 10'000;
constexpr int kQuestions = 100'000;
constexpr int kRounds = 3;
constexpr int kSeconds = 3;
constexpr int kSteadyRate = 10'000;  // questions a second of the second load
constexpr int kClients = 20;         // sockets that ask
constexpr int kOutstanding = 100;    // questions under way at most
constexpr const char* kServerCore = "1";
constexpr const char* kLoadCore = "0";

std::vector<std::string> on_core(const char* core, std::vector<std::string> argv) {
  argv.insert(argv.begin(), {"taskset", "-c", core});
  return argv;
}

// Nanoseconds that the threads of a process have run, as the scheduler counts them: ticks of 10 ms miss short
// wake-ups.
int64_t run_ns(const std::filesystem::path& process) {
  int64_t total = 0;
  std::error_code gone;
  for (const auto& thread : std::filesystem::directory_iterator(process / "task", gone)) {
    int64_t ns = 0;
    std::ifstream(thread.path() / "schedstat") >> ns;
    total += ns;
  }
  return total;
}

pid_t parent_of(const std::filesystem::path& process) {
  std::stringstream stat;
  stat << std::ifstream(process / "stat").rdbuf();
  const std::string text = stat.str();
  const size_t after_name = text.rfind(')');
  if (after_name == std::string::npos) return 0;
  std::istringstream fields(text.substr(after_name + 1));
  std::string state;
  pid_t parent = 0;
  fields >> state >> parent;
  return parent;
}

// A process and all its descendants.
std::vector<pid_t> family_of(pid_t root) {
  std::vector<std::pair<pid_t, pid_t>> parents;  // of each process
  for (const auto& item : std::filesystem::directory_iterator("/proc")) {
    const std::string name = item.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    parents.emplace_back(std::stoi(name), parent_of(item.path()));
  }
  std::vector<pid_t> family{root};
  for (size_t i = 0; i < family.size(); ++i) {
    for (const auto& [pid, parent] : parents) {
      if (parent == family[i]) family.push_back(pid);
    }
  }
  return family;
}

int64_t cpu_ns(pid_t root) {
  int64_t total = 0;
  for (const pid_t member : family_of(root)) total += run_ns(fmt::format("/proc/{}", member));
  return total;
}

struct Figures {
  double answers_per_second = 0;
  double cpu_us = 0;  // per answer
};

// The number after "NAME:" in dnsperf's report.
double reported(const std::string& report, const std::string& name) {
  const size_t at = report.find(name + ":");
  return at == std::string::npos ? 0 : std::strtod(report.c_str() + at + name.size() + 1, nullptr);
}

class Server {
 public:
  Server(std::string name, std::vector<std::string> argv, uint16_t port, const std::string& log)
      : name_(std::move(name)), port_(port), process_(on_core(kServerCore, std::move(argv)), log) {}

  const std::string& name() const { return name_; }
  bool answers() const {
    return run_command({"dig", "+short", "+tries=1", "+time=1", "-p", std::to_string(port_), "@127.0.0.1",
                        fmt::format("host1.{}", kApex)})
               .output == "10.0.0.1\n";
  }
  std::string output() const { return process_.output(); }

  // Once more, now that all threads are there: Knot's workers choose a core for themselves, which may be the
  // load's, and answering from the client's own core is cheaper than from another.
  void pin() const {
    for (const pid_t member : family_of(process_.pid()))
      run_command({"taskset", "-a", "-c", "-p", kServerCore, std::to_string(member)});
  }

  // `rate`: questions a second; 0: as many as are answered.
  Figures measure(const std::string& questions_file, int rate) {
    std::vector<std::string> load{"dnsperf",
                                  "-s",
                                  "127.0.0.1",
                                  "-p",
                                  std::to_string(port_),
                                  "-d",
                                  questions_file,
                                  "-l",
                                  std::to_string(kSeconds),
                                  "-c",
                                  std::to_string(kClients),
                                  "-q",
                                  std::to_string(kOutstanding)};
    if (rate > 0) load.insert(load.end(), {"-Q", std::to_string(rate)});
    const int64_t before = cpu_ns(process_.pid());
    const std::string report = run_command(on_core(kLoadCore, load)).output;
    const auto used = static_cast<double>(cpu_ns(process_.pid()) - before);
    const double answers = std::max(1.0, reported(report, "Queries completed"));
    return {.answers_per_second = reported(report, "Queries per second"), .cpu_us = used / 1e3 / answers};
  }

 private:
  const std::string name_;
  const uint16_t port_;
  Process process_;
};

std::unique_ptr<Server> start_cloudless(const std::string& program, const std::string& zone,
                                        const TempDir& dir) {
  const uint16_t port = free_port();
  return std::make_unique<Server>(
      "cloudless", std::vector<std::string>{program, zone, std::string(kApex), std::to_string(port)}, port,
      dir / "cloudless.log");
}

std::unique_ptr<Server> start_knot(const std::string& zone, const TempDir& dir) {
  const uint16_t port = free_port();
  std::filesystem::create_directories(dir / "knot");
  write_file(
      dir / "knot.conf",
      fmt::format("server:\n    rundir: {0}/knot\n    listen: 127.0.0.1@{1}\n    udp-workers: 1\n"
                  "    tcp-workers: 1\n    background-workers: 1\ndatabase:\n    storage: {0}/knot\n"
                  "zone:\n  - domain: {2}\n    file: {3}\n    zonefile-sync: -1\n    journal-content: none\n",
                  dir.path(), port, kApex, zone));
  return std::make_unique<Server>("Knot DNS", std::vector<std::string>{"knotd", "-c", dir / "knot.conf"},
                                  port, dir / "knot.log");
}

std::unique_ptr<Server> start_nsd(const std::string& zone, const TempDir& dir) {
  const uint16_t port = free_port();
  write_file(
      dir / "nsd.conf",
      fmt::format("server:\n  ip-address: 127.0.0.1@{1}\n  server-count: 1\n  username: \"\"\n"
                  "  zonesdir: \"{0}\"\n  database: \"\"\n  pidfile: \"{0}/nsd.pid\"\n"
                  "  xfrdfile: \"{0}/xfrd.state\"\n  xfrdir: \"{0}\"\n  zonelistfile: \"{0}/zone.list\"\n"
                  "  rrl-ratelimit: 0\nremote-control:\n  control-enable: no\n"
                  "zone:\n  name: \"{2}\"\n  zonefile: \"{3}\"\n",
                  dir.path(), port, kApex, zone));
  return std::make_unique<Server>("NSD", std::vector<std::string>{"nsd", "-d", "-c", dir / "nsd.conf"}, port,
                                  dir / "nsd.log");
}

std::unique_ptr<Server> start_powerdns(const std::string& zone, const TempDir& dir) {
  const uint16_t port = free_port();
  write_file(dir / "named.conf", fmt::format("zone \"{}\" {{ type master; file \"{}\"; }};\n", kApex, zone));
  write_file(dir / "pdns.conf",
             fmt::format("launch=bind\nbind-config={0}/named.conf\nlocal-address=127.0.0.1\nlocal-port={1}\n"
                         "socket-dir={0}\ndaemon=no\nguardian=no\nreceiver-threads=1\ndistributor-threads=1\n"
                         "setuid=\nsetgid=\n",
                         dir.path(), port));
  return std::make_unique<Server>("PowerDNS",
                                  std::vector<std::string>{"pdns_server", "--config-dir=" + dir.path()}, port,
                                  dir / "pdns.log");
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

struct Row {
  std::string name;
  std::vector<double> rate, cpu_full, cpu_steady;
};

void print(const std::vector<Row>& rows) {
  fmt::print("{:<12} {:>12} {:>10} {:>8} {:>16} {:>8}\n", "", "answers/s", "CPU us", "ratio",
             fmt::format("CPU us at {}k/s", kSteadyRate / 1000), "ratio");
  const double full = median(rows[0].cpu_full);
  const double steady = median(rows[0].cpu_steady);
  for (const Row& row : rows) {
    fmt::print("{:<12} {:>12.0f} {:>10.2f} {:>7.2f}x {:>16.2f} {:>7.2f}x\n", row.name, median(row.rate),
               median(row.cpu_full), full / median(row.cpu_full), median(row.cpu_steady),
               steady / median(row.cpu_steady));
  }
  fmt::print("CPU: of the server, per answer; ratio: cloudless's to this server's, below 1 is better.\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: bench_dns SERVER_PROGRAM\n");
    return 2;
  }
  const TempDir dir;
  const std::string zone = dir / "zone";
  write_file(zone, fmt::format("$ORIGIN {}.\n", kApex) + zone_text(kNames));
  write_file(dir / "questions", questions(kNames, kQuestions));
  std::vector<std::unique_ptr<Server>> servers;
  servers.push_back(start_cloudless(argv[1], zone, dir));
  servers.push_back(start_knot(zone, dir));
  servers.push_back(start_nsd(zone, dir));
  servers.push_back(start_powerdns(zone, dir));
  std::vector<Row> rows;
  for (const auto& server : servers) {
    rows.push_back({.name = server->name(), .rate = {}, .cpu_full = {}, .cpu_steady = {}});
    if (eventually([&] { return server->answers(); })) {
      server->pin();
      continue;
    }
    fmt::print(stderr, "{} does not answer:\n{}\n", server->name(), server->output());
    return 1;
  }
  for (int round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < servers.size(); ++i) {
      const Figures full = servers[i]->measure(dir / "questions", 0);
      const Figures steady = servers[i]->measure(dir / "questions", kSteadyRate);
      rows[i].rate.push_back(full.answers_per_second);
      rows[i].cpu_full.push_back(full.cpu_us);
      rows[i].cpu_steady.push_back(steady.cpu_us);
    }
  }
  print(rows);
  return 0;
}

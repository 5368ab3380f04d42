#include "kubelet/containerd/containerd.hpp"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/files.hpp"
#include "kubelet/containerd/process.hpp"
#include "kubelet/cri/cri_client.hpp"
#include "kubelet/image/import.hpp"
#include "kubelet/image/pause_image.hpp"
#include "runtime/timer.hpp"

namespace cloudless::kubelet {

namespace fs = std::filesystem;

namespace {

constexpr Duration kProbeInterval = std::chrono::milliseconds(20);
constexpr size_t kMaxSocketPath = sizeof(sockaddr_un{}.sun_path) - 1;

// True where something accepts connections on the socket; a stale file does not.
bool accepts_connections(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const bool connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return connected;
}

Result<> check_programs() {
  for (const auto& [program, package] : {std::pair{"containerd", "containerd"},
                                         {"containerd-shim-runc-v2", "containerd"},
                                         {"ctr", "containerd"},
                                         {"runc", "runc"}}) {
    if (!find_program(program)) {
      return fail(Code::kNotFound, "{} is not installed; install the Debian package {}: apt-get install {}",
                  program, package, package);
    }
  }
  return {};
}

}  // namespace

std::string containerd_socket(const ContainerdOptions& options) {
  return options.run_dir + "/containerd.sock";
}

struct Containerd::State {
  State(ContainerdOptions state_options, runtime::WorkerPool& worker_pool, Logger logger)
      : options(std::move(state_options)), pool(worker_pool), log(std::move(logger)) {}

  ContainerdOptions options;
  ContainerdConfig config;
  runtime::WorkerPool& pool;
  Logger log;
  std::optional<runtime::TaskScope> scope;
  pid_t pid = 0;
  // The supervisor leaves the process alone once this is set.
  bool stopping = false;

  std::string config_path() const { return options.dir + "/containerd.toml"; }
  std::string pid_path() const { return options.dir + "/containerd.pid"; }
  std::string log_path() const { return options.dir + "/containerd.log"; }

  Result<> prepare();
  std::optional<pid_t> running_pid() const;
  Result<> launch();
  runtime::Task<Result<>> wait_ready();
  runtime::Task<Result<>> ensure_pause_image();
  runtime::Task<void> supervise();
  runtime::Task<Result<>> restart();
};

Containerd::Containerd(ContainerdOptions options, runtime::WorkerPool& pool, Logger log)
    : state_(std::make_unique<State>(std::move(options), pool, std::move(log))) {
  State& s = *state_;
  s.config.root_dir = s.options.dir + "/root";
  s.config.state_dir = s.options.run_dir + "/state";
  s.config.socket = containerd_socket(s.options);
  s.config.cni_bin_dir = s.options.cni_bin_dir;
  s.config.cni_conf_dir = s.options.cni_conf_dir;
  s.config.registry_dir = s.options.dir + "/certs.d";
  s.config.sandbox_image = kPauseImage;
}
Containerd::~Containerd() = default;

std::string Containerd::endpoint() const { return "unix://" + state_->config.socket; }
CgroupDriver Containerd::cgroup_driver() const { return state_->config.cgroup_driver; }

Result<> Containerd::State::prepare() {
  TRY(check_programs());
  if (config.socket.size() > kMaxSocketPath)
    return fail(Code::kInvalid, "{}: a socket's path holds {} bytes at the most", config.socket,
                kMaxSocketPath);
  for (const std::string& dir : {options.dir, config.root_dir, options.run_dir, config.state_dir,
                                 config.cni_bin_dir, config.cni_conf_dir, config.registry_dir}) {
    std::error_code error;
    fs::create_directories(dir, error);
    if (error) return std::unexpected(system_error(error.value(), "make folder " + dir));
  }
  detect_host(config);
  return write_file(config_path(), render_containerd_config(config), 0600);
}

// The containerd of an earlier run of ours, which a kill -9 left behind. The command line tells it from a
// process that got the same pid later.
std::optional<pid_t> Containerd::State::running_pid() const {
  std::ifstream in(pid_path());
  pid_t found = 0;
  if (!(in >> found) || found <= 1) return std::nullopt;
  const std::string line = command_line_of(found);
  if (line.find("containerd") == std::string::npos || line.find(config_path()) == std::string::npos)
    return std::nullopt;
  return found;
}

Result<> Containerd::State::launch() {
  const auto started =
      spawn_detached({"containerd", "--config", config_path(), "--log-level", "warn"}, log_path());
  if (!started) return std::unexpected(started.error());
  pid = *started;
  return write_file(pid_path(), fmt::format("{}\n", pid), 0644);
}

runtime::Task<Result<>> Containerd::State::wait_ready() {
  // A file appears and then answers; inotify would tell the first but not the second, so look often and
  // briefly.
  while (!accepts_connections(config.socket)) {
    if (command_line_of(pid).empty())
      co_return fail(Code::kUnavailable, "containerd ended while starting; see {}", log_path());
    CO_TRY(co_await runtime::sleep_for(kProbeInterval));
  }
  cri::CriClient client(config.socket);
  for (;;) {
    const auto version = co_await client.version();
    if (version) co_return {};
    if (version.error().code == Code::kCancelled) co_return std::unexpected(version.error());
    if (version.error().code == Code::kUnimplemented)
      co_return fail(Code::kUnavailable, "containerd runs without its CRI plugin; see {}", log_path());
    CO_TRY(co_await runtime::sleep_for(kProbeInterval));
  }
}

runtime::Task<Result<>> Containerd::State::restart() {
  CO_TRY(launch());
  co_return co_await runtime::with_timeout(kReadyLimit, "the start of containerd", wait_ready());
}

// Waits for the process to end and starts it again, until cancelled.
runtime::Task<void> Containerd::State::supervise() {
  Duration backoff = kFirstBackoff;
  for (;;) {
    if (!co_await wait_process(pid) || stopping) co_return;
    log.warn("containerd ended and is started again", {{"log", log_path()}});
    if (!co_await runtime::sleep_for(backoff)) co_return;
    if (const Result<> started = co_await restart(); !started) {
      if (started.error().code == Code::kCancelled) co_return;
      log.error("containerd does not start", {{"error", started.error()}});
      backoff = std::min(backoff * 2, kMaxBackoff);
    } else {
      backoff = kFirstBackoff;
    }
  }
}

runtime::Task<Result<>> Containerd::start() {
  State& s = *state_;
  const runtime::TaskContext context = co_await runtime::current_context();
  CO_TRY(s.prepare());
  if (const auto running = s.running_pid()) {
    s.pid = *running;
    s.log.info("adopted the running containerd", {{"pid", s.pid}});
  } else {
    CO_TRY(s.launch());
  }
  const Result<> ready =
      co_await runtime::with_timeout(kReadyLimit, "the start of containerd", s.wait_ready());
  if (!ready) co_return wrap(ready.error(), "start containerd");
  s.scope.emplace(*context.executor, s.log);
  s.scope->spawn(s.supervise());

  cri::CriClient client(s.config.socket);
  const auto present = CO_TRY(co_await client.image_status(std::string(kPauseImage)));
  if (present) co_return {};
  co_return co_await import_image(CO_TRY(build_oci_archive(pause_image_spec())));
}

runtime::Task<void> Containerd::stop() {
  State& s = *state_;
  s.stopping = true;
  if (s.scope) {
    s.scope->cancel();
    co_await s.scope->join();
    s.scope.reset();
  }
  if (s.pid == 0) co_return;
  if (!co_await stop_process(s.pid, SIGTERM, kStopLimit))
    (void)co_await stop_process(s.pid, SIGKILL, kStopLimit);
  s.pid = 0;
  std::error_code ignored;
  fs::remove(s.pid_path(), ignored);
}

runtime::Task<Result<>> Containerd::import_image(std::string archive) {
  const std::string path = state_->options.dir + fmt::format("/import-{}.tar", ::getpid());
  CO_TRY(write_file(path, archive, 0600));
  archive.clear();
  const Result<> imported = co_await import_archive(path);
  std::error_code ignored;
  fs::remove(path, ignored);
  co_return imported;
}

runtime::Task<Result<>> Containerd::import_archive(std::string path) {
  const ImportTarget target{.socket = state_->config.socket, .snapshotter = state_->config.snapshotter};
  co_return co_await state_->pool.run([target, path] { return kubelet::import_archive(target, path); });
}

}  // namespace cloudless::kubelet

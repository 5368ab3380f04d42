// The kubelet's HTTP API (pkg/kubelet/server/server.go): what the API server asks a node for.
//
//   /healthz  /pods  /runningpods/  /containerLogs/{ns}/{pod}/{container}  /run/...  /exec/...  /attach/...
//   /portForward/{ns}/{pod}  /metrics  /stats/summary
//
// Whether a caller may is for the AccessGuard to say (server/access.hpp).
#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/files.hpp"
#include "base/strings.hpp"
#include "kubelet/kubelet_state.hpp"
#include "kubelet/server/log_file.hpp"
#include "kubelet/server/streaming.hpp"
#include "net/descriptor.hpp"
#include "runtime/timer.hpp"
#include "schema/struct_codec.hpp"

namespace cloudless::kubelet {

namespace {

using net::Request;
using net::ResponseWriter;

constexpr size_t kLogChunk = 64 * 1024;
// A log that is followed is looked at anew at least this often: to see that its container has ended.
constexpr Duration kFollowLook = std::chrono::seconds(1);
constexpr Duration kRunLimit = std::chrono::minutes(2);

runtime::Task<void> answer(ResponseWriter& response, int status, std::string body,
                           std::string type = "text/plain; charset=utf-8") {
  (void)co_await response.respond(status, {{"Content-Type", std::move(type)}}, {share(std::move(body))});
}

std::vector<std::string> segments_of(std::string_view path) {
  std::vector<std::string> out;
  for (const std::string_view piece : split(path, '/')) {
    if (piece.empty()) continue;
    out.push_back(net::percent_decode(piece, false).value_or(std::string(piece)));
  }
  return out;
}

struct CommandQuery {
  std::vector<std::string> command;
  cri::StreamOptions streams;
};

CommandQuery parse_command(std::string_view query) {
  CommandQuery out;
  const auto parameters = net::parse_query(query);
  if (!parameters) return out;
  for (const auto& [name, value] : *parameters) {
    const bool on = value == "1" || value == "true";
    if (name == "command" || name == "cmd") out.command.push_back(value);
    // The API server's names, and the API's own.
    if (name == "input" || name == "stdin") out.streams.stdin_open = on;
    if (name == "output" || name == "stdout") out.streams.out = on;
    if (name == "error" || name == "stderr") out.streams.err = on;
    if (name == "tty") out.streams.tty = on;
  }
  if (out.streams.tty) out.streams.err = false;  // a terminal has one output
  return out;
}

struct Fd {
  int fd = -1;
  ~Fd() {
    if (fd >= 0) ::close(fd);
  }
};

// Serves the requests of one Kubelet.
class Api {
 public:
  Api(Kubelet::State& state, Request& request, ResponseWriter& response)
      : state_(state), request_(request), response_(response), path_(segments_of(request.path())) {}

  runtime::Task<void> serve() {
    if (const auto refusal = co_await state_.guard->check(request_))
      co_return co_await answer(response_, refusal->status, refusal->message);
    const std::string what = path_.empty() ? "" : path_[0];
    if (what == "healthz") co_return co_await answer(response_, 200, "ok");
    if (what == "pods") co_return co_await pods();
    if (what == "metrics") co_return co_await metrics();
    if (what == "stats") co_return co_await stats_summary();
    if (what == "containerLogs" && path_.size() == 4) co_return co_await container_logs();
    if (what == "portForward" && path_.size() >= 3) co_return co_await port_forward();
    if ((what == "exec" || what == "attach" || what == "run") && path_.size() >= 4)
      co_return co_await command(what);
    co_await answer(response_, 404, "404 page not found");
  }

 private:
  std::shared_ptr<PodWorker> worker() const {
    for (const auto& [uid, worker] : state_.workers) {
      const auto& metadata = worker->pod().metadata;
      if (metadata.namespace_ == path_[1] && metadata.name == path_[2]) return worker;
    }
    return nullptr;
  }
  std::string pod_name() const { return path_[1] + "/" + path_[2]; }

  runtime::Task<void> pods() {
    std::string body = R"({"kind":"PodList","apiVersion":"v1","metadata":{},"items":[)";
    bool first = true;
    for (const auto& [uid, worker] : state_.workers) {
      core::Pod pod = worker->pod();
      pod.status = worker->status();
      if (!std::exchange(first, false)) body += ',';
      body += schema::encode(pod);
    }
    co_await answer(response_, 200, body + "]}", "application/json");
  }

  // --- logs ---

  // The newest container of the name; for `previous` the one that ended last, be the newest running or
  // waiting for its back-off.
  static const RuntimeContainer* find_log(const PodWorker& pod, const std::string& name, bool previous) {
    if (!previous) return pod.runtime().newest(name);
    for (const auto* statuses : {&pod.status().containerStatuses, &pod.status().initContainerStatuses}) {
      for (const core::ContainerStatus& status : *statuses) {
        if (status.name != name || !status.lastState.terminated) continue;
        for (const RuntimeContainer& container : pod.runtime().containers) {
          if (container_id_text(container.status.id) == status.lastState.terminated->containerID)
            return &container;
        }
      }
    }
    return nullptr;
  }

  // Why a container that has never run does not (kuberuntime's validateContainerLogStatus).
  static std::string waiting_text(const core::PodStatus& status, const std::string& name) {
    for (const auto* statuses : {&status.containerStatuses, &status.initContainerStatuses}) {
      for (const core::ContainerStatus& container : *statuses) {
        if (container.name != name || !container.state.waiting) continue;
        const std::string& reason = container.state.waiting->reason;
        if (reason == "ErrImagePull") return "image can't be pulled";
        if (reason == "ImagePullBackOff") return "trying and failing to pull image";
        if (!reason.empty()) return reason;
      }
    }
    return "ContainerCreating";
  }

  runtime::Task<void> container_logs() {
    const WallTime now = state_.scope->executor().clock().wall_now();
    const auto options = parse_log_options(request_.query(), now);
    if (!options) co_return co_await answer(response_, 400, options.error().message);
    const auto pod = worker();
    if (!pod)
      co_return co_await answer(response_, 404, fmt::format("pod {} does not exist", quote(pod_name())));
    const std::string name = path_[3];
    const RuntimeContainer* container = find_log(*pod, name, options->previous);
    if (!container && options->previous)
      co_return co_await answer(
          response_, 400,
          fmt::format("previous terminated container {} in pod {} not found", quote(name), quote(path_[2])));
    if (!container)
      co_return co_await answer(response_, 400,
                                fmt::format("container {} in pod {} is waiting to start: {}", quote(name),
                                            quote(path_[2]), waiting_text(pod->status(), name)));
    const std::string id = container->status.id;
    const std::string file = container->status.log_path;
    const Result<> sent = co_await send_log(pod, id, file, *options);
    if (!sent && !response_.started()) co_await answer(response_, 500, sent.error().message);
  }

  runtime::Task<Result<>> send_log(std::shared_ptr<PodWorker> pod, std::string id, std::string path,
                                   LogOptions options) {
    // Watched before it is read, so that nothing written in between is missed.
    runtime::EventLoop* loop = co_await net::current_loop();
    net::Descriptor inotify(*loop, ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (options.follow) ::inotify_add_watch(inotify.fd(), path.c_str(), IN_MODIFY);
    const Fd log{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (log.fd < 0) co_return std::unexpected(system_error(errno, "open log file " + path));
    LogFormatter formatter(options);
    CO_TRY(co_await response_.start(200, {{"Content-Type", "text/plain"}}));
    if (options.tail_lines) skip_to_tail(log.fd, *options.tail_lines);
    for (;;) {
      const bool ended = has_ended(*pod, id);  // looked at before reading: what it wrote last is read after
      CO_TRY(co_await send_rest(log.fd, formatter));
      if (formatter.full() || !options.follow || ended) break;
      const Result<> woken = co_await runtime::with_timeout(kFollowLook, "", inotify.readable());
      if (!woken && woken.error().code != Code::kDeadlineExceeded) co_return woken;
      char events[4096];
      while (::read(inotify.fd(), events, sizeof events) > 0) {
      }
    }
    co_return co_await response_.finish();
  }

  static bool has_ended(const PodWorker& pod, const std::string& id) {
    const RuntimeContainer* container = pod.runtime().find(id);
    return !container || container->status.state == cri::ContainerState::kExited;
  }

  // By blocks from the end, so that a long log is not read for its last line.
  static void skip_to_tail(int fd, int64_t lines) {
    const off_t size = ::lseek(fd, 0, SEEK_END);
    off_t begin = size;
    std::string tail;
    while (begin > 0) {
      const off_t step = std::min<off_t>(begin, kLogChunk);
      std::string block(static_cast<size_t>(step), '\0');
      begin -= step;
      if (::pread(fd, block.data(), block.size(), begin) != static_cast<ssize_t>(block.size())) break;
      tail.insert(0, block);
      if (const size_t offset = tail_offset(tail, lines); offset > 0) {
        ::lseek(fd, begin + static_cast<off_t>(offset), SEEK_SET);
        return;
      }
    }
    ::lseek(fd, lines == 0 ? size : 0, SEEK_SET);
  }

  runtime::Task<Result<>> send_rest(int fd, LogFormatter& formatter) {
    std::string buffer(kLogChunk, '\0');
    while (!formatter.full()) {
      const ssize_t count = ::read(fd, buffer.data(), buffer.size());
      if (count <= 0) break;
      std::string out = formatter.feed(std::string_view(buffer).substr(0, static_cast<size_t>(count)));
      if (!out.empty()) CO_TRY(co_await response_.write(share(std::move(out))));
    }
    co_return Result<>();
  }

  // --- exec, attach, run, port-forward ---

  runtime::Task<void> command(std::string what) {
    const auto pod = worker();
    if (!pod)
      co_return co_await answer(response_, 404, fmt::format("pod {} does not exist", quote(pod_name())));
    const std::string name = path_.back();
    const RuntimeContainer* container = pod->runtime().newest(name);
    if (!container || container->status.state != cri::ContainerState::kRunning)
      co_return co_await answer(response_, 500, fmt::format("container not found ({})", quote(name)));
    const std::string id = container->status.id;
    const CommandQuery query = parse_command(request_.query());
    if (what == "run") co_return co_await run(id, query.command);
    if (what == "exec" && query.command.empty())
      co_return co_await answer(response_, 400, "you must specify at least one command");
    const auto url = what == "exec" ? co_await state_.runtime.exec_url(id, query.command, query.streams)
                                    : co_await state_.runtime.attach_url(id, query.streams);
    if (!url) co_return co_await answer(response_, 500, url.error().message);
    net::Resolver resolver(state_.pool);
    co_await join_remote_command(request_, response_, *url, query.streams, resolver, state_.log);
  }

  runtime::Task<void> run(std::string id, std::vector<std::string> words) {
    const auto result = co_await state_.runtime.exec_sync(std::move(id), std::move(words), kRunLimit);
    if (!result) co_return co_await answer(response_, 500, result.error().message);
    co_await answer(response_, 200, result->out + result->err);
  }

  runtime::Task<void> port_forward() {
    const auto pod = worker();
    const cri::SandboxStatus* sandbox = pod ? pod->runtime().newest_sandbox() : nullptr;
    if (!sandbox)
      co_return co_await answer(response_, 404, fmt::format("pod {} does not exist", quote(pod_name())));
    const auto url = co_await state_.runtime.port_forward_url(sandbox->sandbox.id);
    if (!url) co_return co_await answer(response_, 500, url.error().message);
    net::Resolver resolver(state_.pool);
    co_await join_port_forward(request_, response_, *url, resolver, state_.log);
  }

  // --- figures ---

  runtime::Task<void> metrics() {
    std::string body =
        "# HELP kubelet_running_pods Number of pods that have a running pod sandbox\n"
        "# TYPE kubelet_running_pods gauge\n";
    size_t running = 0;
    for (const auto& [uid, worker] : state_.workers) running += worker->runtime().any_running() ? 1 : 0;
    body += fmt::format("kubelet_running_pods {}\n", running);
    body += fmt::format(
        "# HELP kubelet_node_name The node's name. The count is always 1.\n"
        "# TYPE kubelet_node_name gauge\nkubelet_node_name{{node=\"{}\"}} 1\n",
        state_.options.node_name);
    co_await answer(response_, 200, std::move(body), "text/plain; version=0.0.4");
  }

  // Of the Summary API what kubectl top and autoscalers add up: CPU and memory by container.
  runtime::Task<void> stats_summary() {
    const auto stats = co_await state_.runtime.list_stats();
    if (!stats) co_return co_await answer(response_, 500, stats.error().message);
    const auto time_text = [](int64_t nanoseconds) { return format_rfc3339(wall_time(nanoseconds)); };
    boost::json::array pods;
    for (const auto& [uid, worker] : state_.workers) {
      boost::json::array containers;
      for (const cri::ContainerStats& s : *stats) {
        if (label_of(s.labels, kPodUidLabel) != uid) continue;
        containers.push_back(boost::json::object{
            {"name", label_of(s.labels, kContainerNameLabel)},
            {"cpu", {{"time", time_text(s.cpu_time)}, {"usageCoreNanoSeconds", s.cpu_usage_nanoseconds}}},
            {"memory",
             {{"time", time_text(s.memory_time)},
              {"usageBytes", s.memory_usage_bytes},
              {"workingSetBytes", s.memory_working_set_bytes}}}});
      }
      const auto& metadata = worker->pod().metadata;
      pods.push_back(boost::json::object{
          {"podRef", {{"name", metadata.name}, {"namespace", metadata.namespace_}, {"uid", uid}}},
          {"containers", std::move(containers)}});
    }
    const boost::json::object summary{{"node", {{"nodeName", state_.options.node_name}}},
                                      {"pods", std::move(pods)}};
    co_await answer(response_, 200, boost::json::serialize(summary), "application/json");
  }

  Kubelet::State& state_;
  Request& request_;
  ResponseWriter& response_;
  const std::vector<std::string> path_;
};

}  // namespace

runtime::Task<void> Kubelet::State::serve(net::Request request, net::ResponseWriter& response) {
  if (!scope) co_return co_await answer(response, 503, "the kubelet is not running");
  Api api(*this, request, response);
  co_await api.serve();
}

}  // namespace cloudless::kubelet

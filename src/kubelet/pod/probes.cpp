#include "kubelet/pod/probes.hpp"

#include <charconv>

#include "base/strings.hpp"
#include "net/client.hpp"
#include "net/tcp.hpp"
#include "runtime/timer.hpp"

namespace cloudless::kubelet {

namespace {

constexpr size_t kMaxBodyBytes = 10 * 1024;  // of an answer, as upstream reads
constexpr size_t kMaxOutputBytes = 10 * 1024;
constexpr const char* kUserAgent = "kube-probe/1.35";

std::string host_text(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

class RealProber final : public Prober {
 public:
  RealProber(cri::RuntimeService& runtime, runtime::WorkerPool& pool, Logger log)
      : runtime_(runtime), resolver_(pool), log_(std::move(log)) {}

  runtime::Task<ProbeOutcome> probe(const core::ProbeHandler& handler, const core::Container& container,
                                    ProbeTarget target, Duration limit) override {
    if (handler.exec) co_return co_await exec(handler.exec->command, std::move(target.container_id), limit);
    if (handler.httpGet)
      co_return co_await http(*handler.httpGet, container, std::move(target.pod_ip), limit);
    if (handler.tcpSocket) {
      const auto port = resolve_port(handler.tcpSocket->port, container);
      if (!port) co_return ProbeOutcome{false, port.error().message};
      std::string host = handler.tcpSocket->host.empty() ? target.pod_ip : handler.tcpSocket->host;
      co_return co_await tcp(std::move(host), *port, limit);
    }
    if (handler.grpc) co_return ProbeOutcome{false, "gRPC probes are not supported by this node"};
    co_return ProbeOutcome{false, "missing probe handler"};
  }

 private:
  runtime::Task<ProbeOutcome> exec(std::vector<std::string> command, std::string id, Duration limit) {
    const std::string shown = join(command, " ");
    const auto result = co_await runtime_.exec_sync(std::move(id), std::move(command), limit);
    if (!result && result.error().code == Code::kDeadlineExceeded)
      co_return ProbeOutcome{false, fmt::format("command timed out: {} timed out after {}", quote(shown),
                                                format_duration(limit))};
    if (!result) co_return ProbeOutcome{false, result.error().message};
    std::string output = result->out + result->err;
    if (output.size() > kMaxOutputBytes) output.resize(kMaxOutputBytes);
    co_return ProbeOutcome{result->exit_code == 0, std::move(output)};
  }

  runtime::Task<ProbeOutcome> tcp(std::string host, uint16_t port, Duration limit) {
    const auto stream = co_await net::connect_tcp(resolver_, host, port, limit);
    if (stream) co_return ProbeOutcome{true, ""};
    co_return ProbeOutcome{false,
                           fmt::format("dial tcp {}:{}: {}", host_text(host), port, stream.error().message)};
  }

  runtime::Task<ProbeOutcome> http(const core::HTTPGetAction& action, const core::Container& container,
                                   std::string pod_ip, Duration limit) {
    const auto port = resolve_port(action.port, container);
    if (!port) co_return ProbeOutcome{false, port.error().message};
    const std::string scheme = action.scheme.empty() ? "http" : to_lower(action.scheme);
    const std::string host = host_text(action.host.empty() ? pod_ip : action.host);
    const std::string path = action.path.starts_with('/') ? action.path : "/" + action.path;
    net::HttpClientOptions options;
    options.base_url = fmt::format("{}://{}:{}", scheme, host, *port);
    options.connect_timeout = limit;
    options.head_timeout = limit;
    if (scheme == "https") {
      auto tls = net::TlsClientConfig::make({.insecure_skip_verify = true, .alpn = {"http/1.1"}}, log_);
      if (!tls) co_return ProbeOutcome{false, tls.error().message};
      options.tls = *tls;
    }
    const std::string url = options.base_url + path;
    auto client = net::HttpClient::make(std::move(options), resolver_, log_);
    if (!client) co_return ProbeOutcome{false, client.error().message};
    net::Request request;
    request.target = path;
    request.headers = {{"Host", fmt::format("{}:{}", host, *port)},
                       {"User-Agent", kUserAgent},
                       {"Accept", "*/*"},
                       {"Connection", "close"}};
    for (const core::HTTPHeader& header : action.httpHeaders) request.headers.set(header.name, header.value);
    co_return co_await answer(**client, std::move(request), url, limit);
  }

  static runtime::Task<ProbeOutcome> answer(net::HttpClient& client, net::Request request, std::string url,
                                            Duration limit) {
    auto status = co_await runtime::with_timeout(limit, "the probe", status_of(client, std::move(request)));
    if (!status && status.error().code == Code::kDeadlineExceeded)
      co_return ProbeOutcome{false,
                             fmt::format("Get {}: context deadline exceeded (Client.Timeout exceeded while "
                                         "awaiting headers)",
                                         quote(url))};
    if (!status) co_return ProbeOutcome{false, fmt::format("Get {}: {}", quote(url), status.error().message)};
    if (*status >= 200 && *status < 400) co_return ProbeOutcome{true, ""};
    co_return ProbeOutcome{false, fmt::format("HTTP probe failed with statuscode: {}", *status)};
  }

  static runtime::Task<Result<int>> status_of(net::HttpClient& client, net::Request request) {
    const auto response = CO_TRY(co_await client.send(std::move(request)));
    // What does not fit is of no interest: the status has been seen.
    (void)co_await net::read_all(*response.body, kMaxBodyBytes);
    co_return response.status;
  }

  cri::RuntimeService& runtime_;
  net::Resolver resolver_;
  Logger log_;
};

}  // namespace

std::string_view to_string(ProbeKind kind) {
  switch (kind) {
    case ProbeKind::kStartup:
      return "Startup";
    case ProbeKind::kLiveness:
      return "Liveness";
    case ProbeKind::kReadiness:
      return "Readiness";
  }
  return {};
}

ProbeCounter::ProbeCounter(const core::Probe& probe)
    : success_threshold_(std::max(probe.successThreshold, 1)),
      failure_threshold_(probe.failureThreshold > 0 ? probe.failureThreshold : 3) {}

std::optional<bool> ProbeCounter::add(bool success) {
  run_ = success == last_ ? run_ + 1 : 1;
  last_ = success;
  if (run_ < (success ? success_threshold_ : failure_threshold_)) return std::nullopt;
  return success;
}

ProbeVerdict verdict_before_probes(const core::Container& container, const std::string& id,
                                   const core::PodStatus& last) {
  ProbeVerdict verdict{.started = !container.startupProbe, .ready = !container.readinessProbe};
  for (const auto* statuses : {&last.containerStatuses, &last.initContainerStatuses}) {
    for (const core::ContainerStatus& status : *statuses) {
      if (status.name != container.name || status.containerID != container_id_text(id)) continue;
      verdict.started = verdict.started || status.started.value_or(false);
      verdict.ready = verdict.ready || status.ready;
    }
  }
  return verdict;
}

std::unique_ptr<Prober> make_prober(cri::RuntimeService& runtime, runtime::WorkerPool& pool, Logger log) {
  return std::make_unique<RealProber>(runtime, pool, std::move(log));
}

Result<uint16_t> resolve_port(const schema::IntOrString& port, const core::Container& container) {
  int number = port.number;
  if (port.is_string) {
    number = 0;
    for (const core::ContainerPort& candidate : container.ports) {
      if (candidate.name == port.text) number = candidate.containerPort;
    }
    if (number == 0) (void)std::from_chars(port.text.data(), port.text.data() + port.text.size(), number);
  }
  if (number < 1 || number > 65535) return fail(Code::kInvalid, "invalid port number: {}", port.to_string());
  return static_cast<uint16_t>(number);
}

}  // namespace cloudless::kubelet

#include "kubelet/cri/cri_client.hpp"

#include <span>

#include "cri/containerd_events.pb.h"
#include "grpc/protobuf.hpp"
#include "kubelet/cri/convert.hpp"
#include "runtime/timer.hpp"

namespace cloudless::kubelet::cri {

namespace events = ::containerd::services::events::v1;

namespace {

// As the kubelet's --runtime-request-timeout; pulling and waiting for a container to stop take their own.
constexpr Duration kCallLimit = std::chrono::minutes(2);
constexpr Duration kSandboxLimit = std::chrono::minutes(4);
constexpr Duration kPullLimit = std::chrono::minutes(30);
// containerd tells of a task's end before its CRI plugin has taken it in: what is read at once may still be
// the state before. So each event counts again a little later.
constexpr Duration kContainerdEchoes[] = {std::chrono::milliseconds(20), std::chrono::milliseconds(100),
                                          std::chrono::milliseconds(1000)};
constexpr size_t kMaxMessageBytes = 16 << 20;  // upstream's bound of an answer
constexpr Duration kMinBackoff = std::chrono::milliseconds(50);
constexpr Duration kMaxBackoff = std::chrono::seconds(2);

Error error_of(const grpc::Status& status) {
  // A container that is in the wrong state, and the like: nothing that another try would mend.
  const bool internal = status.code == grpc::StatusCode::kFailedPrecondition ||
                        status.code == grpc::StatusCode::kAborted ||
                        status.code == grpc::StatusCode::kOutOfRange;
  return {internal ? Code::kInternal : grpc::to_error(status).code,
          fmt::format("rpc error: code = {} desc = {}", grpc::name_of(status.code), status.message)};
}

template <class T>
Result<> no_value(const Result<T>& result) {
  if (!result) return std::unexpected(result.error());
  return {};
}

// A stream whose messages matter only as "something happened".
Reply<> listen(grpc::Channel& channel, std::string method, SharedBytes request, std::function<void()> changed,
               std::span<const Duration> echoes) {
  const auto stream =
      CO_TRY(co_await channel.stream(std::move(method), std::move(request), grpc::Sending::kNothingMore));
  changed();
  size_t echo = echoes.size();  // the next one due after the last event
  for (;;) {
    const auto woken = echo < echoes.size()
                           ? co_await runtime::with_timeout(echoes[echo], "an echo", stream->receive())
                           : co_await stream->receive();
    const bool is_echo = echo < echoes.size() && !woken && woken.error().code == Code::kDeadlineExceeded;
    if (!woken && !is_echo) co_return std::unexpected(woken.error());
    if (woken && !*woken) co_return fail(Code::kUnavailable, "the runtime ended its stream of events");
    echo = is_echo ? echo + 1 : 0;
    changed();
  }
}

grpc::ChannelOptions channel_options(const std::string& endpoint) {
  constexpr std::string_view kScheme = "unix://";
  std::string path = endpoint.starts_with(kScheme) ? endpoint.substr(kScheme.size()) : endpoint;
  if (path.starts_with("unix:")) path = path.substr(5);
  return {.target = std::string(kScheme) + path,
          .tls = nullptr,
          .rules = {.message_bytes = kMaxMessageBytes, .error_of = error_of},
          .min_backoff = kMinBackoff,
          .max_backoff = kMaxBackoff};
}

pb::ImageSpec image_spec(const std::string& image) {
  pb::ImageSpec spec;
  spec.set_image(image);
  return spec;
}

}  // namespace

struct CriClient::State {
  explicit State(const std::string& endpoint)
      : channel(*grpc::Channel::make(channel_options(endpoint), resolver, Logger())) {}

  net::Resolver resolver;  // a unix socket needs no names
  const std::unique_ptr<grpc::Channel> channel;
};

// A call of the runtime or image service by its method's name.
#define CRI_RUNTIME(method, request, within)                                                         \
  grpc::call<pb::method##Response>(*state_->channel, "/runtime.v1.RuntimeService/" #method, request, \
                                   {.limit = within, .metadata = {}})
#define CRI_IMAGES(method, request, within)                                                        \
  grpc::call<pb::method##Response>(*state_->channel, "/runtime.v1.ImageService/" #method, request, \
                                   {.limit = within, .metadata = {}})

CriClient::CriClient(const std::string& endpoint) : state_(std::make_unique<State>(endpoint)) {}
CriClient::~CriClient() = default;

Reply<VersionInfo> CriClient::version() {
  pb::VersionRequest request;
  request.set_version("v1");
  const auto response = CO_TRY(co_await CRI_RUNTIME(Version, request, kCallLimit));
  co_return VersionInfo{response.runtime_name(), response.runtime_version()};
}

Reply<std::vector<RuntimeCondition>> CriClient::status() {
  const auto response = CO_TRY(co_await CRI_RUNTIME(Status, pb::StatusRequest(), kCallLimit));
  std::vector<RuntimeCondition> conditions;
  for (const auto& condition : response.status().conditions()) {
    conditions.push_back({condition.type(), condition.status(), condition.reason(), condition.message()});
  }
  co_return conditions;
}

Reply<> CriClient::update_pod_cidr(std::string pod_cidr) {
  pb::UpdateRuntimeConfigRequest request;
  request.mutable_runtime_config()->mutable_network_config()->set_pod_cidr(pod_cidr);
  co_return no_value(co_await CRI_RUNTIME(UpdateRuntimeConfig, request, kCallLimit));
}

Reply<std::string> CriClient::run_sandbox(SandboxConfig config) {
  pb::RunPodSandboxRequest request;
  *request.mutable_config() = to_proto(config);
  const auto response = CO_TRY(co_await CRI_RUNTIME(RunPodSandbox, request, kSandboxLimit));
  co_return response.pod_sandbox_id();
}

Reply<> CriClient::stop_sandbox(std::string id) {
  pb::StopPodSandboxRequest request;
  request.set_pod_sandbox_id(id);
  co_return no_value(co_await CRI_RUNTIME(StopPodSandbox, request, kCallLimit));
}

Reply<> CriClient::remove_sandbox(std::string id) {
  pb::RemovePodSandboxRequest request;
  request.set_pod_sandbox_id(id);
  co_return no_value(co_await CRI_RUNTIME(RemovePodSandbox, request, kCallLimit));
}

Reply<SandboxStatus> CriClient::sandbox_status(std::string id) {
  pb::PodSandboxStatusRequest request;
  request.set_pod_sandbox_id(id);
  const auto response = CO_TRY(co_await CRI_RUNTIME(PodSandboxStatus, request, kCallLimit));
  co_return from_proto(response.status());
}

Reply<std::vector<Sandbox>> CriClient::list_sandboxes(Labels labels) {
  pb::ListPodSandboxRequest request;
  request.mutable_filter()->mutable_label_selector()->insert(labels.begin(), labels.end());
  const auto response = CO_TRY(co_await CRI_RUNTIME(ListPodSandbox, request, kCallLimit));
  std::vector<Sandbox> sandboxes;
  for (const auto& item : response.items()) sandboxes.push_back(from_proto(item));
  co_return sandboxes;
}

Reply<std::string> CriClient::create_container(std::string sandbox_id, ContainerConfig config,
                                               SandboxConfig sandbox_config) {
  pb::CreateContainerRequest request;
  request.set_pod_sandbox_id(sandbox_id);
  *request.mutable_config() = to_proto(config);
  *request.mutable_sandbox_config() = to_proto(sandbox_config);
  const auto response = CO_TRY(co_await CRI_RUNTIME(CreateContainer, request, kCallLimit));
  co_return response.container_id();
}

Reply<> CriClient::start_container(std::string id) {
  pb::StartContainerRequest request;
  request.set_container_id(id);
  co_return no_value(co_await CRI_RUNTIME(StartContainer, request, kCallLimit));
}

Reply<> CriClient::stop_container(std::string id, std::chrono::seconds grace) {
  pb::StopContainerRequest request;
  request.set_container_id(id);
  request.set_timeout(grace.count());
  co_return no_value(co_await CRI_RUNTIME(StopContainer, request, kCallLimit + grace));
}

Reply<> CriClient::remove_container(std::string id) {
  pb::RemoveContainerRequest request;
  request.set_container_id(id);
  co_return no_value(co_await CRI_RUNTIME(RemoveContainer, request, kCallLimit));
}

Reply<std::vector<Container>> CriClient::list_containers(Labels labels) {
  pb::ListContainersRequest request;
  request.mutable_filter()->mutable_label_selector()->insert(labels.begin(), labels.end());
  const auto response = CO_TRY(co_await CRI_RUNTIME(ListContainers, request, kCallLimit));
  std::vector<Container> containers;
  for (const auto& item : response.containers()) containers.push_back(from_proto(item));
  co_return containers;
}

Reply<ContainerStatus> CriClient::container_status(std::string id) {
  pb::ContainerStatusRequest request;
  request.set_container_id(id);
  const auto response = CO_TRY(co_await CRI_RUNTIME(ContainerStatus, request, kCallLimit));
  co_return from_proto(response.status());
}

Reply<> CriClient::reopen_container_log(std::string id) {
  pb::ReopenContainerLogRequest request;
  request.set_container_id(id);
  co_return no_value(co_await CRI_RUNTIME(ReopenContainerLog, request, kCallLimit));
}

Reply<ExecResult> CriClient::exec_sync(std::string id, std::vector<std::string> command, Duration limit) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(limit);
  pb::ExecSyncRequest request;
  request.set_container_id(id);
  for (std::string& word : command) request.add_cmd(std::move(word));
  request.set_timeout(seconds.count());
  // The runtime keeps the limit; ours, a little later, is for a runtime that hangs.
  const auto response = CO_TRY(co_await CRI_RUNTIME(ExecSync, request, seconds + std::chrono::seconds(10)));
  co_return ExecResult{response.stdout(), response.stderr(), response.exit_code()};
}

Reply<std::string> CriClient::exec_url(std::string id, std::vector<std::string> command,
                                       StreamOptions streams) {
  pb::ExecRequest request;
  request.set_container_id(id);
  for (std::string& word : command) request.add_cmd(std::move(word));
  request.set_tty(streams.tty);
  request.set_stdin(streams.stdin_open);
  request.set_stdout(streams.out);
  request.set_stderr(streams.err);
  const auto response = CO_TRY(co_await CRI_RUNTIME(Exec, request, kCallLimit));
  co_return response.url();
}

Reply<std::string> CriClient::attach_url(std::string id, StreamOptions streams) {
  pb::AttachRequest request;
  request.set_container_id(id);
  request.set_tty(streams.tty);
  request.set_stdin(streams.stdin_open);
  request.set_stdout(streams.out);
  request.set_stderr(streams.err);
  const auto response = CO_TRY(co_await CRI_RUNTIME(Attach, request, kCallLimit));
  co_return response.url();
}

Reply<std::string> CriClient::port_forward_url(std::string sandbox_id) {
  pb::PortForwardRequest request;
  request.set_pod_sandbox_id(sandbox_id);
  const auto response = CO_TRY(co_await CRI_RUNTIME(PortForward, request, kCallLimit));
  co_return response.url();
}

Reply<std::vector<ContainerStats>> CriClient::list_stats() {
  const auto response =
      CO_TRY(co_await CRI_RUNTIME(ListContainerStats, pb::ListContainerStatsRequest(), kCallLimit));
  std::vector<ContainerStats> stats;
  for (const auto& item : response.stats()) stats.push_back(from_proto(item));
  co_return stats;
}

Reply<> CriClient::watch(std::function<void()> changed) {
  const Result<> ended = co_await listen(*state_->channel, "/runtime.v1.RuntimeService/GetContainerEvents",
                                         grpc::framed(pb::GetEventsRequest()), changed, {});
  if (ended || ended.error().code != Code::kUnimplemented) co_return ended;
  events::SubscribeRequest request;
  request.add_filters("namespace==k8s.io,topic~=\"^/tasks/\"");
  co_return co_await listen(*state_->channel, "/containerd.services.events.v1.Events/Subscribe",
                            grpc::framed(request), changed, kContainerdEchoes);
}

Reply<std::vector<Image>> CriClient::list_images() {
  const auto response = CO_TRY(co_await CRI_IMAGES(ListImages, pb::ListImagesRequest(), kCallLimit));
  std::vector<Image> images;
  for (const auto& item : response.images()) images.push_back(from_proto(item));
  co_return images;
}

Reply<std::optional<Image>> CriClient::image_status(std::string image) {
  pb::ImageStatusRequest request;
  *request.mutable_image() = image_spec(image);
  const auto response = CO_TRY(co_await CRI_IMAGES(ImageStatus, request, kCallLimit));
  if (!response.has_image()) co_return std::nullopt;
  co_return from_proto(response.image());
}

Reply<std::string> CriClient::pull_image(std::string image, AuthConfig auth) {
  pb::PullImageRequest request;
  *request.mutable_image() = image_spec(image);
  *request.mutable_auth() = to_proto(auth);
  const auto response = CO_TRY(co_await CRI_IMAGES(PullImage, request, kPullLimit));
  co_return response.image_ref();
}

Reply<> CriClient::remove_image(std::string image) {
  pb::RemoveImageRequest request;
  *request.mutable_image() = image_spec(image);
  co_return no_value(co_await CRI_IMAGES(RemoveImage, request, kCallLimit));
}

Reply<std::vector<FileSystemUsage>> CriClient::image_file_systems() {
  const auto response = CO_TRY(co_await CRI_IMAGES(ImageFsInfo, pb::ImageFsInfoRequest(), kCallLimit));
  std::vector<FileSystemUsage> usages;
  for (const auto& item : response.image_filesystems()) usages.push_back(from_proto(item));
  co_return usages;
}

}  // namespace cloudless::kubelet::cri

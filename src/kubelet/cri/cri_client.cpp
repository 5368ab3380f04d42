#include "kubelet/cri/cri_client.hpp"

#include <grpcpp/grpcpp.h>

#include <mutex>
#include <span>

#include "cri/containerd_events.grpc.pb.h"
#include "cri/cri.grpc.pb.h"
#include "kubelet/cri/convert.hpp"
#include "net/grpc_callback_queue.hpp"
#include "runtime/channel.hpp"
#include "runtime/completion.hpp"
#include "runtime/timer.hpp"

namespace cloudless::kubelet::cri {

namespace events = ::containerd::services::events::v1;
using runtime::Completion;

namespace {

// As the kubelet's --runtime-request-timeout; pulling and waiting for a container to stop take their own.
constexpr Duration kCallLimit = std::chrono::minutes(2);
constexpr Duration kSandboxLimit = std::chrono::minutes(4);
constexpr Duration kPullLimit = std::chrono::minutes(30);
// containerd tells of a task's end before its CRI plugin has taken it in: what is read at once may still be
// the state before. So each event counts again a little later.
constexpr Duration kContainerdEchoes[] = {std::chrono::milliseconds(20), std::chrono::milliseconds(100),
                                          std::chrono::milliseconds(1000)};
constexpr int kMaxMessageBytes = 16 << 20;  // upstream's bound of an answer
constexpr int kMinReconnectMs = 50;
constexpr int kMaxReconnectMs = 2000;

Code code_of(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::CANCELLED:
      return Code::kCancelled;
    case grpc::StatusCode::INVALID_ARGUMENT:
      return Code::kInvalid;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Code::kDeadlineExceeded;
    case grpc::StatusCode::NOT_FOUND:
      return Code::kNotFound;
    case grpc::StatusCode::ALREADY_EXISTS:
      return Code::kAlreadyExists;
    case grpc::StatusCode::PERMISSION_DENIED:
      return Code::kPermissionDenied;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return Code::kResourceExhausted;
    case grpc::StatusCode::UNIMPLEMENTED:
      return Code::kUnimplemented;
    case grpc::StatusCode::UNAVAILABLE:
      return Code::kUnavailable;
    case grpc::StatusCode::UNAUTHENTICATED:
      return Code::kUnauthenticated;
    default:
      return Code::kInternal;
  }
}

// The names that grpc-go prints.
std::string_view name_of(grpc::StatusCode code) {
  static constexpr std::string_view kNames[] = {
      "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
      "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
      "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
      "DataLoss", "Unauthenticated"};
  const auto index = static_cast<size_t>(code);
  return index < std::size(kNames) ? kNames[index] : "Unknown";
}

Error error_of(const grpc::Status& status) {
  return {code_of(status.error_code()), fmt::format("rpc error: code = {} desc = {}",
                                                    name_of(status.error_code()), status.error_message())};
}

// Cancels the RPC when the waiting task leaves before it is done.
struct CancelOnExit {
  grpc::ClientContext& context;
  bool done = false;
  ~CancelOnExit() {
    if (!done) context.TryCancel();
  }
};

template <class Request, class Response>
struct Call {
  grpc::ClientContext context;
  Request request;
  Response response;
};

// One unary call. `start` is the stub's async method; the call's state lives until gRPC has let go of it.
template <class Response, class Async, class Request>
runtime::Task<Result<Response>> unary(Async* async,
                                      void (Async::*start)(grpc::ClientContext*, const Request*, Response*,
                                                           std::function<void(grpc::Status)>),
                                      Request request, Duration limit) {
  auto call = std::make_shared<Call<Request, Response>>();
  call->request = std::move(request);
  call->context.set_deadline(std::chrono::system_clock::now() +
                             std::chrono::duration_cast<std::chrono::microseconds>(limit));
  Completion<grpc::Status> done;
  (async->*start)(&call->context, &call->request, &call->response,
                  [call, done](const grpc::Status& status) { done.complete(status); });
  CancelOnExit guard{call->context};
  const grpc::Status status = CO_TRY(co_await done.wait());
  guard.done = true;
  if (!status.ok()) co_return std::unexpected(error_of(status));
  co_return std::move(call->response);
}

template <class T>
Result<> no_value(const Result<T>& result) {
  if (!result) return std::unexpected(result.error());
  return {};
}

// A stream whose messages matter only as "something happened".
template <class Request, class Message>
class Listener final : public grpc::ClientReadReactor<Message> {
 public:
  struct Shared {
    runtime::Signal signal;
    std::mutex mutex;
    std::optional<grpc::Status> ended;
  };

  template <class Async>
  void begin(Async* async,
             void (Async::*start)(grpc::ClientContext*, const Request*, grpc::ClientReadReactor<Message>*)) {
    (async->*start)(&context_, &request_, this);
    this->StartRead(&message_);
    this->StartCall();
  }
  Request& request() { return request_; }
  grpc::ClientContext& context() { return context_; }
  const std::shared_ptr<Shared>& shared() const { return shared_; }

  void OnReadInitialMetadataDone(bool) override { shared_->signal.notify(); }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    shared_->signal.notify();
    this->StartRead(&message_);
  }
  void OnDone(const grpc::Status& status) override {
    {
      const std::lock_guard lock(shared_->mutex);
      shared_->ended = status;
    }
    shared_->signal.notify();
    delete this;  // gRPC has let go of it; the context is no longer in use
  }

 private:
  grpc::ClientContext context_;
  Request request_;
  Message message_;
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

template <class Request, class Message, class Async>
Reply<> listen(Async* async,
               void (Async::*start)(grpc::ClientContext*, const Request*, grpc::ClientReadReactor<Message>*),
               Request request, std::function<void()> changed, std::span<const Duration> echoes) {
  auto* listener = new Listener<Request, Message>();  // deletes itself in OnDone
  listener->request() = std::move(request);
  const auto shared = listener->shared();
  listener->begin(async, start);
  size_t echo = echoes.size();  // the next one due after the last event
  for (;;) {
    const Result<> woken =
        echo < echoes.size() ? co_await runtime::with_timeout(echoes[echo], "an echo", shared->signal.wait())
                             : co_await shared->signal.wait();
    const bool is_echo = !woken && woken.error().code == Code::kDeadlineExceeded;
    {
      const std::lock_guard lock(shared->mutex);
      if (shared->ended) co_return std::unexpected(error_of(*shared->ended));
      // Under the mutex the listener cannot go away: OnDone sets `ended` first.
      if (!woken && !is_echo) listener->context().TryCancel();
    }
    if (!woken && !is_echo) co_return woken;
    echo = is_echo ? echo + 1 : 0;
    changed();
  }
}

std::string target_of(const std::string& endpoint) {
  return endpoint.starts_with("unix:") ? endpoint : "unix://" + endpoint;
}

std::shared_ptr<grpc::Channel> make_channel(const std::string& endpoint) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kMinReconnectMs);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kMinReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // The socket's authority is a path, which containerd's HTTP/2 server would refuse as a host.
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  return grpc::CreateCustomChannel(target_of(endpoint), grpc::InsecureChannelCredentials(), arguments);
}

pb::ImageSpec image_spec(const std::string& image) {
  pb::ImageSpec spec;
  spec.set_image(image);
  return spec;
}

}  // namespace

struct CriClient::State {
  explicit State(const std::string& endpoint)
      : channel(make_channel(endpoint)),
        runtime(pb::RuntimeService::NewStub(channel)),
        images(pb::ImageService::NewStub(channel)),
        events(events::Events::NewStub(channel)) {
    net::keep_callback_queue(channel);
  }

  using Runtime = std::remove_pointer_t<decltype(std::declval<pb::RuntimeService::Stub>().async())>;
  using Images = std::remove_pointer_t<decltype(std::declval<pb::ImageService::Stub>().async())>;

  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<pb::RuntimeService::Stub> runtime;
  std::unique_ptr<pb::ImageService::Stub> images;
  std::unique_ptr<events::Events::Stub> events;
};

// A call of the runtime or image service by name. The stub's method is overloaded (callback, reactor); the
// cast in unary()'s parameter picks the callback one.
#define CRI_RUNTIME(method, request, limit) \
  unary<pb::method##Response>(state_->runtime->async(), &State::Runtime::method, request, limit)
#define CRI_IMAGES(method, request, limit) \
  unary<pb::method##Response>(state_->images->async(), &State::Images::method, request, limit)

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
  const Result<> ended = co_await listen<pb::GetEventsRequest, pb::ContainerEventResponse>(
      state_->runtime->async(), &State::Runtime::GetContainerEvents, pb::GetEventsRequest(), changed, {});
  if (ended || ended.error().code != Code::kUnimplemented) co_return ended;
  events::SubscribeRequest request;
  request.add_filters("namespace==k8s.io,topic~=\"^/tasks/\"");
  using Events = std::remove_pointer_t<decltype(state_->events->async())>;
  co_return co_await listen<events::SubscribeRequest, events::Envelope>(
      state_->events->async(), &Events::Subscribe, std::move(request), changed, kContainerdEchoes);
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

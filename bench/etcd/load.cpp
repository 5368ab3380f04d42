#include "load.hpp"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "etcd/rpc.grpc.pb.h"
#include "kubernetes_objects.hpp"
#include "unary_load.hpp"

namespace cloudless::bench {

namespace pb = ::etcdserverpb;
using Steady = std::chrono::steady_clock;

namespace {

// Connections that callers share, as those of kube-apiserver do.
constexpr int kConnections = 4;
constexpr int kPods = 500;
constexpr int kNodes = 50;
constexpr int64_t kListLimit = 500;

std::shared_ptr<grpc::Channel> connect(const std::string& endpoint, int number = 0) {
  grpc::ChannelArguments arguments;
  // Otherwise channels to one address share one connection.
  arguments.SetInt("cloudless.connection", number);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(endpoint, grpc::InsecureChannelCredentials(), arguments);
}

std::vector<std::unique_ptr<pb::KV::Stub>> connect_all(const std::string& endpoint, int clients) {
  std::vector<std::unique_ptr<pb::KV::Stub>> stubs;
  for (int i = 0; i < std::min(clients, kConnections); ++i) {
    stubs.push_back(pb::KV::NewStub(connect(endpoint, i)));
  }
  return stubs;
}

// Hands out the numbers of operations and collects how long each took.
class Run {
 public:
  Run(int clients, int total) : total_(total), active_(clients) { latencies_.resize(total); }

  std::optional<int> take() {
    const int number = next_.fetch_add(1);
    return number < total_ ? std::optional(number) : std::nullopt;
  }
  void ended(int number, Steady::duration took, bool ok) {
    latencies_[number] = std::chrono::duration<double, std::milli>(took).count();
    if (!ok) failed_.fetch_add(1);
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    if (--active_ == 0) done_.notify_all();
  }
  LoadResult wait(Steady::time_point begun) {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return active_ == 0; });
    const double seconds = std::chrono::duration<double>(Steady::now() - begun).count();
    std::sort(latencies_.begin(), latencies_.end());
    return {.per_second = total_ / seconds,
            .p50_ms = latencies_[latencies_.size() / 2],
            .p99_ms = latencies_[latencies_.size() * 99 / 100],
            .longest_ms = latencies_.back(),
            .failed = failed_.load()};
  }

 private:
  const int total_;
  std::atomic<int> next_{0};
  std::atomic<int64_t> failed_{0};
  std::vector<double> latencies_;
  std::mutex mutex_;
  std::condition_variable done_;
  int active_;
};

// The keys of the mix and what their writers know of them.
struct Cluster {
  struct Object {
    std::mutex mutex;  // one writer at a time, as a controller's work queue has it
    int64_t revision = 0;
    int version = 0;
  };
  std::vector<Object> pods = std::vector<Object>(kPods);
  std::vector<Object> leases = std::vector<Object>(kNodes);
  std::atomic<int> events{0};
  std::atomic<int64_t> writes{0};
};

// One caller of the mix; blocking, so that a step can hold its object.
class MixCaller {
 public:
  MixCaller(pb::KV::Stub& stub, Run& run, Cluster& cluster, uint64_t seed)
      : stub_(stub), run_(run), cluster_(cluster), random_(seed) {}

  void run() {
    while (const std::optional<int> number = run_.take()) {
      const auto begun = Steady::now();
      const bool ok = step(*number);
      run_.ended(*number, Steady::now() - begun, ok);
    }
    run_.leave();
  }

 private:
  bool step(int number) {
    const uint64_t dice = random_() % 100;
    if (dice < 50) return write_pod(static_cast<int>(random_() % kPods));
    if (dice < 75) return renew_lease(static_cast<int>(random_() % kNodes));
    if (dice < 95) return record_event(number);
    return list_pods();
  }
  bool write_pod(int number) {
    Cluster::Object& pod = cluster_.pods[number];
    const std::lock_guard lock(pod.mutex);
    return write(fmt::format("/registry/pods/default/web-{:05}", number), pod,
                 pod_json(number, pod.version + 1));
  }
  bool renew_lease(int node) {
    Cluster::Object& lease = cluster_.leases[node];
    const std::lock_guard lock(lease.mutex);
    return write(fmt::format("/registry/leases/kube-node-lease/node-{:03}", node), lease,
                 lease_json(node, lease.version + 1));
  }
  bool record_event(int number) {
    Cluster::Object fresh;
    const int id = cluster_.events.fetch_add(1);
    return write(fmt::format("/registry/events/default/web-{:05}.{:016x}", number % kPods, id), fresh,
                 event_json(number % kPods, id));
  }
  bool write(const std::string& key, Cluster::Object& object, std::string value) {
    pb::TxnRequest request;
    pb::Compare& compare = *request.add_compare();
    compare.set_target(pb::Compare::MOD);
    compare.set_key(key);
    compare.set_mod_revision(object.revision);
    pb::PutRequest& put = *request.add_success()->mutable_request_put();
    put.set_key(key);
    put.set_value(std::move(value));
    request.add_failure()->mutable_request_range()->set_key(key);
    pb::TxnResponse response;
    grpc::ClientContext context;
    if (!stub_.Txn(&context, request, &response).ok() || !response.succeeded()) return false;
    object.revision = response.header().revision();
    ++object.version;
    cluster_.writes.fetch_add(1);
    return true;
  }
  bool list_pods() {
    pb::RangeRequest request;
    request.set_key("/registry/pods/");
    request.set_range_end("/registry/pods0");
    request.set_limit(kListLimit);
    pb::RangeResponse response;
    grpc::ClientContext context;
    return stub_.Range(&context, request, &response).ok();
  }

  pb::KV::Stub& stub_;
  Run& run_;
  Cluster& cluster_;
  std::mt19937_64 random_;
};

// Counts what it is told until it is cancelled.
class WatchCaller final : public grpc::ClientBidiReactor<pb::WatchRequest, pb::WatchResponse> {
 public:
  WatchCaller(pb::Watch::Stub& stub, std::atomic<int64_t>& events) : events_(events) {
    auto& create = *request_.mutable_create_request();
    create.set_key("/registry/pods/");
    create.set_range_end("/registry/pods0");
    create.set_prev_kv(true);
    stub.async()->Watch(&context_, this);
    StartWrite(&request_);
    StartRead(&response_);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    events_.fetch_add(response_.events_size());
    StartRead(&response_);
  }
  void OnDone(const grpc::Status&) override {
    const std::lock_guard lock(mutex_);
    done_ = true;
    ended_.notify_all();
  }
  void stop() {
    context_.TryCancel();
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return done_; });
  }

 private:
  std::atomic<int64_t>& events_;
  grpc::ClientContext context_;
  pb::WatchRequest request_;
  pb::WatchResponse response_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool done_ = false;
};

}  // namespace

LoadResult put_load(const std::string& endpoint, int clients, int total, size_t value_bytes,
                    const std::string& prefix) {
  std::vector<std::string> messages;
  for (int number = 0; number < total; ++number) {
    pb::PutRequest request;
    request.set_key(fmt::format("{}{:08}", prefix, number));
    request.set_value(json_filler(static_cast<uint64_t>(number), value_bytes));
    messages.push_back(request.SerializeAsString());
  }
  CallTimes times = call_all(endpoint, "/etcdserverpb.KV/Put", messages, clients, kConnections);
  std::sort(times.latencies_ms.begin(), times.latencies_ms.end());
  return {.per_second = total / times.seconds,
          .p50_ms = times.latencies_ms[times.latencies_ms.size() / 2],
          .p99_ms = times.latencies_ms[times.latencies_ms.size() * 99 / 100],
          .longest_ms = times.latencies_ms.back(),
          .failed = times.failed};
}

bool compact_all(const std::string& endpoint) {
  const auto stub = pb::KV::NewStub(connect(endpoint));
  pb::RangeRequest range;
  range.set_key("present");
  pb::RangeResponse present;
  grpc::ClientContext range_context;
  if (!stub->Range(&range_context, range, &present).ok()) return false;
  pb::CompactionRequest request;
  request.set_revision(present.header().revision());
  request.set_physical(true);
  pb::CompactionResponse response;
  grpc::ClientContext context;
  return stub->Compact(&context, request, &response).ok();
}

MixResult kubernetes_load(const std::string& endpoint, int clients, int total, int watchers) {
  const auto stubs = connect_all(endpoint, clients);
  const auto watch_stub = pb::Watch::NewStub(connect(endpoint, kConnections));
  std::atomic<int64_t> events{0};
  std::vector<std::unique_ptr<WatchCaller>> watching;
  for (int i = 0; i < watchers; ++i) watching.push_back(std::make_unique<WatchCaller>(*watch_stub, events));
  Run run(clients, total);
  Cluster cluster;
  std::vector<std::thread> threads;
  const auto begun = Steady::now();
  for (int i = 0; i < clients; ++i) {
    threads.emplace_back(
        [&, i] { MixCaller(*stubs[i % stubs.size()], run, cluster, static_cast<uint64_t>(i)).run(); });
  }
  MixResult result{.operations = run.wait(begun)};
  for (std::thread& thread : threads) thread.join();
  const double seconds = std::chrono::duration<double>(Steady::now() - begun).count();
  for (const auto& watch : watching) watch->stop();
  result.events_per_second = static_cast<double>(events.load()) / seconds;
  result.writes = cluster.writes.load();
  return result;
}

double seconds_until_ready(const std::string& endpoint, std::chrono::seconds limit) {
  const auto begun = Steady::now();
  while (Steady::now() - begun < limit) {
    const auto stub = pb::KV::NewStub(connect(endpoint));
    pb::RangeRequest request;
    request.set_key("ready");
    pb::RangeResponse response;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + limit);
    if (stub->Range(&context, request, &response).ok()) {
      return std::chrono::duration<double>(Steady::now() - begun).count();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return -1;
}

double write_to_event_ms(const std::string& writer, const std::string& watcher, int samples) {
  const auto kv = pb::KV::NewStub(connect(writer));
  const auto watch = pb::Watch::NewStub(connect(watcher, 1));
  grpc::ClientContext context;
  const auto stream = watch->Watch(&context);
  pb::WatchRequest request;
  request.mutable_create_request()->set_key("across");
  stream->Write(request);
  pb::WatchResponse response;
  stream->Read(&response);
  std::vector<double> latencies;
  for (int i = 0; i < samples; ++i) {
    pb::PutRequest put;
    put.set_key("across");
    put.set_value(std::to_string(i));
    pb::PutResponse answer;
    grpc::ClientContext put_context;
    const auto begun = Steady::now();
    if (!kv->Put(&put_context, put, &answer).ok() || !stream->Read(&response)) break;
    latencies.push_back(std::chrono::duration<double, std::milli>(Steady::now() - begun).count());
  }
  context.TryCancel();
  stream->Finish();
  if (latencies.empty()) return -1;
  std::sort(latencies.begin(), latencies.end());
  return latencies[latencies.size() / 2];
}

}  // namespace cloudless::bench

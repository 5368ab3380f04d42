#include "etcd/remote_store.hpp"

#include "base/files.hpp"
#include "etcd/client_convert.hpp"
#include "etcd/remote_watcher.hpp"
#include "net/grpc_callback_queue.hpp"
#include "store/errors.hpp"

namespace cloudless::etcd {

using runtime::Task;
namespace pb = ::etcdserverpb;

namespace {

// As kube-apiserver's client: a dead connection is noticed within these together.
constexpr int kKeepaliveMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 10'000;

constexpr auto kKv = [](Cluster::Member& member) { return member.kv->async(); };
constexpr auto kLease = [](Cluster::Member& member) { return member.lease->async(); };
constexpr auto kMaintenance = [](Cluster::Member& member) { return member.maintenance->async(); };

// A method of a stub, which is overloaded, as an object.
#define CLOUDLESS_RPC(method)                                                      \
  [](auto* async, auto* context, const auto* request, auto* response, auto done) { \
    async->method(context, request, response, std::move(done));                    \
  }

class RemoteStore final : public store::Store {
 public:
  explicit RemoteStore(std::vector<Cluster::Member> members) : cluster_(std::move(members)) {}

  Task<Result<store::RangeResponse>> range(store::RangeRequest request) override {
    co_return from_pb(CO_TRY(co_await cluster_.call<pb::RangeResponse>(
                          kKv, CLOUDLESS_RPC(Range), to_pb(request), Repeat::kOnAnotherMember)),
                      request.keys_only);
  }
  Task<Result<store::PutResponse>> put(store::PutRequest request) override {
    co_return from_pb(
        CO_TRY(co_await cluster_.call<pb::PutResponse>(kKv, CLOUDLESS_RPC(Put), to_pb(request))));
  }
  Task<Result<store::DeleteRangeResponse>> delete_range(store::DeleteRangeRequest request) override {
    co_return from_pb(CO_TRY(
        co_await cluster_.call<pb::DeleteRangeResponse>(kKv, CLOUDLESS_RPC(DeleteRange), to_pb(request))));
  }
  Task<Result<store::TxnResponse>> txn(store::TxnRequest request) override {
    co_return from_pb(
        CO_TRY(co_await cluster_.call<pb::TxnResponse>(kKv, CLOUDLESS_RPC(Txn), to_pb(request))));
  }
  Task<Result<store::Revision>> compact(store::Revision revision, bool physical) override {
    pb::CompactionRequest request;
    request.set_revision(revision);
    request.set_physical(physical);
    const auto response =
        CO_TRY(co_await cluster_.call<pb::CompactionResponse>(kKv, CLOUDLESS_RPC(Compact), request));
    compacted_ = revision;
    co_return response.header().revision();
  }
  Task<Result<std::unique_ptr<store::Watcher>>> watch(store::WatchRequest request) override {
    auto watcher = std::make_unique<RemoteWatcher>(cluster_, std::move(request));
    CO_TRY(co_await watcher->start());
    co_return std::move(watcher);
  }

  Task<Result<store::Lease>> grant_lease(store::LeaseId id, std::chrono::seconds ttl) override {
    pb::LeaseGrantRequest request;
    request.set_id(id);
    request.set_ttl(ttl.count());
    const auto response =
        CO_TRY(co_await cluster_.call<pb::LeaseGrantResponse>(kLease, CLOUDLESS_RPC(LeaseGrant), request));
    const std::chrono::seconds granted(response.ttl());
    co_return store::Lease{.id = response.id(), .granted_ttl = granted, .ttl = granted};
  }
  Task<Result<store::Revision>> revoke_lease(store::LeaseId id) override {
    pb::LeaseRevokeRequest request;
    request.set_id(id);
    co_return CO_TRY(
        co_await cluster_.call<pb::LeaseRevokeResponse>(kLease, CLOUDLESS_RPC(LeaseRevoke), request))
        .header()
        .revision();
  }
  Task<Result<std::chrono::seconds>> keep_lease_alive(store::LeaseId id) override;
  Task<Result<store::Lease>> lease_time_to_live(store::LeaseId id, bool with_keys) override {
    pb::LeaseTimeToLiveRequest request;
    request.set_id(id);
    request.set_keys(with_keys);
    const auto response = CO_TRY(co_await cluster_.call<pb::LeaseTimeToLiveResponse>(
        kLease, CLOUDLESS_RPC(LeaseTimeToLive), request, Repeat::kOnAnotherMember));
    store::Lease lease{.id = id,
                       .granted_ttl = std::chrono::seconds(response.grantedttl()),
                       .ttl = std::chrono::seconds(response.ttl())};
    lease.keys.assign(response.keys().begin(), response.keys().end());
    std::ranges::sort(lease.keys);
    co_return lease;
  }
  Task<Result<std::vector<store::LeaseId>>> leases() override {
    const auto response = CO_TRY(co_await cluster_.call<pb::LeaseLeasesResponse>(
        kLease, CLOUDLESS_RPC(LeaseLeases), pb::LeaseLeasesRequest(), Repeat::kOnAnotherMember));
    std::vector<store::LeaseId> ids;
    for (const auto& lease : response.leases()) ids.push_back(lease.id());
    std::ranges::sort(ids);
    co_return ids;
  }

  Task<Result<store::Status>> status() override;
  // A read of a key that hardly exists; its header tells.
  Task<Result<store::Revision>> revision() override {
    co_return CO_TRY(co_await range({.key = std::string(1, '\0'), .keys_only = true})).revision;
  }
  Task<Result<store::HashKv>> hash_kv(store::Revision revision) override {
    pb::HashKVRequest request;
    request.set_revision(revision);
    const auto response =
        CO_TRY(co_await cluster_.call<pb::HashKVResponse>(kMaintenance, CLOUDLESS_RPC(HashKV), request));
    co_return store::HashKv{.hash = response.hash(),
                            .revision = revision != 0 ? revision : response.header().revision(),
                            .compact_revision = response.compact_revision()};
  }
  Task<Result<>> defragment() override {
    CO_TRY(co_await cluster_.call<pb::DefragmentResponse>(kMaintenance, CLOUDLESS_RPC(Defragment),
                                                          pb::DefragmentRequest()));
    co_return Result<>();
  }
  Task<Result<bool>> disarm(store::AlarmType alarm) override {
    pb::AlarmRequest request;
    request.set_action(pb::AlarmRequest::DEACTIVATE);
    request.set_alarm(alarm == store::AlarmType::kNoSpace ? pb::NOSPACE : pb::CORRUPT);
    co_return CO_TRY(co_await cluster_.call<pb::AlarmResponse>(kMaintenance, CLOUDLESS_RPC(Alarm), request))
            .alarms_size() > 0;
  }
  Task<Result<>> restore(store::Revision, std::vector<store::KeyValue>, std::vector<store::Lease>) override {
    co_return fail(Code::kUnimplemented, "an etcd cluster makes its own revisions");
  }

 private:
  Cluster cluster_;
  std::atomic<store::Revision> compacted_{0};
};

// One answer on a stream of its own: leases are kept alive every few seconds, not by the thousand.
class KeepAliveCall final
    : public grpc::ClientBidiReactor<pb::LeaseKeepAliveRequest, pb::LeaseKeepAliveResponse> {
 public:
  using Answer = Result<pb::LeaseKeepAliveResponse>;

  static runtime::Completion<Answer> begin(pb::Lease::Stub& stub, store::LeaseId id) {
    auto* call = new KeepAliveCall;
    const runtime::Completion<Answer> answered = call->answered_;
    call->context_.set_deadline(std::chrono::system_clock::now() + kCallLimit);
    call->request_.set_id(id);
    stub.async()->LeaseKeepAlive(&call->context_, call);
    call->StartWriteLast(&call->request_, grpc::WriteOptions());
    call->StartRead(&call->response_);
    call->StartCall();
    return answered;
  }
  void OnReadDone(bool ok) override {
    if (ok) answered_.complete(response_);
    context_.TryCancel();
  }
  void OnDone(const grpc::Status& status) override {
    answered_.complete(std::unexpected(from_grpc(status)));
    delete this;
  }

 private:
  grpc::ClientContext context_;
  pb::LeaseKeepAliveRequest request_;
  pb::LeaseKeepAliveResponse response_;
  const runtime::Completion<Answer> answered_;
};

Task<Result<std::chrono::seconds>> RemoteStore::keep_lease_alive(store::LeaseId id) {
  const auto answered = KeepAliveCall::begin(*cluster_.member().lease, id);
  const pb::LeaseKeepAliveResponse response = CO_TRY(CO_TRY(co_await answered.wait()));
  if (response.ttl() <= 0) co_return std::unexpected(store::errors::lease_not_found());
  co_return std::chrono::seconds(response.ttl());
}

Task<Result<store::Status>> RemoteStore::status() {
  const auto told = CO_TRY(co_await cluster_.call<pb::StatusResponse>(
      kMaintenance, CLOUDLESS_RPC(Status), pb::StatusRequest(), Repeat::kOnAnotherMember));
  const store::RangeResponse all = CO_TRY(
      co_await range({.key = std::string(1, '\0'), .range_end = std::string(1, '\0'), .count_only = true}));
  const auto raised = CO_TRY(co_await cluster_.call<pb::AlarmResponse>(
      kMaintenance, CLOUDLESS_RPC(Alarm), pb::AlarmRequest(), Repeat::kOnAnotherMember));
  store::Status status{.revision = all.revision,
                       .compact_revision = compacted_,
                       .db_size_bytes = told.dbsize(),
                       .db_size_in_use_bytes = told.dbsizeinuse(),
                       .keys = all.count,
                       .cluster_id = told.header().cluster_id(),
                       .member_id = told.header().member_id(),
                       .version = told.version()};
  for (const auto& alarm : raised.alarms()) {
    status.alarms.push_back(alarm.alarm() == pb::NOSPACE ? store::AlarmType::kNoSpace
                                                         : store::AlarmType::kCorrupt);
  }
  co_return status;
}

Result<std::shared_ptr<grpc::ChannelCredentials>> credentials(const RemoteOptions& options) {
  if (options.endpoints.front().starts_with("http://")) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  if (!options.ca_file.empty()) ssl.pem_root_certs = TRY(read_file(options.ca_file));
  if (!options.cert_file.empty()) ssl.pem_cert_chain = TRY(read_file(options.cert_file));
  if (!options.key_file.empty()) ssl.pem_private_key = TRY(read_file(options.key_file));
  return grpc::SslCredentials(ssl);
}

}  // namespace

Result<std::vector<std::string>> parse_endpoints(std::string_view urls) {
  std::vector<std::string> endpoints;
  while (!urls.empty()) {
    const size_t comma = std::min(urls.find(','), urls.size());
    endpoints.emplace_back(urls.substr(0, comma));
    urls.remove_prefix(std::min(comma + 1, urls.size()));
    const std::string& url = endpoints.back();
    if (!url.starts_with("http://") && !url.starts_with("https://")) {
      return fail(Code::kInvalid, "\"{}\" is no endpoint of etcd: use http://HOST:PORT or https://HOST:PORT",
                  url);
    }
    if (url.starts_with("https://") != endpoints.front().starts_with("https://")) {
      return fail(Code::kInvalid, "the endpoints of one etcd are either all http or all https");
    }
  }
  if (endpoints.empty()) return fail(Code::kInvalid, "no endpoint of etcd is named");
  return endpoints;
}

Result<std::unique_ptr<store::Store>> make_remote_store(RemoteOptions options) {
  const auto creds = TRY(credentials(options));
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetMaxReceiveMessageSize(-1);
  std::vector<Cluster::Member> members;
  for (const std::string& url : options.endpoints) {
    const std::string target = url.substr(url.find("://") + 3);
    const auto channel = grpc::CreateCustomChannel(target, creds, arguments);
    net::keep_callback_queue(channel);
    members.push_back({channel, pb::KV::NewStub(channel), pb::Watch::NewStub(channel),
                       pb::Lease::NewStub(channel), pb::Maintenance::NewStub(channel)});
  }
  return std::make_unique<RemoteStore>(std::move(members));
}

}  // namespace cloudless::etcd

#include "etcd/remote_store.hpp"

#include "etcd/client_convert.hpp"
#include "etcd/remote_watcher.hpp"
#include "etcd/status.hpp"
#include "runtime/timer.hpp"
#include "runtime/worker_pool.hpp"
#include "store/errors.hpp"

namespace cloudless::etcd {

using runtime::Task;
namespace pb = ::etcdserverpb;

namespace {

// As kube-apiserver's client: a dead connection is noticed within these together.
constexpr Duration kPingAfter = std::chrono::seconds(30);
constexpr Duration kPingTimeout = std::chrono::seconds(10);
// Of a member that is away, another one is asked meanwhile; of all, the caller tries again.
constexpr Duration kConnectTimeout = std::chrono::seconds(5);
constexpr Duration kMinBackoff = std::chrono::milliseconds(50);
constexpr Duration kMaxBackoff = std::chrono::seconds(2);
// How long a store that goes waits for its connections to have gone.
constexpr Duration kCloseLimit = std::chrono::seconds(1);
// Names that wait for the resolver.
constexpr size_t kLookups = 100;

struct Workers {
  runtime::WorkerPool pool{"etcd-resolve", 1, kLookups};
  net::Resolver resolver{pool};
};

class RemoteStore final : public store::Store {
 public:
  // The workers look up names for the channels.
  RemoteStore(std::unique_ptr<Workers> workers, std::vector<std::unique_ptr<grpc::Channel>> members)
      : workers_(std::move(workers)), cluster_(std::move(members)) {}
  ~RemoteStore() override { cluster_.close(kCloseLimit); }

  Task<Result<store::RangeResponse>> range(store::RangeRequest request) override {
    co_return from_pb(
        CO_TRY(co_await cluster_.call<pb::RangeResponse>("KV/Range", to_pb(request), Repeat::kAlways)),
        request.keys_only);
  }
  Task<Result<store::PutResponse>> put(store::PutRequest request) override {
    co_return from_pb(CO_TRY(co_await cluster_.call<pb::PutResponse>("KV/Put", to_pb(request))));
  }
  Task<Result<store::DeleteRangeResponse>> delete_range(store::DeleteRangeRequest request) override {
    co_return from_pb(
        CO_TRY(co_await cluster_.call<pb::DeleteRangeResponse>("KV/DeleteRange", to_pb(request))));
  }
  Task<Result<store::TxnResponse>> txn(store::TxnRequest request) override {
    co_return from_pb(CO_TRY(co_await cluster_.call<pb::TxnResponse>("KV/Txn", to_pb(request))));
  }
  Task<Result<store::Revision>> compact(store::Revision revision, bool physical) override {
    pb::CompactionRequest request;
    request.set_revision(revision);
    request.set_physical(physical);
    const auto response = CO_TRY(co_await cluster_.call<pb::CompactionResponse>("KV/Compact", request));
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
    const auto response = CO_TRY(co_await cluster_.call<pb::LeaseGrantResponse>("Lease/LeaseGrant", request));
    const std::chrono::seconds granted(response.ttl());
    co_return store::Lease{.id = response.id(), .granted_ttl = granted, .ttl = granted};
  }
  Task<Result<store::Revision>> revoke_lease(store::LeaseId id) override {
    pb::LeaseRevokeRequest request;
    request.set_id(id);
    co_return CO_TRY(co_await cluster_.call<pb::LeaseRevokeResponse>("Lease/LeaseRevoke", request))
        .header()
        .revision();
  }
  Task<Result<std::chrono::seconds>> keep_lease_alive(store::LeaseId id) override;
  Task<Result<store::Lease>> lease_time_to_live(store::LeaseId id, bool with_keys) override {
    pb::LeaseTimeToLiveRequest request;
    request.set_id(id);
    request.set_keys(with_keys);
    const auto response = CO_TRY(co_await cluster_.call<pb::LeaseTimeToLiveResponse>(
        "Lease/LeaseTimeToLive", request, Repeat::kAlways));
    store::Lease lease{.id = id,
                       .granted_ttl = std::chrono::seconds(response.grantedttl()),
                       .ttl = std::chrono::seconds(response.ttl())};
    lease.keys.assign(response.keys().begin(), response.keys().end());
    std::ranges::sort(lease.keys);
    co_return lease;
  }
  Task<Result<std::vector<store::LeaseId>>> leases() override {
    const auto response = CO_TRY(co_await cluster_.call<pb::LeaseLeasesResponse>(
        "Lease/LeaseLeases", pb::LeaseLeasesRequest(), Repeat::kAlways));
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
    const auto response = CO_TRY(co_await cluster_.call<pb::HashKVResponse>("Maintenance/HashKV", request));
    co_return store::HashKv{.hash = response.hash(),
                            .revision = revision != 0 ? revision : response.header().revision(),
                            .compact_revision = response.compact_revision()};
  }
  Task<Result<>> defragment() override {
    CO_TRY(co_await cluster_.call<pb::DefragmentResponse>("Maintenance/Defragment", pb::DefragmentRequest()));
    co_return Result<>();
  }
  Task<Result<bool>> disarm(store::AlarmType alarm) override {
    pb::AlarmRequest request;
    request.set_action(pb::AlarmRequest::DEACTIVATE);
    request.set_alarm(alarm == store::AlarmType::kNoSpace ? pb::NOSPACE : pb::CORRUPT);
    co_return CO_TRY(co_await cluster_.call<pb::AlarmResponse>("Maintenance/Alarm", request)).alarms_size() >
        0;
  }
  Task<Result<>> restore(store::Revision, std::vector<store::KeyValue>, std::vector<store::Lease>) override {
    co_return fail(Code::kUnimplemented, "an etcd cluster makes its own revisions");
  }

 private:
  Task<Result<pb::LeaseKeepAliveResponse>> keep_alive_once(pb::LeaseKeepAliveRequest request);

  const std::unique_ptr<Workers> workers_;
  Cluster cluster_;
  std::atomic<store::Revision> compacted_{0};
};

// One answer on a stream of its own: leases are kept alive every few seconds, not by the thousand.
Task<Result<std::chrono::seconds>> RemoteStore::keep_lease_alive(store::LeaseId id) {
  pb::LeaseKeepAliveRequest request;
  request.set_id(id);
  const auto response =
      CO_TRY(co_await runtime::with_timeout(kCallLimit, "keeping a lease alive", keep_alive_once(request)));
  if (response.ttl() <= 0) co_return std::unexpected(store::errors::lease_not_found());
  co_return std::chrono::seconds(response.ttl());
}

Task<Result<pb::LeaseKeepAliveResponse>> RemoteStore::keep_alive_once(pb::LeaseKeepAliveRequest request) {
  grpc::Channel* const member = CO_TRY(co_await cluster_.reachable_member());
  const auto stream = CO_TRY(co_await member->stream("/etcdserverpb.Lease/LeaseKeepAlive",
                                                     grpc::framed(request), grpc::Sending::kNothingMore));
  auto response = CO_TRY(co_await grpc::receive<pb::LeaseKeepAliveResponse>(*stream));
  if (!response) co_return fail(Code::kUnavailable, "the member ended the stream without an answer");
  co_return std::move(*response);
}

Task<Result<store::Status>> RemoteStore::status() {
  const auto told = CO_TRY(
      co_await cluster_.call<pb::StatusResponse>("Maintenance/Status", pb::StatusRequest(), Repeat::kAlways));
  const store::RangeResponse all = CO_TRY(
      co_await range({.key = std::string(1, '\0'), .range_end = std::string(1, '\0'), .count_only = true}));
  const auto raised = CO_TRY(
      co_await cluster_.call<pb::AlarmResponse>("Maintenance/Alarm", pb::AlarmRequest(), Repeat::kAlways));
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

Result<std::shared_ptr<net::TlsClientConfig>> tls_config(const RemoteOptions& options) {
  if (options.endpoints.front().starts_with("http://")) return nullptr;
  net::TlsClientOptions tls;
  if (!options.ca_file.empty()) tls.ca = net::PemSource::file(options.ca_file);
  if (!options.cert_file.empty()) tls.identity.certificate = net::PemSource::file(options.cert_file);
  if (!options.key_file.empty()) tls.identity.key = net::PemSource::file(options.key_file);
  return net::TlsClientConfig::make(std::move(tls));
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
  const auto tls = TRY(tls_config(options));
  auto workers = std::make_unique<Workers>();
  std::vector<std::unique_ptr<grpc::Channel>> members;
  for (const std::string& url : options.endpoints) {
    members.push_back(
        TRY(grpc::Channel::make({.target = url,
                                 .tls = tls,
                                 .rules = {.message_bytes = grpc::kAnyMessage, .error_of = from_status},
                                 .connect_timeout = kConnectTimeout,
                                 .min_backoff = kMinBackoff,
                                 .max_backoff = kMaxBackoff,
                                 .ping_after = kPingAfter,
                                 .ping_timeout = kPingTimeout},
                                workers->resolver, Logger())));
  }
  return std::make_unique<RemoteStore>(std::move(workers), std::move(members));
}

}  // namespace cloudless::etcd

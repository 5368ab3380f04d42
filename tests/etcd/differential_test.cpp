// The same requests to Debian's real etcd and to a served store: the same answers, the same errors.
//
// Left out of the comparison, since they name the server or tell the time: cluster and member ids, raft
// terms, the seconds that a lease has left.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <limits>
#include <map>

#include "base/random.hpp"
#include "etcd/rpc.grpc.pb.h"
#include "etcd/served_store.hpp"
#include "etcd/wire_text.hpp"

namespace cloudless::etcd::testing {
namespace {

namespace pb = ::etcdserverpb;

constexpr int kOperations = 1500;
constexpr int64_t kFirstLease = 7000;
constexpr int kLeases = 5;
constexpr std::chrono::seconds kPatience{60};

// A message as text without what differs between servers.
template <class Message>
std::string comparable(Message message) {
  if constexpr (requires { message.mutable_header(); }) {
    if (message.has_header()) {
      message.mutable_header()->clear_cluster_id();
      message.mutable_header()->clear_member_id();
      message.mutable_header()->clear_raft_term();
    }
  }
  return wire_text(message.SerializeAsString());
}

// A client of one server: what it answers, as text.
class Peer {
 public:
  explicit Peer(const std::string& endpoint)
      : channel_(grpc::CreateChannel(endpoint, grpc::InsecureChannelCredentials())),
        kv_(pb::KV::NewStub(channel_)),
        lease_(pb::Lease::NewStub(channel_)),
        watch_(pb::Watch::NewStub(channel_)) {}

  std::string operator()(const pb::RangeRequest& r) {
    return call<pb::RangeResponse>(*kv_, &pb::KV::Stub::Range, r);
  }
  std::string operator()(const pb::PutRequest& r) {
    return call<pb::PutResponse>(*kv_, &pb::KV::Stub::Put, r);
  }
  std::string operator()(const pb::DeleteRangeRequest& r) {
    return call<pb::DeleteRangeResponse>(*kv_, &pb::KV::Stub::DeleteRange, r);
  }
  std::string operator()(const pb::TxnRequest& r) {
    return call<pb::TxnResponse>(*kv_, &pb::KV::Stub::Txn, r);
  }
  std::string operator()(const pb::CompactionRequest& r) {
    return call<pb::CompactionResponse>(*kv_, &pb::KV::Stub::Compact, r);
  }
  std::string operator()(const pb::LeaseGrantRequest& r) {
    return call<pb::LeaseGrantResponse>(*lease_, &pb::Lease::Stub::LeaseGrant, r);
  }
  std::string operator()(const pb::LeaseRevokeRequest& r) {
    return call<pb::LeaseRevokeResponse>(*lease_, &pb::Lease::Stub::LeaseRevoke, r);
  }
  std::string operator()(const pb::LeaseTimeToLiveRequest& r) {
    return call<pb::LeaseTimeToLiveResponse>(
        *lease_, &pb::Lease::Stub::LeaseTimeToLive, r, [](pb::LeaseTimeToLiveResponse& response) {
          if (response.ttl() > 0) response.set_ttl(1);
          std::sort(response.mutable_keys()->begin(), response.mutable_keys()->end());
        });
  }
  std::string operator()(const pb::LeaseLeasesRequest& r) {
    return call<pb::LeaseLeasesResponse>(
        *lease_, &pb::Lease::Stub::LeaseLeases, r, [](pb::LeaseLeasesResponse& response) {
          std::sort(response.mutable_leases()->begin(), response.mutable_leases()->end(),
                    [](const pb::LeaseStatus& a, const pb::LeaseStatus& b) { return a.id() < b.id(); });
        });
  }
  std::string operator()(const pb::LeaseKeepAliveRequest& r) {
    grpc::ClientContext context;
    auto stream = lease_->LeaseKeepAlive(&context);
    stream->Write(r);
    pb::LeaseKeepAliveResponse response;
    const bool answered = stream->Read(&response);
    stream->WritesDone();
    context.TryCancel();
    stream->Finish();
    return answered ? comparable(response) : "no answer";
  }

  int64_t revision() {
    pb::RangeRequest request;
    request.set_key("none");
    pb::RangeResponse response;
    grpc::ClientContext context;
    kv_->Range(&context, request, &response);
    return response.header().revision();
  }

  // What a watch says until an event of revision `until`, or its end, one line an event.
  std::vector<std::string> watch(const pb::WatchCreateRequest& wanted, int64_t until) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    auto stream = watch_->Watch(&context);
    pb::WatchRequest request;
    *request.mutable_create_request() = wanted;
    stream->Write(request);
    std::vector<std::string> lines;
    pb::WatchResponse response;
    for (bool done = false; !done && stream->Read(&response);) {
      lines.push_back(fmt::format("id {} created {} canceled {} compacted {} {}", response.watch_id(),
                                  response.created(), response.canceled(), response.compact_revision(),
                                  response.cancel_reason()));
      // How events are cut into responses is the server's choice.
      if (response.events_size() > 0) lines.pop_back();
      for (const auto& event : response.events()) {
        lines.push_back(wire_text(event.SerializeAsString()));
        done = done || event.kv().mod_revision() >= until;
      }
      done = done || response.canceled();
    }
    context.TryCancel();
    stream->Finish();
    return lines;
  }

 private:
  template <class Response, class Stub, class Call, class Request, class Normalise = void (*)(Response&)>
  std::string call(
      Stub& stub, Call method, const Request& request, const Normalise& normalise = [](Response&) {}) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) return fmt::format("error {}: {}", int{status.error_code()}, status.error_message());
    normalise(response);
    return comparable(response);
  }

  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<pb::KV::Stub> kv_;
  std::unique_ptr<pb::Lease::Stub> lease_;
  std::unique_ptr<pb::Watch::Stub> watch_;
};

// Requests over a few keys and leases, so that they meet.
class Requests {
 public:
  explicit Requests(uint64_t seed) : random_(seed) {}

  bool chance(int percent) { return random_.below(100) < static_cast<uint64_t>(percent); }
  int64_t below(int64_t bound) { return static_cast<int64_t>(random_.below(static_cast<uint64_t>(bound))); }

  std::string key() { return fmt::format("k{:02}", below(12)); }
  std::string value() { return fmt::format("value-{}", below(6)); }
  std::string range_end() {
    switch (below(6)) {
      case 0:
        return std::string(1, '\0');
      case 1:
        return "k1";
      case 2:
      case 3:
        return key();
      default:
        return "";
    }
  }
  int64_t lease() { return chance(70) ? 0 : kFirstLease + below(kLeases); }
  int64_t past_revision(int64_t now) {
    if (chance(60)) return 0;
    return chance(5) ? now + 1 + below(3) : std::max<int64_t>(1, now - below(40));
  }

  pb::RangeRequest range(int64_t now) {
    pb::RangeRequest r;
    if (!chance(1)) r.set_key(key());
    r.set_range_end(range_end());
    if (chance(30)) r.set_limit(below(6) - 1);
    r.set_revision(past_revision(now));
    r.set_sort_order(static_cast<pb::RangeRequest::SortOrder>(below(3)));
    r.set_sort_target(static_cast<pb::RangeRequest::SortTarget>(below(5)));
    r.set_serializable(chance(30));
    r.set_keys_only(chance(20));
    r.set_count_only(chance(10));
    if (chance(10)) r.set_min_mod_revision(past_revision(now));
    if (chance(10)) r.set_max_mod_revision(past_revision(now));
    if (chance(10)) r.set_min_create_revision(past_revision(now));
    if (chance(10)) r.set_max_create_revision(past_revision(now));
    return r;
  }
  pb::PutRequest put() {
    pb::PutRequest r;
    if (!chance(1)) r.set_key(key());
    r.set_prev_kv(chance(30));
    r.set_ignore_value(chance(8));
    r.set_ignore_lease(chance(8));
    if (!r.ignore_value() || chance(10)) r.set_value(value());
    if (!r.ignore_lease() || chance(10)) r.set_lease(lease());
    return r;
  }
  pb::DeleteRangeRequest delete_range() {
    pb::DeleteRangeRequest r;
    if (!chance(1)) r.set_key(key());
    if (chance(20)) r.set_range_end(range_end());
    r.set_prev_kv(chance(30));
    return r;
  }
  pb::Compare compare(int64_t now) {
    pb::Compare c;
    c.set_key(key());
    if (chance(20)) c.set_range_end(range_end());
    c.set_result(static_cast<pb::Compare::CompareResult>(below(4)));
    c.set_target(static_cast<pb::Compare::CompareTarget>(below(5)));
    if (c.target() == pb::Compare::VERSION) c.set_version(below(4));
    if (c.target() == pb::Compare::CREATE) c.set_create_revision(past_revision(now));
    if (c.target() == pb::Compare::MOD) c.set_mod_revision(past_revision(now));
    if (c.target() == pb::Compare::VALUE) c.set_value(value());
    if (c.target() == pb::Compare::LEASE) c.set_lease(lease());
    // What is given is not what is looked at.
    if (chance(5)) c.set_mod_revision(past_revision(now));
    if (chance(5)) c.set_value(value());
    return c;
  }
  void fill(pb::RequestOp& op, int64_t now, int depth) {
    switch (below(depth < 2 ? 10 : 9)) {
      case 0:
      case 1:
      case 2:
        *op.mutable_request_range() = range(now);
        return;
      case 3:
        *op.mutable_request_delete_range() = delete_range();
        if (op.request_delete_range().range_end() == std::string(1, '\0')) {
          op.mutable_request_delete_range()->set_range_end("k1");
        }
        return;
      case 9:
        *op.mutable_request_txn() = txn(now, depth + 1);
        return;
      default:
        *op.mutable_request_put() = put();
    }
  }
  pb::TxnRequest txn(int64_t now, int depth = 0) {
    pb::TxnRequest r;
    for (int64_t i = below(3); i > 0; --i) *r.add_compare() = compare(now);
    for (int64_t i = below(4); i > 0; --i) fill(*r.add_success(), now, depth);
    for (int64_t i = below(4); i > 0; --i) fill(*r.add_failure(), now, depth);
    return r;
  }
  pb::WatchCreateRequest watch(int64_t now) {
    pb::WatchCreateRequest r;
    r.set_key(key());
    r.set_range_end(range_end());
    r.set_start_revision(std::max<int64_t>(1, now - below(60)));
    r.set_prev_kv(chance(50));
    if (chance(40)) {
      r.add_filters(chance(50) ? pb::WatchCreateRequest::NOPUT : pb::WatchCreateRequest::NODELETE);
    }
    if (chance(20)) r.set_watch_id(1 + below(5));
    return r;
  }

 private:
  SeededRandom random_;
};

class Differential : public ::testing::TestWithParam<uint64_t> {
 protected:
  template <class Request>
  void same(const Request& request) {
    const std::string expected = theirs_(request);
    ASSERT_EQ(ours_(request), expected) << "seed " << GetParam() << ", request:\n"
                                        << wire_text(request.SerializeAsString());
  }

  void one_operation() {
    const int64_t now = theirs_.revision();
    const int64_t dice = requests_.below(100);
    if (dice < 35) return same(requests_.put());
    if (dice < 55) return same(requests_.range(now));
    if (dice < 65) return same(requests_.delete_range());
    if (dice < 85) return same(requests_.txn(now));
    if (dice < 87) return compact(now);
    lease_operation();
  }
  void compact(int64_t now) {
    pb::CompactionRequest request;
    request.set_revision(now - 30 + requests_.below(32));
    request.set_physical(requests_.chance(50));
    same(request);
  }
  void lease_operation() {
    const int64_t id = kFirstLease + requests_.below(kLeases);
    switch (requests_.below(6)) {
      case 0:
      case 1: {
        pb::LeaseGrantRequest request;
        request.set_id(id);
        request.set_ttl(requests_.chance(90) ? 1000 + requests_.below(100) : 9'000'000'001);
        return same(request);
      }
      case 2: {
        pb::LeaseRevokeRequest request;
        request.set_id(id);
        return same(request);
      }
      case 3: {
        pb::LeaseTimeToLiveRequest request;
        request.set_id(id);
        request.set_keys(requests_.chance(70));
        return same(request);
      }
      case 4: {
        pb::LeaseKeepAliveRequest request;
        request.set_id(id);
        return same(request);
      }
      default:
        return same(pb::LeaseLeasesRequest());
    }
  }

  // Every key is put and then all are deleted, so that each watch has a last event to wait for.
  void compare_watches() {
    const int64_t before = theirs_.revision();
    for (int i = 0; i < 12; ++i) {
      pb::PutRequest put;
      put.set_key(fmt::format("k{:02}", i));
      ASSERT_NO_FATAL_FAILURE(same(put));
    }
    const int64_t last_put = theirs_.revision();
    pb::DeleteRangeRequest all;
    all.set_key("k");
    all.set_range_end("l");
    ASSERT_NO_FATAL_FAILURE(same(all));
    for (int i = 0; i < 12; ++i) {
      const pb::WatchCreateRequest request = requests_.watch(before);
      const bool no_deletes =
          request.filters_size() > 0 && request.filters(0) == pb::WatchCreateRequest::NODELETE;
      const int64_t until = no_deletes ? last_put_in(request, last_put) : last_put + 1;
      ASSERT_EQ(ours_.watch(request, until), theirs_.watch(request, until))
          << "seed " << GetParam() << ", " << wire_text(request.SerializeAsString());
    }
  }
  static int64_t last_put_in(const pb::WatchCreateRequest& request, int64_t last_put) {
    for (int i = 11; i >= 0; --i) {
      if (store::in_range(fmt::format("k{:02}", i), request.key(), request.range_end())) {
        return last_put - 11 + i;
      }
    }
    return last_put;
  }

  ServedStore served_;
  RealEtcd etcd_;
  Peer ours_{served_.endpoint()};
  Peer theirs_{etcd_.endpoint()};
  Requests requests_{GetParam()};
};

TEST_P(Differential, LongRandomSequencesAreAnsweredAsByEtcd) {
  for (int i = 1; i <= kOperations; ++i) {
    ASSERT_NO_FATAL_FAILURE(one_operation()) << "operation " << i;
    if (i % 300 == 0) ASSERT_NO_FATAL_FAILURE(compare_watches()) << "operation " << i;
  }
}

// CLOUDLESS_SEEDS=100 for a long night.
uint64_t last_seed() {
  const char* wanted = std::getenv("CLOUDLESS_SEEDS");
  return wanted ? std::strtoull(wanted, nullptr, 10) : 3;
}

INSTANTIATE_TEST_SUITE_P(Seeds, Differential, ::testing::Range<uint64_t>(1, last_seed() + 1));

using DifferentialCorners = Differential;

TEST_P(DifferentialCorners, BadRequestsAreRefusedInEtcdsWords) {
  pb::PutRequest put;
  put.set_key("k");
  put.set_value("1");
  ASSERT_NO_FATAL_FAILURE(same(put));
  put.set_value(std::string((3 << 19) + 1, 'x'));
  ASSERT_NO_FATAL_FAILURE(same(put));
  pb::TxnRequest txn;
  for (int i = 0; i < 129; ++i) {
    pb::PutRequest& one = *txn.add_success()->mutable_request_put();
    one.set_key(fmt::format("k{}", i));
  }
  ASSERT_NO_FATAL_FAILURE(same(txn));
  txn.Clear();
  txn.add_success();
  ASSERT_NO_FATAL_FAILURE(same(txn));
  txn.Clear();
  txn.add_compare();
  ASSERT_NO_FATAL_FAILURE(same(txn));
  pb::LeaseGrantRequest grant;
  grant.set_id(5);
  grant.set_ttl(-1);
  ASSERT_NO_FATAL_FAILURE(same(grant));
  pb::LeaseTimeToLiveRequest to_live;
  ASSERT_NO_FATAL_FAILURE(same(to_live));
  pb::LeaseRevokeRequest revoke;
  ASSERT_NO_FATAL_FAILURE(same(revoke));
  pb::LeaseKeepAliveRequest keep_alive;
  ASSERT_NO_FATAL_FAILURE(same(keep_alive));
  pb::CompactionRequest compaction;
  for (const int64_t revision : {-1, 1, 1, 100}) {
    compaction.set_revision(revision);
    ASSERT_NO_FATAL_FAILURE(same(compaction));
  }
  pb::WatchCreateRequest empty_range;
  empty_range.set_key("b");
  empty_range.set_range_end("a");
  EXPECT_EQ(ours_.watch(empty_range, 1), theirs_.watch(empty_range, 1));
}

// Enumerations are open on the wire: a newer client may send what this server has no name for.
TEST_P(DifferentialCorners, WhatTheServerHasNoNameForIsAnsweredAsByEtcd) {
  pb::PutRequest put;
  put.set_key("k");
  put.set_value("1");
  ASSERT_NO_FATAL_FAILURE(same(put));
  put.set_key("l");
  ASSERT_NO_FATAL_FAILURE(same(put));
  for (const int unknown : {7, 99}) {
    pb::TxnRequest txn;
    pb::Compare& compare = *txn.add_compare();
    compare.set_key("k");
    compare.set_result(static_cast<pb::Compare::CompareResult>(unknown));
    compare.set_version(1);
    ASSERT_NO_FATAL_FAILURE(same(txn));
    compare.set_result(pb::Compare::EQUAL);
    compare.set_target(static_cast<pb::Compare::CompareTarget>(unknown));
    ASSERT_NO_FATAL_FAILURE(same(txn));
  }
  // A target whose value is not there.
  pb::TxnRequest txn;
  txn.add_compare()->set_key("k");
  txn.mutable_compare(0)->set_target(pb::Compare::VALUE);
  ASSERT_NO_FATAL_FAILURE(same(txn));
}

TEST_P(DifferentialCorners, RevisionsThatAreGoneOrToComeAreRefusedAsByEtcd) {
  pb::PutRequest put;
  put.set_key("k");
  for (int i = 0; i < 5; ++i) ASSERT_NO_FATAL_FAILURE(same(put));
  pb::CompactionRequest compaction;
  compaction.set_revision(4);
  ASSERT_NO_FATAL_FAILURE(same(compaction));
  for (const int64_t revision : {-1, 1, 3, 4, 6, 7, 1000}) {
    pb::RangeRequest range;
    range.set_key("k");
    range.set_revision(revision);
    ASSERT_NO_FATAL_FAILURE(same(range));
    pb::TxnRequest txn;
    *txn.add_success()->mutable_request_range() = range;
    *txn.add_success()->mutable_request_put() = put;
    ASSERT_NO_FATAL_FAILURE(same(txn));
  }
  for (const int64_t revision : {1, 3}) {
    pb::WatchCreateRequest watch;
    watch.set_key("k");
    watch.set_start_revision(revision);
    EXPECT_EQ(ours_.watch(watch, 4), theirs_.watch(watch, 4)) << revision;
  }
}

constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
const std::string kNul(1, '\0');

// Keys and ends as no client of good will sends them.
const std::pair<std::string, std::string> kRanges[] = {
    {"", ""},     {"", kNul},   {"", "z"},    {kNul, kNul}, {kNul, ""},
    {kNul, "z"},  {"k1", "k1"}, {"k2", "k1"}, {"k2", kNul}, {"k2", "k"},
    {"k1", "k2"}, {"k1", "kz"}, {"z", kNul},  {"none", ""}, {"k1" + kNul, "k3"}};

TEST_P(DifferentialCorners, RangesOfEveryFormAreAnsweredAndDeletedAsByEtcd) {
  for (const auto& [key, end] : kRanges) {
    for (const char* name : {"k1", "k2", "k3"}) {
      pb::PutRequest put;
      put.set_key(name);
      ASSERT_NO_FATAL_FAILURE(same(put));
    }
    pb::RangeRequest range;
    range.set_key(key);
    range.set_range_end(end);
    for (const int64_t limit : {kLeast, int64_t{-1}, int64_t{1}, kMost}) {
      range.set_limit(limit);
      ASSERT_NO_FATAL_FAILURE(same(range));
    }
    for (const int64_t revision : {kLeast, kMost}) {
      range.set_revision(revision);
      ASSERT_NO_FATAL_FAILURE(same(range));
    }
    pb::DeleteRangeRequest remove;
    remove.set_key(key);
    remove.set_range_end(end);
    remove.set_prev_kv(true);
    ASSERT_NO_FATAL_FAILURE(same(remove));
  }
}

TEST_P(DifferentialCorners, FiltersByRevisionsThatCannotBeAreAnsweredAsByEtcd) {
  pb::PutRequest put;
  put.set_key("k");
  for (int i = 0; i < 3; ++i) ASSERT_NO_FATAL_FAILURE(same(put));
  using Setter = void (pb::RangeRequest::*)(int64_t);
  const Setter setters[] = {&pb::RangeRequest::set_min_mod_revision, &pb::RangeRequest::set_max_mod_revision,
                            &pb::RangeRequest::set_min_create_revision,
                            &pb::RangeRequest::set_max_create_revision};
  for (const Setter set : setters) {
    for (const int64_t revision : {kLeast, int64_t{-1}, int64_t{1}, int64_t{3}, kMost}) {
      pb::RangeRequest range;
      range.set_key("k");
      (range.*set)(revision);
      ASSERT_NO_FATAL_FAILURE(same(range));
    }
  }
}

pb::RequestOp put_of(const std::string& key) {
  pb::RequestOp op;
  op.mutable_request_put()->set_key(key);
  return op;
}
pb::RequestOp delete_of(const std::string& key, const std::string& end = "") {
  pb::RequestOp op;
  op.mutable_request_delete_range()->set_key(key);
  op.mutable_request_delete_range()->set_range_end(end);
  return op;
}
pb::RequestOp txn_of(const std::vector<pb::RequestOp>& success, const std::vector<pb::RequestOp>& failure) {
  pb::RequestOp op;
  for (const pb::RequestOp& one : success) *op.mutable_request_txn()->add_success() = one;
  for (const pb::RequestOp& one : failure) *op.mutable_request_txn()->add_failure() = one;
  return op;
}

TEST_P(DifferentialCorners, KeysThatATransactionNamesTwiceAreJudgedAsByEtcd) {
  const pb::RequestOp a = put_of("a");
  const pb::RequestOp b = put_of("b");
  const std::vector<pb::RequestOp> branches[] = {
      {a, a},
      {a, delete_of("a")},
      {delete_of("a"), a},
      {delete_of("a"), delete_of("a")},
      {delete_of("a", "c"), b},
      {delete_of("b", "c"), a},
      {delete_of("c", "a"), b},
      {a, txn_of({a}, {})},
      {a, txn_of({}, {a})},
      {txn_of({a}, {a})},
      {txn_of({a}, {b}), txn_of({b}, {a})},
      {txn_of({a}, {}), delete_of("a", "b")},
      {txn_of({delete_of("a")}, {}), a},
      {txn_of({txn_of({a}, {b})}, {}), b},
  };
  for (const std::vector<pb::RequestOp>& branch : branches) {
    ASSERT_NO_FATAL_FAILURE(same(txn_of(branch, {}).request_txn()));
    ASSERT_NO_FATAL_FAILURE(same(txn_of({}, branch).request_txn()));
  }
  ASSERT_NO_FATAL_FAILURE(same(txn_of({a}, {a}).request_txn()));
}

TEST_P(DifferentialCorners, TransactionsThatAreTooLongOrDeepAreRefusedAsByEtcd) {
  std::vector<pb::RequestOp> puts;
  for (int i = 0; i < 129; ++i) puts.push_back(put_of(fmt::format("k{}", i)));
  const std::vector<pb::RequestOp> just_right(puts.begin(), puts.end() - 1);
  ASSERT_NO_FATAL_FAILURE(same(txn_of(just_right, {}).request_txn()));
  ASSERT_NO_FATAL_FAILURE(same(txn_of({}, puts).request_txn()));
  ASSERT_NO_FATAL_FAILURE(same(txn_of({txn_of(puts, {})}, {}).request_txn()));
  ASSERT_NO_FATAL_FAILURE(same(txn_of({txn_of({}, just_right)}, {put_of("a")}).request_txn()));
  pb::TxnRequest compares;
  for (int i = 0; i < 129; ++i) compares.add_compare()->set_key("k");
  ASSERT_NO_FATAL_FAILURE(same(compares));
  pb::RequestOp deep = put_of("deep");
  for (int i = 0; i < 20; ++i) deep = txn_of({deep}, {});
  ASSERT_NO_FATAL_FAILURE(same(deep.request_txn()));
  // What is wrong counts in a branch that is not taken, too.
  ASSERT_NO_FATAL_FAILURE(same(txn_of({}, {put_of("")}).request_txn()));
  ASSERT_NO_FATAL_FAILURE(same(txn_of({}, {delete_of("")}).request_txn()));
  pb::RequestOp empty_range;
  empty_range.mutable_request_range();
  ASSERT_NO_FATAL_FAILURE(same(txn_of({}, {empty_range}).request_txn()));
}

TEST_P(DifferentialCorners, PutsThatLeaveOutWhatIsNotThereAreRefusedAsByEtcd) {
  for (const bool exists : {false, true}) {
    for (int flags = 0; flags < 32; ++flags) {
      pb::PutRequest put;
      put.set_key("k");
      if (flags & 1) put.set_value("v");
      if (flags & 2) put.set_lease(77);
      put.set_ignore_value(flags & 4);
      put.set_ignore_lease(flags & 8);
      put.set_prev_kv(flags & 16);
      if (!exists) put.set_key(fmt::format("none{}", flags));
      ASSERT_NO_FATAL_FAILURE(same(put));
      pb::TxnRequest txn;
      *txn.add_success()->mutable_request_put() = put;
      ASSERT_NO_FATAL_FAILURE(same(txn));
    }
    ASSERT_NO_FATAL_FAILURE(same(put_of("k").request_put()));
  }
}

TEST_P(DifferentialCorners, LeasesThatCannotBeAreRefusedAsByEtcd) {
  for (const int64_t id : {kLeast, int64_t{-5}, int64_t{5}, int64_t{5}, kMost}) {
    for (const int64_t ttl : {kLeast, int64_t{-1}, int64_t{9'000'000'000}, int64_t{9'000'000'001}, kMost}) {
      pb::LeaseGrantRequest grant;
      grant.set_id(id);
      grant.set_ttl(ttl);
      ASSERT_NO_FATAL_FAILURE(same(grant)) << id << " " << ttl;
    }
    pb::LeaseKeepAliveRequest keep;
    keep.set_id(id);
    ASSERT_NO_FATAL_FAILURE(same(keep));
    pb::PutRequest put;
    put.set_key(fmt::format("leased{}", id));
    put.set_lease(id);
    ASSERT_NO_FATAL_FAILURE(same(put)) << id;
    pb::LeaseRevokeRequest revoke;
    revoke.set_id(id);
    ASSERT_NO_FATAL_FAILURE(same(revoke));
    ASSERT_NO_FATAL_FAILURE(same(revoke));
  }
}

TEST_P(DifferentialCorners, CompactionsThatCannotBeAreRefusedAsByEtcd) {
  pb::PutRequest put;
  put.set_key("k");
  for (int i = 0; i < 5; ++i) ASSERT_NO_FATAL_FAILURE(same(put));
  pb::CompactionRequest compaction;
  for (const int64_t revision :
       {int64_t{3}, kLeast, int64_t{-1}, int64_t{0}, int64_t{2}, int64_t{3}, kMost}) {
    compaction.set_revision(revision);
    ASSERT_NO_FATAL_FAILURE(same(compaction)) << revision;
  }
}

INSTANTIATE_TEST_SUITE_P(Once, DifferentialCorners, ::testing::Values(0));

}  // namespace
}  // namespace cloudless::etcd::testing

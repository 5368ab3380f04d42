#include "etcd/convert.hpp"

#include "store/errors.hpp"

namespace cloudless::etcd {

namespace {

// Enumerations have the same numbers on both sides; a number from a newer client is passed on as it is and is
// refused or ignored where etcd does so.
template <class To, class From>
To enum_cast(From value) {
  return static_cast<To>(static_cast<int>(value));
}

store::CompareTarget target_of(const pb::Compare& compare) {
  return enum_cast<store::CompareTarget>(compare.target());
}

int64_t number_of(const pb::Compare& compare) {
  switch (compare.target()) {
    case pb::Compare::VERSION:
      return compare.version();
    case pb::Compare::CREATE:
      return compare.create_revision();
    case pb::Compare::MOD:
      return compare.mod_revision();
    case pb::Compare::LEASE:
      return compare.lease();
    default:
      return 0;
  }
}

// Clients name the result LESS = 2 and NOT_EQUAL = 3, as the store does.
store::Compare to_store(const pb::Compare& compare) {
  return {.result = enum_cast<store::CompareResult>(compare.result()),
          .target = target_of(compare),
          .key = compare.key(),
          .range_end = compare.range_end(),
          .number = number_of(compare),
          .value = compare.value()};
}

Result<store::TxnRequest> to_store(pb::TxnRequest& request, int depth);

Result<store::TxnOp> to_store(pb::RequestOp& op, int depth) {
  switch (op.request_case()) {
    case pb::RequestOp::kRequestRange:
      return etcd::to_store(op.request_range());
    case pb::RequestOp::kRequestPut:
      return etcd::to_store(std::move(*op.mutable_request_put()));
    case pb::RequestOp::kRequestDeleteRange:
      return etcd::to_store(op.request_delete_range());
    case pb::RequestOp::kRequestTxn:
      return std::make_shared<const store::TxnRequest>(TRY(to_store(*op.mutable_request_txn(), depth + 1)));
    case pb::RequestOp::REQUEST_NOT_SET:
      break;
  }
  return std::unexpected(store::errors::key_not_found());
}

Result<store::TxnRequest> to_store(pb::TxnRequest& request, int depth) {
  if (depth > kMaxTxnDepth) return fail(Code::kInvalid, "etcdserver: too many operations in txn request");
  store::TxnRequest txn;
  for (const pb::Compare& compare : request.compare()) txn.compare.push_back(to_store(compare));
  for (pb::RequestOp& op : *request.mutable_success()) txn.success.push_back(TRY(to_store(op, depth)));
  for (pb::RequestOp& op : *request.mutable_failure()) txn.failure.push_back(TRY(to_store(op, depth)));
  return txn;
}

}  // namespace

store::RangeRequest to_store(const pb::RangeRequest& request) {
  return {.key = request.key(),
          .range_end = request.range_end(),
          .limit = request.limit(),
          .revision = request.revision(),
          .sort_order = enum_cast<store::SortOrder>(request.sort_order()),
          .sort_target = enum_cast<store::SortTarget>(request.sort_target()),
          .serializable = request.serializable(),
          .keys_only = request.keys_only(),
          .count_only = request.count_only(),
          .min_mod_revision = request.min_mod_revision(),
          .max_mod_revision = request.max_mod_revision(),
          .min_create_revision = request.min_create_revision(),
          .max_create_revision = request.max_create_revision()};
}

store::PutRequest to_store(pb::PutRequest&& request) {
  return {.key = std::move(*request.mutable_key()),
          .value = share(std::move(*request.mutable_value())),
          .lease = request.lease(),
          .prev_kv = request.prev_kv(),
          .ignore_value = request.ignore_value(),
          .ignore_lease = request.ignore_lease()};
}

store::DeleteRangeRequest to_store(const pb::DeleteRangeRequest& request) {
  return {.key = request.key(), .range_end = request.range_end(), .prev_kv = request.prev_kv()};
}

Result<store::TxnRequest> to_store(pb::TxnRequest&& request) { return to_store(request, 0); }

store::WatchRequest to_store(const pb::WatchCreateRequest& request) {
  store::WatchRequest watch{.key = request.key(),
                            .range_end = request.range_end(),
                            .start_revision = request.start_revision(),
                            .prev_kv = request.prev_kv()};
  for (const int filter : request.filters()) {
    watch.no_put = watch.no_put || filter == pb::WatchCreateRequest::NOPUT;
    watch.no_delete = watch.no_delete || filter == pb::WatchCreateRequest::NODELETE;
  }
  return watch;
}

void fill(mvccpb::KeyValue& out, const store::KeyValue& kv) {
  out.set_key(kv.key);
  if (kv.value) out.set_value(*kv.value);
  out.set_create_revision(kv.create_revision);
  out.set_mod_revision(kv.mod_revision);
  out.set_version(kv.version);
  out.set_lease(kv.lease);
}

void fill(pb::RangeResponse& out, const store::RangeResponse& response) {
  out.mutable_header()->set_revision(response.revision);
  out.mutable_kvs()->Reserve(static_cast<int>(response.kvs.size()));
  for (const store::KeyValue& kv : response.kvs) fill(*out.add_kvs(), kv);
  out.set_more(response.more);
  out.set_count(response.count);
}

void fill(pb::PutResponse& out, const store::PutResponse& response) {
  out.mutable_header()->set_revision(response.revision);
  if (response.prev_kv) fill(*out.mutable_prev_kv(), *response.prev_kv);
}

void fill(pb::DeleteRangeResponse& out, const store::DeleteRangeResponse& response) {
  out.mutable_header()->set_revision(response.revision);
  out.set_deleted(response.deleted);
  for (const store::KeyValue& kv : response.prev_kvs) fill(*out.add_prev_kvs(), kv);
}

namespace {

struct FillOp {
  pb::ResponseOp& out;
  void operator()(const store::RangeResponse& response) const {
    fill(*out.mutable_response_range(), response);
  }
  void operator()(const store::PutResponse& response) const { fill(*out.mutable_response_put(), response); }
  void operator()(const store::DeleteRangeResponse& response) const {
    fill(*out.mutable_response_delete_range(), response);
  }
  void operator()(const std::shared_ptr<const store::TxnResponse>& response) const {
    fill(*out.mutable_response_txn(), *response);
    // etcd puts a revision into the outermost header alone (server/etcdserver/apply.go).
    out.mutable_response_txn()->mutable_header()->clear_revision();
  }
};

}  // namespace

void fill(pb::TxnResponse& out, const store::TxnResponse& response) {
  out.mutable_header()->set_revision(response.revision);
  out.set_succeeded(response.succeeded);
  for (const store::TxnOpResponse& op : response.responses) std::visit(FillOp{*out.add_responses()}, op);
}

void fill(mvccpb::Event& out, const store::Event& event, PrevKv prev_kv) {
  out.set_type(event.type == store::EventType::kPut ? mvccpb::Event::PUT : mvccpb::Event::DELETE);
  fill(*out.mutable_kv(), event.kv);
  if (prev_kv == PrevKv::kInclude && event.prev_kv) fill(*out.mutable_prev_kv(), *event.prev_kv);
}

}  // namespace cloudless::etcd

#include "etcd/client_convert.hpp"

namespace cloudless::etcd {

namespace pb = ::etcdserverpb;

namespace {

// Enumerations have the same numbers on both sides.
template <class To, class From>
To enum_cast(From value) {
  return static_cast<To>(static_cast<int>(value));
}

void fill(pb::Compare& out, const store::Compare& compare) {
  out.set_result(enum_cast<pb::Compare::CompareResult>(compare.result));
  out.set_target(enum_cast<pb::Compare::CompareTarget>(compare.target));
  out.set_key(compare.key);
  out.set_range_end(compare.range_end);
  switch (compare.target) {
    case store::CompareTarget::kVersion:
      return out.set_version(compare.number);
    case store::CompareTarget::kCreate:
      return out.set_create_revision(compare.number);
    case store::CompareTarget::kMod:
      return out.set_mod_revision(compare.number);
    case store::CompareTarget::kValue:
      return out.set_value(compare.value);
    case store::CompareTarget::kLease:
      return out.set_lease(compare.number);
  }
}

struct FillOp {
  pb::RequestOp& out;
  void operator()(const store::RangeRequest& request) const { *out.mutable_request_range() = to_pb(request); }
  void operator()(const store::PutRequest& request) const { *out.mutable_request_put() = to_pb(request); }
  void operator()(const store::DeleteRangeRequest& request) const {
    *out.mutable_request_delete_range() = to_pb(request);
  }
  void operator()(const std::shared_ptr<const store::TxnRequest>& request) const {
    *out.mutable_request_txn() = to_pb(*request);
  }
};

store::TxnOpResponse from_pb_op(const pb::ResponseOp& op) {
  switch (op.response_case()) {
    case pb::ResponseOp::kResponsePut:
      return from_pb(op.response_put());
    case pb::ResponseOp::kResponseDeleteRange:
      return from_pb(op.response_delete_range());
    case pb::ResponseOp::kResponseTxn:
      return std::make_shared<const store::TxnResponse>(from_pb(op.response_txn()));
    default:
      return from_pb(op.response_range());
  }
}

}  // namespace

pb::RangeRequest to_pb(const store::RangeRequest& request) {
  pb::RangeRequest out;
  out.set_key(request.key);
  out.set_range_end(request.range_end);
  out.set_limit(request.limit);
  out.set_revision(request.revision);
  out.set_sort_order(enum_cast<pb::RangeRequest::SortOrder>(request.sort_order));
  out.set_sort_target(enum_cast<pb::RangeRequest::SortTarget>(request.sort_target));
  out.set_serializable(request.serializable);
  out.set_keys_only(request.keys_only);
  out.set_count_only(request.count_only);
  out.set_min_mod_revision(request.min_mod_revision);
  out.set_max_mod_revision(request.max_mod_revision);
  out.set_min_create_revision(request.min_create_revision);
  out.set_max_create_revision(request.max_create_revision);
  return out;
}

pb::PutRequest to_pb(const store::PutRequest& request) {
  pb::PutRequest out;
  out.set_key(request.key);
  if (request.value) out.set_value(*request.value);
  out.set_lease(request.lease);
  out.set_prev_kv(request.prev_kv);
  out.set_ignore_value(request.ignore_value);
  out.set_ignore_lease(request.ignore_lease);
  return out;
}

pb::DeleteRangeRequest to_pb(const store::DeleteRangeRequest& request) {
  pb::DeleteRangeRequest out;
  out.set_key(request.key);
  out.set_range_end(request.range_end);
  out.set_prev_kv(request.prev_kv);
  return out;
}

pb::TxnRequest to_pb(const store::TxnRequest& request) {
  pb::TxnRequest out;
  for (const store::Compare& compare : request.compare) fill(*out.add_compare(), compare);
  for (const store::TxnOp& op : request.success) std::visit(FillOp{*out.add_success()}, op);
  for (const store::TxnOp& op : request.failure) std::visit(FillOp{*out.add_failure()}, op);
  return out;
}

pb::WatchCreateRequest to_pb(const store::WatchRequest& request) {
  pb::WatchCreateRequest out;
  out.set_key(request.key);
  out.set_range_end(request.range_end);
  out.set_start_revision(request.start_revision);
  out.set_prev_kv(request.prev_kv);
  if (request.no_put) out.add_filters(pb::WatchCreateRequest::NOPUT);
  if (request.no_delete) out.add_filters(pb::WatchCreateRequest::NODELETE);
  return out;
}

store::KeyValue from_pb(const mvccpb::KeyValue& kv, bool keys_only) {
  return {.key = kv.key(),
          .value = keys_only ? nullptr : share(kv.value()),
          .create_revision = kv.create_revision(),
          .mod_revision = kv.mod_revision(),
          .version = kv.version(),
          .lease = kv.lease()};
}

store::RangeResponse from_pb(const pb::RangeResponse& response, bool keys_only) {
  store::RangeResponse out{
      .revision = response.header().revision(), .more = response.more(), .count = response.count()};
  out.kvs.reserve(static_cast<size_t>(response.kvs_size()));
  for (const auto& kv : response.kvs()) out.kvs.push_back(from_pb(kv, keys_only));
  return out;
}

store::PutResponse from_pb(const pb::PutResponse& response) {
  store::PutResponse out{.revision = response.header().revision()};
  if (response.has_prev_kv()) out.prev_kv = from_pb(response.prev_kv());
  return out;
}

store::DeleteRangeResponse from_pb(const pb::DeleteRangeResponse& response) {
  store::DeleteRangeResponse out{.revision = response.header().revision(), .deleted = response.deleted()};
  for (const auto& kv : response.prev_kvs()) out.prev_kvs.push_back(from_pb(kv));
  return out;
}

store::TxnResponse from_pb(const pb::TxnResponse& response) {
  store::TxnResponse out{.revision = response.header().revision(), .succeeded = response.succeeded()};
  for (const auto& op : response.responses()) out.responses.push_back(from_pb_op(op));
  return out;
}

store::SharedEvent from_pb(const mvccpb::Event& event) {
  auto out = std::make_shared<store::Event>();
  const bool put = event.type() == mvccpb::Event::PUT;
  out->type = put ? store::EventType::kPut : store::EventType::kDelete;
  out->kv = from_pb(event.kv(), !put);
  if (event.has_prev_kv()) out->prev_kv = from_pb(event.prev_kv());
  return out;
}

}  // namespace cloudless::etcd

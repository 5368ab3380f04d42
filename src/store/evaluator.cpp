#include "store/evaluator.hpp"

#include <algorithm>
#include <mutex>

#include "store/errors.hpp"

namespace cloudless::store {
namespace {

bool contains_put(const std::vector<TxnOp>& ops) {
  for (const TxnOp& op : ops) {
    if (std::holds_alternative<PutRequest>(op)) return true;
    const auto* nested = std::get_if<std::shared_ptr<const TxnRequest>>(&op);
    if (nested && (contains_put((*nested)->success) || contains_put((*nested)->failure))) return true;
  }
  return false;
}

bool needs_space(const Evaluator::Request& request) {
  if (std::holds_alternative<PutRequest>(request)) return true;
  const auto* txn = std::get_if<TxnRequest>(&request);
  return txn && (contains_put(txn->success) || contains_put(txn->failure));
}

template <class T>
bool compares(CompareResult wanted, const T& actual, const T& given) {
  switch (wanted) {
    case CompareResult::kEqual:
      return actual == given;
    case CompareResult::kNotEqual:
      return actual != given;
    case CompareResult::kGreater:
      return actual > given;
    case CompareResult::kLess:
      return actual < given;
  }
  // What has no name compares to anything, as in etcd (server/etcdserver/txn/txn.go).
  return true;
}

}  // namespace

void Evaluator::reset() {
  entries_.clear();
  changes_.clear();
  pending_.clear();
  payloads_.clear();
  used_leases_.clear();
}

Evaluator::Found Evaluator::find(std::string_view key) const {
  const std::shared_lock lock(mutex_);
  const auto [version, full] = index_.standing(key, index_.staged());
  return {version ? std::optional(*version) : std::nullopt, full ? full->mod : 0};
}

Result<RangePlan> Evaluator::plan(const RangeRequest& request) const {
  const std::shared_lock lock(mutex_);
  return plan_range(index_, request, index_.staged());
}

Result<Evaluator::Response> Evaluator::run(const Request& request, bool writes_refused) {
  if (writes_refused && needs_space(request)) return std::unexpected(errors::no_space());
  before_ = index_.staged();
  const size_t changes_before = changes_.size();
  Result<Response> response = [&]() -> Result<Response> {
    if (const auto* put_request = std::get_if<PutRequest>(&request)) {
      // etcd looks at the lease first here, and last within a transaction.
      TRY(check_lease(*put_request));
      TRY(check_put(*put_request));
      return TRY(put(*put_request));
    }
    if (const auto* del = std::get_if<DeleteRangeRequest>(&request)) return TRY(delete_range(*del));
    return TRY(run_txn(std::get<TxnRequest>(request)));
  }();
  if (response) {
    finish_entry();
    return response;
  }
  pending_.clear();
  payloads_.clear();
  changes_.resize(changes_before);
  const std::unique_lock lock(mutex_);
  index_.rollback(before_);
  return response;
}

Result<Revision> Evaluator::delete_keys(const std::vector<std::string>& keys) {
  before_ = index_.staged();
  for (const std::string& key : keys) TRY(delete_range({.key = key}));
  finish_entry();
  return index_.staged();
}

void Evaluator::finish_entry() {
  if (pending_.empty()) return;
  record_.clear();
  for (const Pending& pending : pending_) {
    const StagedChange& staged = changes_[pending.change];
    record_.push_back(
        {.type = staged.type,
         .key = staged.key,
         .create_revision = staged.version.create,
         .version = staged.version.number,
         .lease = staged.version.lease,
         .encoding = pending.encoding,
         .base = pending.base,
         .size = view(staged.value).size(),
         .payload = std::string_view(payloads_).substr(pending.payload_begin, pending.payload_size)});
  }
  entries_.push_back({next_revision(), encode_record(next_revision(), record_)});
  pending_.clear();
  payloads_.clear();
}

// What is staged is not in the log yet. Changes are in the order of their revisions.
SharedBytes Evaluator::in_memory(std::string_view key, Revision revision) {
  const auto revision_of = [](const StagedChange& change) { return change.version.mod; };
  for (const StagedChange& change : std::ranges::equal_range(changes_, revision, {}, revision_of)) {
    if (change.type == EventType::kPut && change.key == key) return change.value;
  }
  return values_.cached(key, revision);
}

Result<SharedBytes> Evaluator::value_of(std::string_view key, Revision revision) {
  if (SharedBytes value = in_memory(key, revision)) return value;
  return values_.read(key, revision);
}

void Evaluator::stage(StagedChange change, const ValueCodec::Encoded& encoded, Revision base) {
  change.version.full = encoded.encoding != Encoding::kDelta;
  pending_.push_back({changes_.size(), encoded.encoding, payloads_.size(), encoded.payload.size(), base});
  payloads_ += encoded.payload;
  {
    const std::unique_lock lock(mutex_);
    index_.stage(change.key, change.version);
  }
  changes_.push_back(std::move(change));
}

Result<> Evaluator::check_put(const PutRequest& request) const {
  if ((request.ignore_value || request.ignore_lease) && !find(request.key).version) {
    return std::unexpected(errors::key_not_found());
  }
  return check_lease(request);
}

Result<> Evaluator::check_lease(const PutRequest& request) const {
  if (request.lease == 0 || leases_.contains(request.lease)) return {};
  return std::unexpected(errors::lease_not_found());
}

Result<PutResponse> Evaluator::put(const PutRequest& request) {
  const Found found = find(request.key);
  const Version previous = found.version.value_or(Version());
  PutResponse response{.revision = next_revision()};
  SharedBytes value = request.value ? request.value : share(std::string());
  if (found.version && (request.prev_kv || request.ignore_value)) {
    SharedBytes old = TRY(value_of(request.key, previous.mod));
    if (request.ignore_value) value = old;
    if (request.prev_kv) response.prev_kv = to_key_value(request.key, previous, std::move(old));
  }
  StagedChange change{.type = EventType::kPut, .key = request.key, .value = value, .previous = previous};
  change.version.mod = next_revision();
  change.version.create = found.version ? previous.create : next_revision();
  change.version.number = previous.number + 1;
  change.version.lease = request.ignore_lease ? previous.lease : request.lease;
  if (!request.ignore_lease && request.lease != 0) used_leases_.insert(request.lease);

  // Only a base that is in memory: encoding never waits for the disk.
  const SharedBytes base_value = found.full ? in_memory(request.key, found.full) : nullptr;
  const ValueCodec::Encoded encoded =
      codec_.encode(view(value), base_value ? std::optional(view(base_value)) : std::nullopt);
  stage(std::move(change), encoded, found.full);
  return response;
}

Result<DeleteRangeResponse> Evaluator::delete_range(const DeleteRangeRequest& request) {
  RangePlan found = TRY(plan({.key = request.key, .range_end = request.range_end}));
  DeleteRangeResponse response{.deleted = found.count};
  for (RangePlan::Row& row : found.rows) {
    if (request.prev_kv) {
      SharedBytes value = TRY(value_of(row.key, row.version.mod));
      response.prev_kvs.push_back(to_key_value(row.key, row.version, std::move(value)));
    }
    StagedChange change{
        .type = EventType::kDelete, .key = std::move(row.key), .value = nullptr, .previous = row.version};
    change.version.mod = next_revision();
    change.version.deleted = true;
    stage(std::move(change), {}, 0);
  }
  response.revision = index_.staged();
  return response;
}

Result<RangeResponse> Evaluator::range(const RangeRequest& request) {
  RangePlan found = TRY(plan(request));
  for (RangePlan::Row& row : found.rows) {
    if (!request.keys_only || found.unsorted) row.value = TRY(value_of(row.key, row.version.mod));
  }
  return finish_range(std::move(found), request);
}

Result<TxnResponse> Evaluator::run_txn(const TxnRequest& request) {
  Path path;
  TRY(choose_path(request, path));
  for (const Check check : {Check::kPuts, Check::kRanges}) {
    size_t next = 0;
    TRY(check_path(request, path, next, check));
  }
  size_t next = 0;
  TxnResponse response = TRY(apply(request, path, next));
  response.revision = index_.staged();
  return response;
}

Result<TxnResponse> Evaluator::apply(const TxnRequest& request, const Path& path, size_t& next) {
  TxnResponse response{.succeeded = path[next++]};
  const std::vector<TxnOp>& ops = response.succeeded ? request.success : request.failure;
  response.responses.reserve(ops.size());
  for (const TxnOp& op : ops) response.responses.push_back(TRY(run_op(op, path, next)));
  response.revision = index_.staged();
  return response;
}

Result<TxnOpResponse> Evaluator::run_op(const TxnOp& op, const Path& path, size_t& next) {
  if (const auto* request = std::get_if<RangeRequest>(&op)) return TRY(range(*request));
  if (const auto* request = std::get_if<PutRequest>(&op)) return TRY(put(*request));
  if (const auto* request = std::get_if<DeleteRangeRequest>(&op)) return TRY(delete_range(*request));
  const auto& nested = std::get<std::shared_ptr<const TxnRequest>>(op);
  return std::make_shared<const TxnResponse>(TRY(apply(*nested, path, next)));
}

Result<> Evaluator::choose_path(const TxnRequest& request, Path& path) {
  bool all = true;
  for (const Compare& compare : request.compare) {
    if (TRY(holds(compare))) continue;
    all = false;
    break;
  }
  path.push_back(all);
  for (const TxnOp& op : all ? request.success : request.failure) {
    const auto* nested = std::get_if<std::shared_ptr<const TxnRequest>>(&op);
    if (nested) TRY(choose_path(**nested, path));
  }
  return {};
}

Result<bool> Evaluator::holds(const Compare& compare) {
  const RangePlan found = TRY(plan({.key = compare.key, .range_end = compare.range_end}));
  if (found.rows.empty()) {
    if (compare.target == CompareTarget::kValue) return false;
    return holds_for(compare, compare.key, Version());
  }
  for (const RangePlan::Row& row : found.rows) {
    if (!TRY(holds_for(compare, row.key, row.version))) return false;
  }
  return true;
}

Result<bool> Evaluator::holds_for(const Compare& compare, std::string_view key, const Version& version) {
  switch (compare.target) {
    case CompareTarget::kVersion:
      return compares<int64_t>(compare.result, version.number, compare.number);
    case CompareTarget::kCreate:
      return compares(compare.result, version.create, compare.number);
    case CompareTarget::kMod:
      return compares(compare.result, version.mod, compare.number);
    case CompareTarget::kLease:
      return compares(compare.result, version.lease, compare.number);
    case CompareTarget::kValue: {
      const SharedBytes value = TRY(value_of(key, version.mod));
      return compares<std::string_view>(compare.result, view(value), compare.value);
    }
  }
  // A target that has no name is equal to whatever is given.
  return compares<int64_t>(compare.result, 0, 0);
}

Result<> Evaluator::check_path(const TxnRequest& request, const Path& path, size_t& next, Check check) const {
  for (const TxnOp& op : path[next++] ? request.success : request.failure) {
    if (const auto* put_request = std::get_if<PutRequest>(&op)) {
      if (check == Check::kPuts) TRY(check_put(*put_request));
    } else if (const auto* range_request = std::get_if<RangeRequest>(&op)) {
      if (check == Check::kPuts || range_request->revision == 0) continue;
      if (range_request->revision > before_) return std::unexpected(errors::future_revision());
      if (range_request->revision < index_.compacted()) return std::unexpected(errors::compacted());
    } else if (const auto* nested = std::get_if<std::shared_ptr<const TxnRequest>>(&op)) {
      TRY(check_path(**nested, path, next, check));
    }
  }
  return {};
}

}  // namespace cloudless::store

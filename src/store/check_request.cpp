#include "store/check_request.hpp"

#include <algorithm>
#include <set>

#include "store/errors.hpp"

namespace cloudless::store {
namespace {

// A transaction nested deeper than this is refused, so that recursion is bounded.
constexpr int kDeepestTxn = 32;

using Ops = std::vector<TxnOp>;

// The keys that one list of operations may put, and the ranges that it may delete.
struct Touched {
  std::set<std::string, std::less<>> puts;
  std::vector<std::pair<std::string_view, std::string_view>> deletes;

  bool deletes_key(std::string_view key) const {
    return std::ranges::any_of(deletes,
                               [&](const auto& range) { return in_range(key, range.first, range.second); });
  }
  bool conflicts(const std::string& key) const { return puts.contains(key) || deletes_key(key); }
};

Result<Touched> check_overlaps(const Ops& ops) {
  Touched touched;
  for (const TxnOp& op : ops) {
    if (const auto* del = std::get_if<DeleteRangeRequest>(&op)) {
      touched.deletes.emplace_back(del->key, del->range_end);
    }
  }
  for (const TxnOp& op : ops) {
    const auto* nested = std::get_if<std::shared_ptr<const TxnRequest>>(&op);
    if (!nested) continue;
    Touched then = TRY(check_overlaps((*nested)->success));
    Touched otherwise = TRY(check_overlaps((*nested)->failure));
    for (const std::string& key : then.puts) {
      if (touched.conflicts(key)) return std::unexpected(errors::duplicate_key());
    }
    for (const std::string& key : otherwise.puts) {
      if (touched.conflicts(key)) return std::unexpected(errors::duplicate_key());
    }
    // Only one of the branches happens, so they may share keys with each other.
    touched.puts.merge(then.puts);
    touched.puts.merge(otherwise.puts);
    touched.deletes.insert(touched.deletes.end(), then.deletes.begin(), then.deletes.end());
    touched.deletes.insert(touched.deletes.end(), otherwise.deletes.begin(), otherwise.deletes.end());
  }
  for (const TxnOp& op : ops) {
    const auto* put = std::get_if<PutRequest>(&op);
    if (!put) continue;
    if (touched.conflicts(put->key)) return std::unexpected(errors::duplicate_key());
    touched.puts.insert(put->key);
  }
  return touched;
}

Result<> check_put(const PutRequest& request) {
  if (request.key.empty()) return std::unexpected(errors::empty_key());
  if (request.ignore_value && !view(request.value).empty()) return std::unexpected(errors::value_provided());
  if (request.ignore_lease && request.lease != 0) return std::unexpected(errors::lease_provided());
  return {};
}

Result<> check_txn(const TxnRequest& request, size_t max_ops, int depth);

Result<> check_op(const TxnOp& op, size_t max_ops, int depth) {
  if (const auto* range = std::get_if<RangeRequest>(&op)) return check_request(*range);
  if (const auto* put = std::get_if<PutRequest>(&op)) return check_put(*put);
  if (const auto* del = std::get_if<DeleteRangeRequest>(&op)) return check_request(*del);
  return check_txn(*std::get<std::shared_ptr<const TxnRequest>>(op), max_ops, depth + 1);
}

// What a transaction has is not left to those inside it (api/v3rpc/key.go).
Result<> check_txn(const TxnRequest& request, size_t max_ops, int depth) {
  const size_t ops = std::max({request.compare.size(), request.success.size(), request.failure.size()});
  if (depth > kDeepestTxn || ops > max_ops) return std::unexpected(errors::too_many_ops());
  for (const Compare& compare : request.compare) {
    if (compare.key.empty()) return std::unexpected(errors::empty_key());
  }
  for (const TxnOp& op : request.success) TRY(check_op(op, max_ops - ops, depth));
  for (const TxnOp& op : request.failure) TRY(check_op(op, max_ops - ops, depth));
  return {};
}

size_t op_bytes(const TxnOp& op) {
  if (const auto* range = std::get_if<RangeRequest>(&op)) return range->key.size() + range->range_end.size();
  if (const auto* put = std::get_if<PutRequest>(&op)) return put->key.size() + view(put->value).size();
  if (const auto* del = std::get_if<DeleteRangeRequest>(&op)) return del->key.size() + del->range_end.size();
  return request_bytes(*std::get<std::shared_ptr<const TxnRequest>>(op));
}

}  // namespace

Result<> check_request(const RangeRequest& request) {
  if (request.key.empty()) return std::unexpected(errors::empty_key());
  if (request.sort_order > SortOrder::kDescend || request.sort_target > SortTarget::kValue ||
      request.sort_order < SortOrder::kNone || request.sort_target < SortTarget::kKey) {
    return std::unexpected(errors::invalid_sort_option());
  }
  return {};
}

Result<> check_request(const PutRequest& request, const RequestLimits& limits) {
  TRY(check_put(request));
  if (request.key.size() + view(request.value).size() > limits.max_request_bytes) {
    return std::unexpected(errors::request_too_large());
  }
  return {};
}

Result<> check_request(const DeleteRangeRequest& request) {
  if (request.key.empty()) return std::unexpected(errors::empty_key());
  return {};
}

Result<> check_request(const TxnRequest& request, const RequestLimits& limits) {
  TRY(check_txn(request, limits.max_txn_ops, 0));
  if (request_bytes(request) > limits.max_request_bytes) {
    return std::unexpected(errors::request_too_large());
  }
  TRY(check_overlaps(request.success));
  TRY(check_overlaps(request.failure));
  return {};
}

size_t request_bytes(const TxnRequest& request) {
  size_t bytes = 0;
  for (const Compare& compare : request.compare) bytes += compare.key.size() + compare.value.size();
  for (const TxnOp& op : request.success) bytes += op_bytes(op);
  for (const TxnOp& op : request.failure) bytes += op_bytes(op);
  return bytes;
}

}  // namespace cloudless::store

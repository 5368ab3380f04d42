#include "store/range.hpp"

#include <algorithm>

#include "store/errors.hpp"

namespace cloudless::store {
namespace {

bool wanted(const RangeRequest& request, const Version& version) {
  const auto within = [](Revision value, Revision low, Revision high) {
    return (low == 0 || value >= low) && (high == 0 || value <= high);
  };
  return within(version.mod, request.min_mod_revision, request.max_mod_revision) &&
         within(version.create, request.min_create_revision, request.max_create_revision);
}

// The index yields keys in ascending order.
bool in_index_order(const RangeRequest& request) {
  return request.sort_target == SortTarget::kKey && request.sort_order != SortOrder::kDescend;
}

// Without an order etcd reads up to the limit and sorts no more than that by the target
// (server/etcdserver/txn/range.go).
bool stops_at_limit(const RangeRequest& request) {
  const bool filtered = request.min_mod_revision != 0 || request.max_mod_revision != 0 ||
                        request.min_create_revision != 0 || request.max_create_revision != 0;
  return in_index_order(request) || (request.sort_order == SortOrder::kNone && !filtered);
}

bool less(SortTarget target, const RangePlan::Row& a, const RangePlan::Row& b) {
  switch (target) {
    case SortTarget::kKey:
      return a.key < b.key;
    case SortTarget::kVersion:
      return a.version.number < b.version.number;
    case SortTarget::kCreate:
      return a.version.create < b.version.create;
    case SortTarget::kMod:
      return a.version.mod < b.version.mod;
    case SortTarget::kValue:
      return view(a.value) < view(b.value);
  }
  return false;
}

// Whether one row comes before another in the order that was asked for.
auto order_of(const RangeRequest& request) {
  return [target = request.sort_target, descend = request.sort_order == SortOrder::kDescend](
             const RangePlan::Row& a, const RangePlan::Row& b) {
    const RangePlan::Row& first = descend ? b : a;
    const RangePlan::Row& second = descend ? a : b;
    if (less(target, first, second)) return true;
    if (less(target, second, first)) return false;
    return a.key < b.key;
  };
}

void sort_and_cut(RangePlan& plan, const RangeRequest& request) {
  if (!in_index_order(request)) std::ranges::sort(plan.rows, order_of(request));
  if (request.limit > 0 && std::cmp_greater(plan.rows.size(), request.limit)) {
    plan.more = true;
    plan.rows.resize(static_cast<size_t>(request.limit));
  }
}

// Keeps the first `count` rows of an order, in any.
void keep_first(std::vector<RangePlan::Row>& rows, size_t count, const RangeRequest& request) {
  std::ranges::nth_element(rows, rows.begin() + static_cast<ptrdiff_t>(count), order_of(request));
  rows.resize(count);
}

}  // namespace

Result<RangePlan> plan_range(const Index& index, const RangeRequest& request, Revision now) {
  if (request.revision > now) return std::unexpected(errors::future_revision());
  const Revision at = request.revision > 0 ? request.revision : now;
  if (at < index.compacted()) return std::unexpected(errors::compacted());
  RangePlan plan{.revision = now};
  plan.unsorted = request.sort_target == SortTarget::kValue;
  // One more than the limit tells whether there is more.
  const size_t within = request.limit > 0 ? static_cast<size_t>(request.limit) + 1 : SIZE_MAX;
  const size_t enough = stops_at_limit(request) ? within : SIZE_MAX;
  // Where another order decides which rows are the first, no more than twice as many are held.
  const size_t most = plan.unsorted || within > SIZE_MAX / 2 ? SIZE_MAX : 2 * within;
  index.scan(request.key, request.range_end, at, [&](const std::string& key, const Version& version) {
    ++plan.count;
    if (!request.count_only && plan.rows.size() < enough && wanted(request, version)) {
      plan.rows.push_back({key, version, nullptr});
      if (plan.rows.size() == most) keep_first(plan.rows, within, request);
    }
    return true;
  });
  if (!plan.unsorted) sort_and_cut(plan, request);
  return plan;
}

KeyValue to_key_value(std::string key, const Version& version, SharedBytes value) {
  return {.key = std::move(key),
          .value = std::move(value),
          .create_revision = version.create,
          .mod_revision = version.mod,
          .version = version.number,
          .lease = version.lease};
}

RangeResponse finish_range(RangePlan plan, const RangeRequest& request) {
  if (plan.unsorted) sort_and_cut(plan, request);
  RangeResponse response{.revision = plan.revision, .more = plan.more, .count = plan.count};
  response.kvs.reserve(plan.rows.size());
  for (RangePlan::Row& row : plan.rows) {
    response.kvs.push_back(
        to_key_value(std::move(row.key), row.version, request.keys_only ? nullptr : std::move(row.value)));
  }
  return response;
}

}  // namespace cloudless::store

// A range read in two halves: what the index says (which keys, which versions, how many), and the answer once
// their values are at hand.
#pragma once

#include "base/result.hpp"
#include "store/index.hpp"

namespace cloudless::store {

struct RangePlan {
  struct Row {
    std::string key;
    Version version;
    SharedBytes value;  // filled in later; stays null with keys_only
  };
  Revision revision = 0;
  std::vector<Row> rows;
  int64_t count = 0;
  bool more = false;
  /// Sorted by value, so sorting and cutting wait for the values.
  bool unsorted = false;
};

/// `now`: the present revision. kFutureRevision and kCompacted as etcd has them.
Result<RangePlan> plan_range(const Index& index, const RangeRequest& request, Revision now);

/// The answer from a plan whose rows have their values.
RangeResponse finish_range(RangePlan plan, const RangeRequest& request);

KeyValue to_key_value(std::string key, const Version& version, SharedBytes value);

}  // namespace cloudless::store

#include "store/log.hpp"

#include <algorithm>

namespace cloudless::store {

Result<> check_append(const LogBatch& batch, Revision head, const Meta& meta) {
  if ((!batch.entries.empty() || batch.only_at_head) && batch.head != head) {
    return fail(Code::kConflict, "the log's head is {}, not {}", head, batch.head);
  }
  for (const std::string& key : batch.needs) {
    if (!meta.contains(key)) return fail(Code::kConflict, "the fact {} is gone", key);
  }
  return {};
}

}  // namespace cloudless::store

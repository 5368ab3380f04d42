#include "etcd/range_stream.hpp"

#include <algorithm>

#include "etcd/convert.hpp"

namespace cloudless::etcd {

using runtime::Task;

namespace {

constexpr int64_t kFirstPartPairs = 10;
// Parts are steered to between half and twice this; the largest request of etcd.
constexpr size_t kPartBytes = 3 << 19;

bool comes_in_key_order(const store::RangeRequest& request) {
  const bool by_key =
      request.sort_order == store::SortOrder::kNone ||
      (request.sort_order == store::SortOrder::kAscend && request.sort_target == store::SortTarget::kKey);
  return by_key && request.min_mod_revision == 0 && request.max_mod_revision == 0 &&
         request.min_create_revision == 0 && request.max_create_revision == 0;
}

}  // namespace

int64_t next_part_limit(int64_t limit, size_t bytes) {
  if (bytes < kPartBytes / 2) return limit * 2;
  if (bytes > kPartBytes * 2) return std::max<int64_t>(1, limit / 3);
  return limit;
}

Task<Result<>> stream_range(Backend& backend, store::RangeRequest request, RangePartSink send) {
  const bool in_parts = comes_in_key_order(request) && !request.count_only;
  const int64_t wanted = request.limit;
  int64_t part_limit = kFirstPartPairs;
  int64_t sent = 0;
  std::optional<int64_t> count;
  for (bool last = false; !last;) {
    if (in_parts) request.limit = wanted > 0 ? std::min(part_limit, wanted - sent) : part_limit;
    const store::RangeResponse page = CO_TRY(co_await backend.store.range(request));
    etcdserverpb::RangeStreamResponse part;
    if (!count) {
      // After the first read, so that a bad request is refused before anything is sent.
      backend.identity.fill(*part.mutable_range_response()->mutable_header());
      CO_TRY(co_await send(part));
      part.Clear();
      count = page.count;
      request.revision = page.revision;
      part.mutable_range_response()->mutable_header()->set_revision(page.revision);
    }
    auto& response = *part.mutable_range_response();
    for (const store::KeyValue& kv : page.kvs) fill(*response.add_kvs(), kv);
    sent += static_cast<int64_t>(page.kvs.size());
    last = !in_parts || !page.more || (wanted > 0 && sent >= wanted);
    if (last) {
      response.set_more(page.more);
      response.set_count(*count);
    } else {
      request.key = page.kvs.back().key + '\0';
      part_limit = next_part_limit(request.limit, part.ByteSizeLong());
    }
    CO_TRY(co_await send(part));
  }
  co_return Result<>();
}

}  // namespace cloudless::etcd

// RangeStream (etcd 3.7): a range in parts that a client merges into what Range would have answered, so that
// neither side holds all of it at once. For .cpp files alone.
//
//     header of who answers, without a revision
//     revision and pairs     the first part; the parts that follow are read at this revision
//     pairs                  ...
//     pairs, count, more     the last part
#pragma once

#include <functional>

#include "etcd/call.hpp"

namespace cloudless::etcd {

/// Returns once the part is handed on; an error where the client is gone.
using RangePartSink = std::function<runtime::Task<Result<>>(const etcdserverpb::RangeStreamResponse& part)>;

/// Sorted or filtered ranges come as one part, since their order is known only at the end.
runtime::Task<Result<>> stream_range(Backend& backend, store::RangeRequest request, RangePartSink send);

/// Pairs of the part that follows one of `bytes` with `limit` pairs (server/etcdserver/v3_server.go).
int64_t next_part_limit(int64_t limit, size_t bytes);

}  // namespace cloudless::etcd

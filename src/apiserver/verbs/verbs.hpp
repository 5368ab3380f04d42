// The verbs, one file each. A verb turns a Call into an Answer; watch answers by itself.
#pragma once

#include "apiserver/request/call.hpp"
#include "base/metrics.hpp"

namespace cloudless::apiserver {

using runtime::Task;

Task<ApiResult<Answer>> get_object(Registry& registry, Call& call);
Task<ApiResult<Answer>> list_collection(Registry& registry, Call& call);
Task<ApiResult<Answer>> create_object(Registry& registry, Call& call);
Task<ApiResult<Answer>> update_object(Registry& registry, Call& call);
Task<ApiResult<Answer>> patch_object(Registry& registry, Call& call);
Task<ApiResult<Answer>> delete_object(Registry& registry, Call& call);
Task<ApiResult<Answer>> delete_collection(Registry& registry, Call& call);

/// Streams events until the client goes, its time is up, or it is too slow: then its answer ends as it does
/// when its time is up, and `terminated` counts. An error where nothing was sent yet.
Task<ApiResult<>> watch_objects(Registry& registry, Call& call, net::ResponseWriter& response,
                                metrics::Counter& terminated);

}  // namespace cloudless::apiserver

#include "apiserver/verbs/verbs.hpp"

namespace cloudless::apiserver {

Task<ApiResult<Answer>> get_object(Registry& registry, Call& call) {
  const ResourceType& type = call.type();
  if (call.query.text("resourceVersion") == "0") {
    // Any version will do: the cache's.
    if (const CachedObjectPtr cached = type.cache->get(type.key(call.info.namespace_, call.info.name))) {
      co_return answer_object(call, cached);
    }
  }
  const CachedObjectPtr object = CO_TRY(co_await registry.read(type, call.info.namespace_, call.info.name));
  co_return answer_object(call, object);
}

}  // namespace cloudless::apiserver

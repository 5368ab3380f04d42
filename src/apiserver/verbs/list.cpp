#include "apiserver/verbs/verbs.hpp"

namespace cloudless::apiserver {

Task<ApiResult<Answer>> list_collection(Registry& registry, Call& call) {
  const ListOptions options = CO_TRY(parse_list_options(call.query, false));
  const Scope scope = CO_TRY(make_scope(call, options));
  ObjectList list =
      CO_TRY(co_await list_objects(call.type(), registry.feed(), registry.storage(), options, scope));
  co_return Answer{200, std::move(list)};
}

}  // namespace cloudless::apiserver

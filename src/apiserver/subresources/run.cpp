// Which code answers a subresource.
#include "apiserver/server_state.hpp"
#include "apiserver/subresources/subresources.hpp"
#include "apiserver/verbs/verbs.hpp"

namespace cloudless::apiserver {

runtime::Task<ApiResult<Answer>> ApiServer::State::run_subresource(Call& call) {
  const std::string& subresource = call.info.subresource;
  const std::string& verb = call.info.verb;
  if (subresource == "scale") co_return co_await serve_scale(registry, call);
  if (subresource == "binding") co_return co_await create_binding(registry, call);
  if (subresource == "eviction") co_return co_await create_eviction(registry, call);
  if (verb == "create") co_return co_await create_virtual(call);
  // What is left are parts of the object itself: status, finalize, approval, ephemeralcontainers, resize.
  if (verb == "get") co_return co_await get_object(registry, call);
  if (verb == "update") co_return co_await update_object(registry, call);
  if (verb == "patch") co_return co_await patch_object(registry, call);
  co_return std::unexpected(method_not_supported(call.type().id, verb));
}

}  // namespace cloudless::apiserver

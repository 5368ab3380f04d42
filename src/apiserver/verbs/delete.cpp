#include "api/registry.hpp"
#include "apiserver/json_fields.hpp"
#include "apiserver/verbs/verbs.hpp"

namespace cloudless::apiserver {

namespace {

// The body's DeleteOptions, or those of the query where there is no body.
ApiResult<DeleteOptions> read_options(Call& call) {
  if (call.body.empty()) return parse_delete_options(call.query, nullptr);
  const schema::Schema* schema = api::find_kind("meta.k8s.io", "v1", "DeleteOptions");
  const json::object body = TRY(decode_object(call, *schema, FieldValidation::kIgnore));
  return parse_delete_options(call.query, &body);
}

WriteRequest make_delete(const Call& call, const DeleteOptions& options) {
  return make_write(call, WriteOptions{.dry_run = options.dry_run});
}

}  // namespace

Task<ApiResult<Answer>> delete_object(Registry& registry, Call& call) {
  const DeleteOptions options = CO_TRY(read_options(call));
  WriteRequest request = make_delete(call, options);
  const ApiResult<Deleted> deleted = co_await registry.remove(request, options);
  absorb(call, request);
  if (!deleted) co_return std::unexpected(deleted.error());
  if (deleted->gone && !call.representation().info->delete_returns_object) {
    co_return answer_deleted(call, *deleted->object);
  }
  co_return answer_object(call, *deleted->object);
}

Task<ApiResult<Answer>> delete_collection(Registry& registry, Call& call) {
  const DeleteOptions options = CO_TRY(read_options(call));
  const ListOptions list_options = CO_TRY(parse_list_options(call.query, false));
  const Scope scope = CO_TRY(make_scope(call, list_options));
  ObjectList list =
      CO_TRY(co_await list_objects(call.type(), registry.feed(), registry.storage(), list_options, scope));
  for (const CachedObjectPtr& object : list.items) {
    WriteRequest request = make_delete(call, options);
    request.namespace_ = object->namespace_;
    request.name = object->name;
    const ApiResult<Deleted> deleted = co_await registry.remove(request, options);
    absorb(call, request);
    // Gone already is what was wanted.
    if (!deleted && deleted.error().code != 404) co_return std::unexpected(deleted.error());
  }
  co_return Answer{200, std::move(list)};
}

}  // namespace cloudless::apiserver

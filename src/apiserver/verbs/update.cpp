#include "apiserver/json_fields.hpp"
#include "apiserver/registry/conversion.hpp"
#include "apiserver/verbs/verbs.hpp"

namespace cloudless::apiserver {

Task<ApiResult<Answer>> update_object(Registry& registry, Call& call) {
  const WriteOptions options = CO_TRY(parse_write_options(call.query, call.user_agent(), "UpdateOptions"));
  json::object object =
      CO_TRY(decode_object(call, *call.representation().info->schema, options.field_validation));
  const std::string_view name = name_of(object);
  if (!name.empty() && name != call.info.name) {
    co_return std::unexpected(bad_request(fmt::format(
        "the name of the object ({}) does not match the name on the URL ({})", name, call.info.name)));
  }
  convert(object, call.representation(), call.type().storage_representation());
  WriteRequest request = make_write(call, options);
  const bool create = call.type().strategy->create_on_update && call.info.subresource.empty();
  const auto wanted = std::make_shared<const json::object>(std::move(object));
  const auto change = [wanted, create, id = call.type().id,
                       missing = call.info.name](const json::object* present) -> ApiResult<json::object> {
    if (!present && !create) return std::unexpected(not_found(id, missing));
    return *wanted;
  };
  const ApiResult<Written> written = co_await registry.update(request, change);
  absorb(call, request);
  if (!written) co_return std::unexpected(written.error());
  co_return answer_object(call, *written->object, written->created ? 201 : 200);
}

}  // namespace cloudless::apiserver

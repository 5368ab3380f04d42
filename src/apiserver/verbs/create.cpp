#include "apiserver/json_fields.hpp"
#include "apiserver/registry/conversion.hpp"
#include "apiserver/verbs/verbs.hpp"

namespace cloudless::apiserver {

Task<ApiResult<Answer>> create_object(Registry& registry, Call& call) {
  const WriteOptions options = CO_TRY(parse_write_options(call.query, call.user_agent(), "CreateOptions"));
  json::object object =
      CO_TRY(decode_object(call, *call.representation().info->schema, options.field_validation));
  if (name_of(object).empty() && text_at(object, {"metadata", "generateName"}).empty()) {
    co_return std::unexpected(invalid(
        call.type().id.group, call.type().kind, "",
        {{"FieldValueRequired", "Required value: name or generateName is required", "metadata.name"}}));
  }
  convert(object, call.representation(), call.type().storage_representation());
  WriteRequest request = make_write(call, options);
  const ApiResult<Written> written = co_await registry.create(request, std::move(object));
  absorb(call, request);
  if (!written) co_return std::unexpected(written.error());
  co_return answer_object(call, *written->object, 201);
}

}  // namespace cloudless::apiserver

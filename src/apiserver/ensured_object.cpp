#include "apiserver/ensured_object.hpp"

#include "apiserver/json_fields.hpp"

namespace cloudless::apiserver {

using runtime::Task;

Task<ApiResult<>> ensure(Objects& objects, GroupResource resource, json::object object) {
  const ApiResult<ObjectPtr> present = co_await objects.get(resource, namespace_of(object), name_of(object));
  if (present || present.error().code != 404) co_return ApiResult<>();
  const ApiResult<ObjectPtr> created = co_await objects.create(resource, std::move(object));
  if (!created && created.error().reason != "AlreadyExists") co_return std::unexpected(created.error());
  co_return ApiResult<>();
}

Task<ApiResult<>> ensure_equal(Objects& objects, GroupResource resource, json::object object,
                               std::vector<std::string> members) {
  const ApiResult<ObjectPtr> present = co_await objects.get(resource, namespace_of(object), name_of(object));
  if (!present) co_return co_await ensure(objects, resource, std::move(object));
  json::object updated = **present;
  for (const std::string& member : members) copy_member(object, updated, member);
  const ApiResult<ObjectPtr> written = co_await objects.update(resource, "", std::move(updated));
  if (!written && written.error().code != 409) co_return std::unexpected(written.error());
  co_return ApiResult<>();
}

}  // namespace cloudless::apiserver

// Changing an object: store.Update of upstream's generic registry, for PUT and for patches.
#include "apiserver/json_fields.hpp"
#include "apiserver/registry/object_rules.hpp"
#include "apiserver/registry/object_schema.hpp"
#include "apiserver/registry/registry.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

void forget_write_times(json::object& object) {
  json::value* list = metadata(object).if_contains("managedFields");
  if (!list || !list->is_array()) return;
  for (json::value& entry : list->get_array()) {
    if (entry.is_object()) entry.get_object().erase("time");
  }
}

// Equal but for when it was written: then nothing is written, and nobody is told.
bool is_same_object(json::object a, json::object b) {
  forget_write_times(a);
  forget_write_times(b);
  return a == b;
}

}  // namespace

Task<ApiResult<Written>> Registry::update(WriteRequest& request, ChangeFunction change) {
  for (int attempt = 1; attempt <= kUpdateAttempts; ++attempt) {
    std::optional<Written> written = CO_TRY(co_await update_once(request, change));
    if (written) co_return std::move(*written);
  }
  co_return std::unexpected(modified_conflict(request.endpoint.type->id, request.name));
}

Task<ApiResult<std::optional<Written>>> Registry::update_once(WriteRequest& request,
                                                              const ChangeFunction& change) {
  const ResourceType& type = *request.endpoint.type;
  const CachedObjectPtr stored =
      CO_TRY(co_await storage_.read(type, type.key(request.namespace_, request.name)));
  if (!stored) {
    json::object object = CO_TRY(change(nullptr));
    CO_TRY(settle_name(request.name, object));
    co_return CO_TRY(co_await create(request, std::move(object)));
  }
  const ObjectPtr present = stored->decode();
  json::object object = CO_TRY(change(present.get()));
  CO_TRY(settle_namespace(type, request.namespace_, object));
  CO_TRY(settle_name(request.name, object));
  CO_TRY(check_preconditions(type, *present, object));
  Claims claims = CO_TRY(co_await prepare_update(request, *present, object));
  co_return co_await store_update(request, *present, std::move(object), std::move(claims));
}

Task<ApiResult<Claims>> Registry::prepare_update(WriteRequest& request, const json::object& present,
                                                 json::object& object) {
  const ResourceType& type = *request.endpoint.type;
  const bool main = request.subresource.empty();
  metadata(object)["resourceVersion"] = present.at("metadata").at("resourceVersion");
  carry_over(type, request.subresource, present, object);
  // What subresources and the server itself make has not been through decoding.
  if (!main || !request.admission) CO_TRY(complete_object(type, object));
  CO_TRY(track_fields(type, &present, object, request, clock_.wall_now()));
  if (main && type.strategy->prepare_for_update) type.strategy->prepare_for_update(object, present);
  CO_TRY(co_await admit(AdmissionStage::kMutate, Operation::kUpdate, request, &object, &present));
  CO_TRY(complete_object(type, object));
  Claims claims;
  if (main && type.id == GroupResource{"", "services"}) {
    CO_TRY(validate_update(type, "", present, object));
    claims = CO_TRY(co_await services_.allocate(object, &present));
    CO_TRY(complete_object(type, object));
  }
  bump_generation(type, present, object);
  CO_TRY(validate_update(type, request.subresource, present, object));
  CO_TRY(co_await admit(AdmissionStage::kValidate, Operation::kUpdate, request, &object, &present));
  co_return claims;
}

Task<ApiResult<std::optional<Written>>> Registry::store_update(WriteRequest& request,
                                                               const json::object& present,
                                                               json::object object, Claims claims) {
  const ResourceType& type = *request.endpoint.type;
  const bool deleting = !text_at(object, {"metadata", "deletionTimestamp"}).empty();
  const bool finished = deleting && !has_finalizers(type, object) &&
                        number_at(object, {"metadata", "deletionGracePeriodSeconds"}) == 0;
  Written written{std::make_shared<json::object>(std::move(object))};
  if (request.dry_run || (!finished && is_same_object(present, *written.object))) co_return written;
  const uint64_t expected = resource_version_of(present);
  std::string key = type.key(request.namespace_, request.name);
  WriteOutcome outcome;
  if (finished) {
    // The last finalizer has gone: the update is the deletion.
    outcome = CO_TRY(co_await storage_.erase(std::move(key), expected, claims_to_release(type, present)));
  } else {
    outcome =
        CO_TRY(co_await storage_.write(type, std::move(key), expected, *written.object, std::move(claims)));
  }
  if (outcome.kind != WriteOutcome::Kind::kWritten) co_return std::nullopt;
  wrote(outcome.revision);
  if (!finished) set_resource_version(*written.object, outcome.revision);
  co_return written;
}

}  // namespace cloudless::apiserver

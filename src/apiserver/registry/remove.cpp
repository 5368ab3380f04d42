// Deleting an object: store.Delete of upstream's generic registry.
#include "apiserver/json_fields.hpp"
#include "apiserver/registry/object_rules.hpp"
#include "apiserver/registry/registry.hpp"

namespace cloudless::apiserver {

using runtime::Task;

Task<ApiResult<Deleted>> Registry::remove(WriteRequest& request, DeleteOptions options) {
  for (int attempt = 1; attempt <= kUpdateAttempts; ++attempt) {
    std::optional<Deleted> deleted = CO_TRY(co_await remove_once(request, options));
    if (deleted) co_return std::move(*deleted);
  }
  co_return std::unexpected(modified_conflict(request.endpoint.type->id, request.name));
}

Task<ApiResult<std::optional<Deleted>>> Registry::remove_once(WriteRequest& request,
                                                              const DeleteOptions& options) {
  const ResourceType& type = *request.endpoint.type;
  std::string key = type.key(request.namespace_, request.name);
  const CachedObjectPtr stored = CO_TRY(co_await read(type, request.namespace_, request.name));
  const ObjectPtr present = stored->decode();
  CO_TRY(check_preconditions(type, *present, options));
  CO_TRY(co_await admit(AdmissionStage::kMutate, Operation::kDelete, request, nullptr, present.get()));
  CO_TRY(co_await admit(AdmissionStage::kValidate, Operation::kDelete, request, nullptr, present.get()));

  Deleted deleted{.object = std::make_shared<json::object>(*present)};
  const DeletionPlan plan = plan_deletion(type, *deleted.object, options, clock_.wall_now());
  deleted.gone = plan.kind == DeletionPlan::Kind::kErase;
  if (request.dry_run || plan.kind == DeletionPlan::Kind::kKeep) co_return deleted;
  WriteOutcome outcome;
  if (deleted.gone) {
    outcome =
        CO_TRY(co_await storage_.erase(std::move(key), stored->revision, claims_to_release(type, *present)));
  } else {
    outcome =
        CO_TRY(co_await storage_.write(type, std::move(key), stored->revision, *deleted.object, Claims()));
  }
  if (outcome.kind != WriteOutcome::Kind::kWritten) co_return std::nullopt;
  wrote(outcome.revision);
  set_resource_version(*deleted.object, outcome.revision);
  co_return deleted;
}

}  // namespace cloudless::apiserver

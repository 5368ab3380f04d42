// Creating an object: store.Create of upstream's generic registry.
#include "apiserver/json_fields.hpp"
#include "apiserver/registry/object_rules.hpp"
#include "apiserver/registry/object_schema.hpp"
#include "apiserver/registry/registry.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

// generateName and five random characters, within the length of a name (names.SimpleNameGenerator).
constexpr size_t kRandomSuffix = 5;
constexpr size_t kGeneratedNameLimit = 63;

std::string generate_name(std::string_view base, Random& random) {
  return std::string(base.substr(0, kGeneratedNameLimit - kRandomSuffix)) +
         random.text(kRandomSuffix, kNameAlphabet);
}

}  // namespace

Task<ApiResult<Written>> Registry::create(WriteRequest& request, json::object object) {
  const ResourceType& type = *request.endpoint.type;
  CO_TRY(settle_namespace(type, request.namespace_, object));
  // What the server writes itself has not been through decoding.
  if (!request.admission) CO_TRY(complete_object(type, object));
  CO_TRY(track_fields(type, nullptr, object, request, clock_.wall_now()));
  const std::string base(text_at(object, {"metadata", "generateName"}));
  const bool generated = name_of(object).empty() && !base.empty();
  if (generated) metadata(object)["name"] = generate_name(base, random_);
  request.name = name_of(object);
  CO_TRY(co_await admit(AdmissionStage::kMutate, Operation::kCreate, request, &object, nullptr));
  CO_TRY(begin_object(type, object, random_.uuid(), clock_.wall_now()));
  if (type.strategy->prepare_for_create) type.strategy->prepare_for_create(object, request.user);

  for (int attempt = 1;; ++attempt) {
    json::object candidate = object;
    const WriteOutcome outcome = CO_TRY(co_await create_once(request, candidate));
    if (outcome.kind == WriteOutcome::Kind::kWritten) {
      if (!request.dry_run) {
        wrote(outcome.revision);
        set_resource_version(candidate, outcome.revision);
      }
      co_return Written{std::make_shared<json::object>(std::move(candidate)), true};
    }
    const bool taken = outcome.kind == WriteOutcome::Kind::kStale;
    if (taken && !generated) co_return std::unexpected(already_exists(type.id, name_of(object)));
    if (attempt == (taken ? kGenerateNameAttempts : kUpdateAttempts)) {
      co_return std::unexpected(
          taken ? generate_name_conflict(type.id, name_of(object))
                : conflict(type.id, name_of(object), "its addresses are in demand; try again"));
    }
    if (taken) {
      metadata(object)["name"] = generate_name(base, random_);
      request.name = name_of(object);
    }
  }
}

Task<ApiResult<WriteOutcome>> Registry::create_once(WriteRequest& request, json::object& object) {
  const ResourceType& type = *request.endpoint.type;
  CO_TRY(complete_object(type, object));
  Claims claims;
  if (type.id == GroupResource{"", "services"}) {
    CO_TRY(validate_create(type, object));
    claims = CO_TRY(co_await services_.allocate(object, nullptr));
  }
  CO_TRY(validate_create(type, object));
  CO_TRY(co_await admit(AdmissionStage::kValidate, Operation::kCreate, request, &object, nullptr));
  std::string key = type.key(namespace_of(object), name_of(object));
  if (request.dry_run) {
    const CachedObjectPtr present = CO_TRY(co_await storage_.read(type, key));
    co_return WriteOutcome{present ? WriteOutcome::Kind::kStale : WriteOutcome::Kind::kWritten, 0};
  }
  co_return co_await storage_.write(type, std::move(key), 0, object, std::move(claims));
}

}  // namespace cloudless::apiserver

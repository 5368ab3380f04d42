#include "apiserver/registry/registry.hpp"

#include <algorithm>

#include "apiserver/json_fields.hpp"

namespace cloudless::apiserver {

using runtime::Task;

Registry::Registry(RegistryOptions options, store::Store& store, runtime::Executor& executor,
                   ValueTransformer* transformer, const Clock& clock, Random& random, Logger log)
    : options_(std::move(options)),
      clock_(clock),
      random_(random),
      log_(log),
      storage_(store, transformer, clock, options_.event_ttl),
      feed_(store, executor, options_.root + "/", transformer, log),
      services_(options_.services, options_.root, storage_, clock, random),
      catalog_(std::make_shared<const Catalog>(builtin_types(options_.root))) {}

Registry::~Registry() = default;

Task<Result<>> Registry::start() {
  CO_TRY(co_await feed_.start());
  const CatalogPtr catalog = this->catalog();
  for (const ResourceTypePtr& type : catalog->types()) {
    if (type->stored) CO_TRY(co_await feed_.add(type->prefix, type->cache));
  }
  const ResourceTypePtr services = catalog->find(GroupResource{"", "services"});
  const ApiResult<ObjectList> all = co_await list_objects(*services, feed_, storage_, ListOptions(), Scope());
  if (!all) co_return fail(Code::kInternal, "list services: {}", all.error().message);
  const ApiResult<size_t> repaired = co_await services_.repair(*all);
  if (!repaired) co_return fail(Code::kInternal, "repair service addresses: {}", repaired.error().message);
  if (*repaired > 0) log_.warn("service addresses and node ports were repaired", {{"claims", *repaired}});
  co_return Result<>();
}

Task<void> Registry::stop() { co_await feed_.stop(); }

CatalogPtr Registry::catalog() const {
  const std::lock_guard lock(mutex_);
  return catalog_;
}

uint64_t Registry::catalog_generation() const {
  const std::lock_guard lock(mutex_);
  return generation_;
}

Task<Result<>> Registry::serve(std::shared_ptr<ResourceType> type) {
  // A new version of a resource keeps its cache, unless other fields are to be selected by.
  const ResourceTypePtr old_type = catalog()->find(type->id);
  if (old_type && old_type->prefix == type->prefix && old_type->cache && type->cache &&
      std::ranges::equal(old_type->cache->fields(), type->cache->fields(), {}, &SelectableField::label,
                         &SelectableField::label)) {
    type->cache = old_type->cache;
  } else {
    if (old_type) feed_.remove(old_type->prefix);
    CO_TRY(co_await feed_.add(type->prefix, type->cache));
  }
  const std::lock_guard lock(mutex_);
  std::vector<ResourceTypePtr> types = catalog_->types();
  std::erase_if(types, [&](const ResourceTypePtr& other) { return other->id == type->id; });
  types.push_back(std::move(type));
  catalog_ = std::make_shared<const Catalog>(std::move(types));
  ++generation_;
  co_return Result<>();
}

void Registry::stop_serving(const GroupResource& id) {
  const std::lock_guard lock(mutex_);
  std::vector<ResourceTypePtr> types = catalog_->types();
  for (const ResourceTypePtr& type : types) {
    if (type->id == id) feed_.remove(type->prefix);
  }
  if (std::erase_if(types, [&](const ResourceTypePtr& type) { return type->id == id; }) == 0) return;
  catalog_ = std::make_shared<const Catalog>(std::move(types));
  ++generation_;
}

void Registry::wrote(uint64_t revision) {
  const std::lock_guard lock(mutex_);
  last_written_ = std::max(last_written_, revision);
}

Claims Registry::claims_to_release(const ResourceType& type, const json::object& object) const {
  return type.id == GroupResource{"", "services"} ? services_.release(object) : Claims();
}

Task<ApiResult<CachedObjectPtr>> Registry::read(const ResourceType& type, std::string namespace_,
                                                std::string name) {
  CachedObjectPtr object = CO_TRY(co_await storage_.read(type, type.key(namespace_, name)));
  if (!object) co_return std::unexpected(not_found(type.id, name));
  co_return object;
}

Task<ApiResult<>> Registry::admit(AdmissionStage stage, Operation operation, WriteRequest& request,
                                  json::object* object, const json::object* old_object) {
  if (!request.admission) co_return ApiResult<>();
  const Representation& representation = *request.endpoint.representation;
  AdmissionRequest admission{.operation = operation,
                             .group = representation.group,
                             .version = representation.version,
                             .resource = request.endpoint.type->id.resource,
                             .subresource = request.subresource,
                             .kind = request.endpoint.type->kind,
                             .namespace_ = request.namespace_,
                             .name = request.name,
                             .user = request.user,
                             .dry_run = request.dry_run,
                             .object = object,
                             .old_object = old_object,
                             .warnings = request.warnings,
                             .audit_annotations = request.audit_annotations};
  for (const std::shared_ptr<AdmissionPlugin>& plugin : admission_) {
    if (!plugin->handles(operation)) continue;
    if (stage == AdmissionStage::kMutate) {
      CO_TRY(co_await plugin->admit(admission));
    } else {
      CO_TRY(co_await plugin->validate(admission));
    }
  }
  co_return ApiResult<>();
}

// Objects: the server's own reads and writes.

Task<ApiResult<ResourceTypePtr>> Registry::caught_up(const GroupResource& resource) {
  ResourceTypePtr type = catalog()->find(resource);
  if (!type || !type->stored) co_return std::unexpected(unknown_resource());
  uint64_t written = 0;
  {
    const std::lock_guard lock(mutex_);
    written = last_written_;
  }
  CO_TRY(co_await feed_.wait_until(written));
  co_return type;
}

Task<ApiResult<ObjectPtr>> Registry::get(const GroupResource& resource, std::string_view namespace_,
                                         std::string_view name) {
  const ResourceTypePtr type = CO_TRY(co_await caught_up(resource));
  const CachedObjectPtr object = type->cache->get(type->key(namespace_, name));
  if (!object) co_return std::unexpected(not_found(resource, name));
  co_return object->decode();
}

Task<ApiResult<std::vector<ObjectPtr>>> Registry::list(const GroupResource& resource,
                                                       std::string_view namespace_) {
  const ResourceTypePtr type = CO_TRY(co_await caught_up(resource));
  std::vector<ObjectPtr> out;
  for (const CachedObjectPtr& object : type->cache->list(type->key(namespace_, ""), 0).objects) {
    out.push_back(object->decode());
  }
  co_return out;
}

Task<ApiResult<uint64_t>> Registry::revision(const GroupResource& resource) {
  const ResourceTypePtr type = CO_TRY(co_await caught_up(resource));
  co_return type->cache->revision();
}

WriteRequest Registry::internal_request(ResourceTypePtr type) const {
  WriteRequest request;
  request.endpoint = {type, &type->storage_representation()};
  request.user = {.name = std::string(kUserApiServer), .groups = {std::string(kGroupMasters)}};
  request.field_manager = "cloudless-apiserver";
  request.admission = false;
  return request;
}

Task<ApiResult<ObjectPtr>> Registry::create(const GroupResource& resource, json::object object) {
  const ResourceTypePtr type = CO_TRY(co_await caught_up(resource));
  WriteRequest request = internal_request(type);
  request.namespace_ = namespace_of(object);
  Written written = CO_TRY(co_await create(request, std::move(object)));
  co_return ObjectPtr(std::move(written.object));
}

namespace {

ApiResult<json::object> give(const std::shared_ptr<const json::object>& wanted, const GroupResource& resource,
                             const json::object* present) {
  if (!present) return std::unexpected(not_found(resource, name_of(*wanted)));
  return *wanted;
}

}  // namespace

Task<ApiResult<ObjectPtr>> Registry::update(const GroupResource& resource, std::string_view subresource,
                                            json::object object) {
  const ResourceTypePtr type = CO_TRY(co_await caught_up(resource));
  WriteRequest request = internal_request(type);
  request.subresource = subresource;
  request.namespace_ = namespace_of(object);
  request.name = name_of(object);
  const auto wanted = std::make_shared<const json::object>(std::move(object));
  Written written = CO_TRY(co_await update(
      request, [wanted, resource](const json::object* present) { return give(wanted, resource, present); }));
  co_return ObjectPtr(std::move(written.object));
}

Task<ApiResult<>> Registry::remove(const GroupResource& resource, std::string_view namespace_,
                                   std::string_view name) {
  const ResourceTypePtr type = CO_TRY(co_await caught_up(resource));
  WriteRequest request = internal_request(type);
  request.namespace_ = namespace_;
  request.name = name;
  CO_TRY(co_await remove(request, DeleteOptions()));
  co_return ApiResult<>();
}

}  // namespace cloudless::apiserver

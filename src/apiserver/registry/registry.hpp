// Registry: the objects of all served resources, and the rules of writing them: metadata that the server
// fills, strategies, admission, validation, optimistic concurrency, graceful deletion and finalizers
// (k8s.io/apiserver/pkg/registry/generic/registry/store.go). Request handlers and the server's own code both
// write through it; handlers come with admission, the server's own writes without.
//
// Thread-safe.
#pragma once

#include <boost/json/fwd.hpp>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "apiserver/registry/cache_feed.hpp"
#include "apiserver/registry/list.hpp"
#include "apiserver/registry/service_allocator.hpp"
#include "apiserver/registry/storage.hpp"
#include "base/random.hpp"

namespace cloudless::apiserver {

/// Attempts to write an object that others change meanwhile, before the conflict is shown.
inline constexpr int kUpdateAttempts = 16;
/// Names tried for generateName (upstream's maxNameGenerationCreateAttempts).
inline constexpr int kGenerateNameAttempts = 8;

using AdmissionChain = std::vector<std::shared_ptr<AdmissionPlugin>>;

struct RegistryOptions {
  std::string root = "/registry";
  ServiceRanges services;
  std::chrono::seconds event_ttl = std::chrono::hours(1);
};

/// One write: on what, by whom, how.
struct WriteRequest {
  Endpoint endpoint;
  std::string subresource;
  std::string namespace_;
  std::string name;  // empty on create
  UserInfo user;
  bool dry_run = false;
  std::string field_manager;
  bool admission = true;
  bool applied = false;  // server-side apply has set managedFields already
  std::vector<std::string> warnings;
  std::map<std::string, std::string> audit_annotations;
};

/// An object as it was stored (or would be, on a dry run), in its storage version, with its resourceVersion.
struct Written {
  std::shared_ptr<boost::json::object> object;
  bool created = false;
};

struct Deleted {
  std::shared_ptr<boost::json::object> object;  // its last or present state
  bool gone = false;                            // false: it waits for finalizers or its agent
};

/// Makes the wanted object from the present one (in its storage version, with resourceVersion), or refuses.
/// Called again when the object changed meanwhile. Null: there is none.
using ChangeFunction = std::function<ApiResult<boost::json::object>(const boost::json::object* present)>;

class Registry final : public Objects {
 public:
  Registry(RegistryOptions options, store::Store& store, runtime::Executor& executor,
           ValueTransformer* transformer, const Clock& clock, Random& random, Logger log);
  ~Registry() override;

  runtime::Task<Result<>> start();
  runtime::Task<void> stop();

  /// Before start().
  void set_admission(AdmissionChain chain) { admission_ = std::move(chain); }

  CatalogPtr catalog() const;
  /// Serves `type` in place of one with the same id.
  runtime::Task<Result<>> serve(std::shared_ptr<ResourceType> type);
  void stop_serving(const GroupResource& id);
  /// Changes with every serve() and stop_serving().
  uint64_t catalog_generation() const;

  CacheFeed& feed() { return feed_; }
  Storage& storage() { return storage_; }
  const Clock& clock() const { return clock_; }
  Random& random() { return random_; }
  const RegistryOptions& options() const { return options_; }

  // For request handlers.

  /// Linearizable. 404 where there is none.
  runtime::Task<ApiResult<CachedObjectPtr>> read(const ResourceType& type, std::string namespace_,
                                                 std::string name);
  runtime::Task<ApiResult<Written>> create(WriteRequest& request, boost::json::object object);
  runtime::Task<ApiResult<Written>> update(WriteRequest& request, ChangeFunction change);
  runtime::Task<ApiResult<Deleted>> remove(WriteRequest& request, DeleteOptions options);

  // Objects: for the server itself.
  runtime::Task<ApiResult<ObjectPtr>> get(const GroupResource& resource, std::string_view namespace_,
                                          std::string_view name) override;
  runtime::Task<ApiResult<std::vector<ObjectPtr>>> list(const GroupResource& resource,
                                                        std::string_view namespace_) override;
  runtime::Task<ApiResult<uint64_t>> revision(const GroupResource& resource) override;
  runtime::Task<ApiResult<ObjectPtr>> create(const GroupResource& resource,
                                             boost::json::object object) override;
  runtime::Task<ApiResult<ObjectPtr>> update(const GroupResource& resource, std::string_view subresource,
                                             boost::json::object object) override;
  runtime::Task<ApiResult<>> remove(const GroupResource& resource, std::string_view namespace_,
                                    std::string_view name) override;

 private:
  // One attempt; nothing where the object changed meanwhile.
  runtime::Task<ApiResult<WriteOutcome>> create_once(WriteRequest& request, boost::json::object& object);
  runtime::Task<ApiResult<std::optional<Written>>> update_once(WriteRequest& request,
                                                               const ChangeFunction& change);
  runtime::Task<ApiResult<std::optional<Deleted>>> remove_once(WriteRequest& request,
                                                               const DeleteOptions& options);
  // The object of an update, ready to be written; the claims that go with it.
  runtime::Task<ApiResult<Claims>> prepare_update(WriteRequest& request, const boost::json::object& present,
                                                  boost::json::object& object);
  runtime::Task<ApiResult<std::optional<Written>>> store_update(WriteRequest& request,
                                                                const boost::json::object& present,
                                                                boost::json::object object, Claims claims);
  Claims claims_to_release(const ResourceType& type, const boost::json::object& object) const;
  enum class AdmissionStage { kMutate, kValidate };
  runtime::Task<ApiResult<>> admit(AdmissionStage stage, Operation operation, WriteRequest& request,
                                   boost::json::object* object, const boost::json::object* old_object);
  WriteRequest internal_request(ResourceTypePtr type) const;
  runtime::Task<ApiResult<ResourceTypePtr>> caught_up(const GroupResource& resource);
  void wrote(uint64_t revision);

  const RegistryOptions options_;
  const Clock& clock_;
  Random& random_;
  const Logger log_;
  Storage storage_;
  CacheFeed feed_;
  ServiceAllocator services_;
  AdmissionChain admission_;

  mutable std::mutex mutex_;
  CatalogPtr catalog_;
  uint64_t generation_ = 0;
  uint64_t last_written_ = 0;
};

/// Whether the object's deletion has to wait: it has finalizers, or a namespace its spec.finalizers.
bool has_finalizers(const ResourceType& type, const boost::json::object& object);

}  // namespace cloudless::apiserver

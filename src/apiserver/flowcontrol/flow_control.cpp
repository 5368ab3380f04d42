#include "apiserver/flowcontrol/flow_control.hpp"

#include "apiserver/json_fields.hpp"
#include "schema/struct_codec.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

constexpr const char* kGroup = "flowcontrol.apiserver.k8s.io";
constexpr const char* kRetryAfterSeconds = "1";

template <class T>
std::vector<T> read_all(const ResourceType& type) {
  std::vector<T> out;
  for (const CachedObjectPtr& object : type.cache->list(type.prefix, 0).objects) {
    auto value = schema::decode<T>(*object->json);
    if (value) out.push_back(std::move(*value));
  }
  return out;
}

}  // namespace

std::shared_ptr<const FlowTable> FlowTables::current() {
  const CatalogPtr catalog = registry_.catalog();
  const ResourceTypePtr schemas = catalog->find(GroupResource{kGroup, "flowschemas"});
  const ResourceTypePtr levels = catalog->find(GroupResource{kGroup, "prioritylevelconfigurations"});
  const uint64_t schemas_revision = schemas->cache->revision();
  const uint64_t levels_revision = levels->cache->revision();
  const std::lock_guard lock(mutex_);
  if (table_ && schemas_revision_ == schemas_revision && levels_revision_ == levels_revision) return table_;
  // What is read is at least as new as the revisions: the table is never taken for newer than it is.
  table_ =
      std::make_shared<const FlowTable>(read_all<api::flowcontrol::v1::FlowSchema>(*schemas),
                                        read_all<api::flowcontrol::v1::PriorityLevelConfiguration>(*levels));
  schemas_revision_ = schemas_revision;
  levels_revision_ = levels_revision;
  return table_;
}

std::optional<InFlight::Slot> InFlight::enter(const RequestInfo& info, const Flow* flow) {
  if (is_long_running(info) || (flow && flow->exempt)) return Slot();
  const bool reading = is_reading(info);
  const int64_t limit = reading ? limits_.reading : limits_.mutating;
  if (limit == 0) return Slot();
  std::atomic<int64_t>& count = reading ? reading_ : mutating_;
  Slot slot(count);
  if (++count > limit) return std::nullopt;
  return slot;
}

void FlowedResponse::set_flow(const Flow& flow) { flow_ = flow; }

void FlowedResponse::add_to(net::Headers& headers) const {
  // An extension API server's answer has one already.
  if (!headers.get("audit-id")) headers.add("audit-id", audit_id_);
  if (!flow_) return;
  headers.add("x-kubernetes-pf-flowschema-uid", flow_->schema_uid);
  headers.add("x-kubernetes-pf-prioritylevel-uid", flow_->level_uid);
}

Task<Result<>> FlowedResponse::start(int status, net::Headers headers) {
  add_to(headers);
  return client_.start(status, std::move(headers));
}

Task<Result<>> FlowedResponse::write(SharedBytes piece) { return client_.write(std::move(piece)); }

Task<Result<>> FlowedResponse::finish() { return client_.finish(); }

Task<Result<>> FlowedResponse::respond(int status, net::Headers headers, std::vector<SharedBytes> body) {
  add_to(headers);
  return client_.respond(status, std::move(headers), std::move(body));
}

Task<Result<std::unique_ptr<net::ByteStream>>> FlowedResponse::upgrade(net::Headers headers) {
  return client_.upgrade(std::move(headers));
}

Task<void> refuse_too_many(net::ResponseWriter& response) {
  static const SharedBytes kBody = share("Too many requests, please try again later.\n");
  (void)co_await response.respond(429,
                                  {{"content-type", "text/plain; charset=utf-8"},
                                   {"x-content-type-options", "nosniff"},
                                   {"retry-after", kRetryAfterSeconds}},
                                  {kBody});
}

}  // namespace cloudless::apiserver

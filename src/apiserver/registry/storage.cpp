#include "apiserver/registry/storage.hpp"

#include "apiserver/json_fields.hpp"
#include "base/strings.hpp"
#include "schema/json.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

store::Compare unchanged(std::string key, uint64_t expected) {
  return {.result = store::CompareResult::kEqual,
          .target = store::CompareTarget::kMod,
          .key = std::move(key),
          .number = static_cast<int64_t>(expected)};
}

}  // namespace

std::string encode_stored(json::object object) {
  erase_at(object, {"metadata", "resourceVersion"});
  erase_at(object, {"metadata", "selfLink"});
  return schema::serialize_json(object);
}

Task<ApiResult<CachedObjectPtr>> Storage::read(const ResourceType& type, std::string key) {
  Page page = CO_TRY(co_await read_range(type, key, "", 0, 0));
  if (page.objects.empty()) co_return CachedObjectPtr();
  co_return page.objects.front();
}

Task<ApiResult<Storage::Page>> Storage::read_range(const ResourceType& type, std::string key,
                                                   std::string prefix, uint64_t revision, int64_t limit) {
  store::RangeRequest request{
      .key = std::move(key), .limit = limit, .revision = static_cast<int64_t>(revision)};
  if (!prefix.empty()) request.range_end = store::prefix_range_end(prefix);
  const Result<store::RangeResponse> response = co_await store_.range(std::move(request));
  if (!response) co_return std::unexpected(ApiStatus(response.error()));
  Page page{.revision = static_cast<uint64_t>(response->revision), .more = response->more};
  page.objects.reserve(response->kvs.size());
  for (const store::KeyValue& kv : response->kvs) {
    const auto mod_revision = static_cast<uint64_t>(kv.mod_revision);
    // What the cache holds in this version is decoded already.
    CachedObjectPtr cached = type.cache ? type.cache->get(kv.key) : nullptr;
    if (cached && cached->revision == mod_revision) {
      page.objects.push_back(std::move(cached));
      continue;
    }
    std::string plain = *kv.value;
    if (transformer_) {
      Result<ValueTransformer::Plain> opened = transformer_->from_storage(kv.key, std::move(plain));
      if (!opened) co_return std::unexpected(ApiStatus(opened.error()));
      plain = std::move(opened->value);
    }
    Result<CachedObjectPtr> object = make_cached_object(kv.key, plain, mod_revision, type.cache->fields());
    if (!object) co_return std::unexpected(ApiStatus(object.error()));
    page.objects.push_back(std::move(*object));
  }
  co_return page;
}

Task<ApiResult<WriteOutcome>> Storage::write(const ResourceType& type, std::string key, uint64_t expected,
                                             const json::object& object, Claims claims) {
  std::string value = encode_stored(object);
  if (transformer_) {
    Result<std::string> sealed = transformer_->to_storage(key, std::move(value));
    if (!sealed) co_return std::unexpected(ApiStatus(sealed.error()));
    value = std::move(*sealed);
  }
  const store::LeaseId lease = CO_TRY(co_await lease_for(type));
  store::PutRequest put{.key = key, .value = share(std::move(value)), .lease = lease};
  co_return co_await commit(std::move(key), expected, std::move(put), std::move(claims));
}

Task<ApiResult<store::LeaseId>> Storage::lease_for(const ResourceType& type) {
  if (type.id != GroupResource{"", "events"}) co_return store::LeaseId{0};
  {
    const std::lock_guard lock(mutex_);
    if (event_lease_ != 0 && clock_.steady_now() < event_lease_until_) co_return event_lease_;
  }
  const Result<store::Lease> lease = co_await store_.grant_lease(0, event_ttl_ + kEventLeaseReuse);
  if (!lease) co_return std::unexpected(ApiStatus(lease.error()));
  const std::lock_guard lock(mutex_);
  event_lease_ = lease->id;
  event_lease_until_ = clock_.steady_now() + kEventLeaseReuse;
  co_return event_lease_;
}

Task<ApiResult<WriteOutcome>> Storage::erase(std::string key, uint64_t expected, Claims claims) {
  store::DeleteRangeRequest remove{.key = key};
  co_return co_await commit(std::move(key), expected, std::move(remove), std::move(claims));
}

Task<ApiResult<WriteOutcome>> Storage::commit(std::string key, uint64_t expected, store::TxnOp operation,
                                              Claims claims) {
  store::TxnRequest txn;
  txn.compare.push_back(unchanged(key, expected));
  txn.success.push_back(std::move(operation));
  for (Claims::Take& take : claims.take) {
    txn.compare.push_back(unchanged(take.key, 0));
    txn.success.emplace_back(store::PutRequest{.key = take.key, .value = share(std::move(take.value))});
  }
  for (std::string& release : claims.release) {
    txn.success.emplace_back(store::DeleteRangeRequest{.key = std::move(release)});
  }
  txn.failure.emplace_back(store::RangeRequest{.key = key, .keys_only = true});
  const Result<store::TxnResponse> response = co_await store_.txn(std::move(txn));
  // What the store refuses of a transaction that is made here is the size of an object; upstream passes on
  // the store's words under 500, without a reason.
  if (!response && response.error().code == Code::kInvalid)
    co_return std::unexpected(ApiStatus(500, "", response.error().message));
  if (!response) co_return std::unexpected(ApiStatus(response.error()));
  const auto revision = static_cast<uint64_t>(response->revision);
  if (response->succeeded) co_return WriteOutcome{WriteOutcome::Kind::kWritten, revision};
  const auto* present = std::get_if<store::RangeResponse>(&response->responses.front());
  const uint64_t found =
      present && !present->kvs.empty() ? static_cast<uint64_t>(present->kvs.front().mod_revision) : 0;
  const auto kind = found == expected ? WriteOutcome::Kind::kClaimed : WriteOutcome::Kind::kStale;
  co_return WriteOutcome{kind, revision};
}

}  // namespace cloudless::apiserver

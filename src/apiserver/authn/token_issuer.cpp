// TokenRequest (pkg/registry/core/serviceaccount/storage/token.go).
#include <algorithm>

#include "apiserver/authn/service_account.hpp"
#include "apiserver/authn/users.hpp"
#include "apiserver/json_fields.hpp"
#include "base/strings.hpp"
#include "pki/jws.hpp"

namespace cloudless::apiserver::authn {

using runtime::Task;

namespace {

constexpr int64_t kMaxSeconds = int64_t{1} << 32;

struct BoundKind {
  std::string_view kind;
  GroupResource resource;
  bool namespaced;
};

const BoundKind* find_bound_kind(std::string_view api_version, std::string_view kind) {
  static const BoundKind kKinds[] = {
      {"Pod", {"", "pods"}, true}, {"Secret", {"", "secrets"}, true}, {"Node", {"", "nodes"}, false}};
  for (const BoundKind& known : kKinds) {
    if (api_version == "v1" && known.kind == kind) return &known;
  }
  return nullptr;
}

ApiStatus invalid_seconds(int64_t seconds, std::string_view why) {
  return invalid(
      "authentication.k8s.io", "TokenRequest", "",
      {{"FieldValueInvalid", fmt::format("Invalid value: {}: {}", seconds, why), "spec.expirationSeconds"}});
}

ApiResult<std::chrono::seconds> lifetime_of(const json::object& request, Duration limit) {
  const int64_t seconds = number_at(request, {"spec", "expirationSeconds"}, kDefaultTokenLifetime.count());
  if (seconds < std::chrono::seconds(kMinTokenLifetime).count())
    return std::unexpected(invalid_seconds(seconds, "may not specify a duration less than 10 minutes"));
  if (seconds > kMaxSeconds)
    return std::unexpected(invalid_seconds(seconds, "may not specify a duration larger than 2^32 seconds"));
  std::chrono::seconds lifetime(seconds);
  if (limit > Duration(0)) lifetime = std::min(lifetime, std::chrono::floor<std::chrono::seconds>(limit));
  return lifetime;
}

Task<ApiResult<>> bind(Objects& objects, const CreateContext& context, const json::object& reference,
                       ServiceAccountClaims& claims) {
  const std::string_view kind_name = text_at(reference, {"kind"});
  const BoundKind* kind = find_bound_kind(text_at(reference, {"apiVersion"}), kind_name);
  if (!kind)
    co_return std::unexpected(bad_request(fmt::format("cannot bind token to object of type {}", kind_name)));
  const std::string name(text_at(reference, {"name"}));
  const ObjectPtr object =
      CO_TRY(co_await objects.get(kind->resource, kind->namespaced ? context.namespace_ : "", name));
  const std::string uid(text_at(*object, {"metadata", "uid"}));
  const std::string_view asked_uid = text_at(reference, {"uid"});
  if (!asked_uid.empty() && asked_uid != uid)
    co_return std::unexpected(conflict(
        kind->resource, name,
        fmt::format(
            "the UID in the bound object reference ({}) does not match the UID in record. The object might "
            "have been deleted and then recreated",
            asked_uid)));
  if (kind->kind == "Secret") claims.secret = BoundObject{name, uid};
  if (kind->kind == "Node") claims.node = BoundObject{name, uid};
  if (kind->kind != "Pod") co_return {};
  if (text_at(*object, {"spec", "serviceAccountName"}) != context.name)
    co_return std::unexpected(bad_request(fmt::format(
        "cannot bind token for serviceaccount {} to pod running with different serviceaccount name.",
        quote(context.name))));
  claims.pod = BoundObject{name, uid};
  const std::string node(text_at(*object, {"spec", "nodeName"}));
  if (node.empty()) co_return {};
  // A token of a pod also says where the pod runs (KEP-4193).
  const auto found = co_await objects.get({"", "nodes"}, "", node);
  claims.node = BoundObject{node, found ? std::string(text_at(**found, {"metadata", "uid"})) : std::string()};
  co_return {};
}

std::vector<std::string> audiences_of(const json::object& request) {
  std::vector<std::string> out;
  for (const json::value& audience : array_at(request, {"spec", "audiences"})) {
    if (audience.is_string()) out.emplace_back(audience.get_string());
  }
  return out;
}

// Whether clients may go on using the token when it should have been refreshed
// (--service-account-extend-token- expiration).
bool is_extended(const ServiceAccountOptions& options, const ServiceAccountClaims& claims,
                 std::chrono::seconds lifetime) {
  return options.extend_expiration && claims.pod && lifetime == kWarnOnlyTokenLifetime &&
         intersect_audiences(claims.audiences, options.audiences()).size() == claims.audiences.size();
}

}  // namespace

Task<ApiResult<json::object>> TokenIssuer::create(const CreateContext& context, json::object object) {
  const ObjectPtr account =
      CO_TRY(co_await objects_.get({"", "serviceaccounts"}, context.namespace_, context.name));
  const auto lifetime = CO_TRY(lifetime_of(object, options_.max_expiration));
  const WallTime now = clock_.wall_now();
  ServiceAccountClaims claims{.issuer = options_.issuers.front(),
                              .subject = service_account_user(context.namespace_, context.name),
                              .audiences = audiences_of(object),
                              .id = random_.uuid(),
                              .issued_at = now,
                              .not_before = now,
                              .expires = now + lifetime,
                              .namespace_ = context.namespace_,
                              .account = {context.name, std::string(text_at(*account, {"metadata", "uid"}))}};
  if (claims.audiences.empty()) claims.audiences = options_.audiences();
  if (const json::object* reference = object_at(object, {"spec", "boundObjectRef"}))
    CO_TRY(co_await bind(objects_, context, *reference, claims));
  if (is_extended(options_, claims, lifetime)) {
    claims.warn_after = claims.expires;
    claims.expires = now + kExtendedTokenLifetime;
  }
  const std::string token =
      CO_TRY(pki::sign_jws(key_, pki::key_id(key_.public_key()), encode_claims(claims)));
  json::object& spec = make_object(object, {"spec"});
  spec["audiences"] = json::array(claims.audiences.begin(), claims.audiences.end());
  spec["expirationSeconds"] = lifetime.count();
  json::object& meta = metadata(object);
  meta["name"] = context.name;
  meta["namespace"] = context.namespace_;
  meta["creationTimestamp"] = format_rfc3339(now);
  object["status"] = json::object{{"token", token}, {"expirationTimestamp", format_rfc3339(now + lifetime)}};
  co_return object;
}

}  // namespace cloudless::apiserver::authn

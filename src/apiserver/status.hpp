// ApiStatus: a failure as clients see it, metav1.Status with status "Failure". The words are those of
// k8s.io/apimachinery/pkg/api/errors, since clients and people match on them.
#pragma once

#include <boost/json/fwd.hpp>

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace cloudless::apiserver {

struct GroupResource {
  std::string group;  // empty for the core group
  std::string resource;

  /// "pods", "deployments.apps".
  std::string to_string() const;
  friend auto operator<=>(const GroupResource&, const GroupResource&) = default;
};

/// metav1.StatusCause: one reason among several, tied to a field of the object.
struct StatusCause {
  std::string reason;   // "FieldValueRequired", "FieldValueInvalid", ...
  std::string message;  // without the field's path
  std::string field;    // "spec.containers[0].name"
};

struct ApiStatus {
  int code = 500;      // HTTP status code
  std::string reason;  // metav1.StatusReason: "NotFound"; empty for unknown
  std::string message;
  // details; written when any is set
  std::string name;
  std::string group;
  std::string kind;  // the resource's name or the kind, as upstream fills it for each reason
  std::string uid;
  std::vector<StatusCause> causes;
  int retry_after_seconds = 0;
  std::string continue_token;  // metadata.continue: a list that expired can go on with it

  ApiStatus() = default;
  ApiStatus(int http_code, std::string status_reason, std::string text)
      : code(http_code), reason(std::move(status_reason)), message(std::move(text)) {}
  /// An error from below the API (store, network) as upstream would report it: mostly 500, 503 and 504.
  ApiStatus(const Error& error);  // NOLINT(google-explicit-constructor): TRY() converts
};

template <class T = void>
using ApiResult = std::expected<T, ApiStatus>;

/// The Status object, fields in Go's order.
boost::json::object to_json(const ApiStatus& status);
/// The same as text.
std::string encode(const ApiStatus& status);

/// `pods "web" not found`
ApiStatus not_found(const GroupResource& resource, std::string_view name);
/// `pods "web" already exists`
ApiStatus already_exists(const GroupResource& resource, std::string_view name);
/// generateName found no free name in its tries: 409 AlreadyExists telling to try again.
ApiStatus generate_name_conflict(const GroupResource& resource, std::string_view name);
/// `Operation cannot be fulfilled on pods "web": <why>`
ApiStatus conflict(const GroupResource& resource, std::string_view name, std::string_view why);
/// The conflict of a write that was made on an older version of the object.
ApiStatus modified_conflict(const GroupResource& resource, std::string_view name);
/// `Pod "web" is invalid: spec.x: Required value`; several causes stand in brackets.
ApiStatus invalid(std::string_view group, std::string_view kind, std::string_view name,
                  std::vector<StatusCause> causes);
ApiStatus bad_request(std::string_view why);
ApiStatus unauthorized(std::string_view why = "Unauthorized");
/// `pods "web" is forbidden: <why>`; without a name `pods is forbidden: <why>`; without a resource
/// `forbidden: <why>`.
ApiStatus forbidden(const GroupResource& resource, std::string_view name, std::string_view why);
/// `the server could not find the requested resource`
ApiStatus unknown_resource();
/// `<verb> is not supported on resources of kind "pods"`
ApiStatus method_not_supported(const GroupResource& resource, std::string_view verb);
/// `the server does not allow this method on the requested resource`, for a method that names no verb.
ApiStatus method_not_allowed();
ApiStatus not_acceptable(const std::vector<std::string>& accepted);
ApiStatus unsupported_media_type(const std::vector<std::string>& accepted);
ApiStatus request_entity_too_large(std::string_view why);
ApiStatus too_many_requests(std::string_view why, int retry_after_seconds);
/// 410 Expired: the resourceVersion asked for is compacted.
ApiStatus resource_expired(std::string_view why);
/// 504 Timeout.
ApiStatus timeout(std::string_view why, int retry_after_seconds);
/// 504 Timeout with upstream's cause ResourceVersionTooLarge.
ApiStatus too_large_resource_version(uint64_t asked, uint64_t current);
ApiStatus service_unavailable(std::string_view why);
ApiStatus internal_error(std::string_view why);

}  // namespace cloudless::apiserver

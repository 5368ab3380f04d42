#include "apiserver/status.hpp"

#include <boost/json.hpp>

#include <algorithm>

#include "base/strings.hpp"

namespace cloudless::apiserver {

namespace {

ApiStatus about(const GroupResource& resource, std::string_view name, int code, std::string reason,
                std::string message) {
  ApiStatus status(code, std::move(reason), std::move(message));
  status.group = resource.group;
  status.kind = resource.resource;
  status.name = name;
  return status;
}

// "a", "[a, b]", as k8s.io/apimachinery/pkg/util/errors writes an aggregate: each text once.
std::string aggregate(const std::vector<StatusCause>& causes) {
  std::vector<std::string> texts;
  for (const StatusCause& cause : causes) {
    std::string text = cause.field.empty() ? cause.message : cause.field + ": " + cause.message;
    if (std::ranges::find(texts, text) == texts.end()) texts.push_back(std::move(text));
  }
  if (texts.size() == 1) return texts.front();
  return "[" + join(texts, ", ") + "]";
}

struct CodeMapping {
  int http;
  std::string_view reason;
};

CodeMapping map_code(Code code) {
  switch (code) {
    case Code::kInvalid:
      return {400, "BadRequest"};
    case Code::kNotFound:
      return {404, "NotFound"};
    case Code::kAlreadyExists:
      return {409, "AlreadyExists"};
    case Code::kConflict:
      return {409, "Conflict"};
    case Code::kCompacted:
      return {410, "Expired"};
    case Code::kUnauthenticated:
      return {401, "Unauthorized"};
    case Code::kPermissionDenied:
      return {403, "Forbidden"};
    case Code::kFutureRevision:
    case Code::kDeadlineExceeded:
    case Code::kCancelled:
      return {504, "Timeout"};
    case Code::kUnavailable:
      return {503, "ServiceUnavailable"};
    case Code::kUnimplemented:
      return {501, ""};
    case Code::kResourceExhausted:
    case Code::kDataLoss:
    case Code::kInternal:
      break;
  }
  return {500, "InternalError"};
}

}  // namespace

std::string GroupResource::to_string() const { return group.empty() ? resource : resource + "." + group; }

ApiStatus::ApiStatus(const Error& error) {
  const CodeMapping mapping = map_code(error.code);
  code = mapping.http;
  reason = mapping.reason;
  message = error.message;
  if (code == 500) *this = internal_error(error.message);
}

boost::json::object to_json(const ApiStatus& status) {
  boost::json::object out{
      {"kind", "Status"}, {"apiVersion", "v1"}, {"metadata", boost::json::object()}, {"status", "Failure"}};
  if (!status.continue_token.empty()) out["metadata"].get_object()["continue"] = status.continue_token;
  if (!status.message.empty()) out["message"] = status.message;
  if (!status.reason.empty()) out["reason"] = status.reason;
  boost::json::object details;
  if (!status.name.empty()) details["name"] = status.name;
  if (!status.group.empty()) details["group"] = status.group;
  if (!status.kind.empty()) details["kind"] = status.kind;
  if (!status.uid.empty()) details["uid"] = status.uid;
  boost::json::array causes;
  for (const StatusCause& cause : status.causes) {
    boost::json::object entry;
    if (!cause.reason.empty()) entry["reason"] = cause.reason;
    if (!cause.message.empty()) entry["message"] = cause.message;
    if (!cause.field.empty()) entry["field"] = cause.field;
    causes.push_back(std::move(entry));
  }
  if (!causes.empty()) details["causes"] = std::move(causes);
  if (status.retry_after_seconds > 0) details["retryAfterSeconds"] = status.retry_after_seconds;
  if (!details.empty()) out["details"] = std::move(details);
  out["code"] = status.code;
  return out;
}

std::string encode(const ApiStatus& status) { return boost::json::serialize(to_json(status)) + "\n"; }

ApiStatus not_found(const GroupResource& resource, std::string_view name) {
  return about(resource, name, 404, "NotFound",
               fmt::format("{} {} not found", resource.to_string(), quote(name)));
}

ApiStatus already_exists(const GroupResource& resource, std::string_view name) {
  return about(resource, name, 409, "AlreadyExists",
               fmt::format("{} {} already exists", resource.to_string(), quote(name)));
}

ApiStatus generate_name_conflict(const GroupResource& resource, std::string_view name) {
  ApiStatus status = already_exists(resource, name);
  status.message += ", the server was not able to generate a unique name for the object";
  status.retry_after_seconds = 1;
  return status;
}

ApiStatus conflict(const GroupResource& resource, std::string_view name, std::string_view why) {
  return about(
      resource, name, 409, "Conflict",
      fmt::format("Operation cannot be fulfilled on {} {}: {}", resource.to_string(), quote(name), why));
}

ApiStatus modified_conflict(const GroupResource& resource, std::string_view name) {
  return conflict(
      resource, name,
      "the object has been modified; please apply your changes to the latest version and try again");
}

ApiStatus invalid(std::string_view group, std::string_view kind, std::string_view name,
                  std::vector<StatusCause> causes) {
  const GroupResource qualified{std::string(group), std::string(kind)};
  std::string message = fmt::format("{} {} is invalid", qualified.to_string(), quote(name));
  if (!causes.empty()) message += ": " + aggregate(causes);
  ApiStatus status = about(qualified, name, 422, "Invalid", std::move(message));
  status.causes = std::move(causes);
  return status;
}

ApiStatus bad_request(std::string_view why) { return {400, "BadRequest", std::string(why)}; }

ApiStatus unauthorized(std::string_view why) { return {401, "Unauthorized", std::string(why)}; }

ApiStatus forbidden(const GroupResource& resource, std::string_view name, std::string_view why) {
  std::string message;
  if (resource.resource.empty()) {
    message = fmt::format("forbidden: {}", why);
  } else if (name.empty()) {
    message = fmt::format("{} is forbidden: {}", resource.to_string(), why);
  } else {
    message = fmt::format("{} {} is forbidden: {}", resource.to_string(), quote(name), why);
  }
  return about(resource, name, 403, "Forbidden", std::move(message));
}

ApiStatus unknown_resource() { return {404, "NotFound", "the server could not find the requested resource"}; }

ApiStatus method_not_supported(const GroupResource& resource, std::string_view verb) {
  return about(resource, "", 405, "MethodNotAllowed",
               fmt::format("{} is not supported on resources of kind {}", verb, quote(resource.to_string())));
}

ApiStatus method_not_allowed() {
  return {405, "MethodNotAllowed", "the server does not allow this method on the requested resource"};
}

ApiStatus not_acceptable(const std::vector<std::string>& accepted) {
  return {406, "NotAcceptable", "only the following media types are accepted: " + join(accepted, ", ")};
}

ApiStatus unsupported_media_type(const std::vector<std::string>& accepted) {
  return {415, "UnsupportedMediaType",
          "the body of the request was in an unknown format - accepted media types include: " +
              join(accepted, ", ")};
}

ApiStatus request_entity_too_large(std::string_view why) {
  return {413, "RequestEntityTooLarge", fmt::format("Request entity too large: {}", why)};
}

ApiStatus too_many_requests(std::string_view why, int retry_after_seconds) {
  ApiStatus status(429, "TooManyRequests", std::string(why));
  status.retry_after_seconds = retry_after_seconds;
  return status;
}

ApiStatus resource_expired(std::string_view why) { return {410, "Expired", std::string(why)}; }

ApiStatus timeout(std::string_view why, int retry_after_seconds) {
  ApiStatus status(504, "Timeout", fmt::format("Timeout: {}", why));
  status.retry_after_seconds = retry_after_seconds;
  return status;
}

ApiStatus too_large_resource_version(uint64_t asked, uint64_t current) {
  ApiStatus status = timeout(fmt::format("Too large resource version: {}, current: {}", asked, current), 1);
  status.causes.push_back({"ResourceVersionTooLarge", "Too large resource version", ""});
  return status;
}

ApiStatus service_unavailable(std::string_view why) { return {503, "ServiceUnavailable", std::string(why)}; }

ApiStatus internal_error(std::string_view why) {
  ApiStatus status(500, "InternalError", fmt::format("Internal error occurred: {}", why));
  status.causes.push_back({"", std::string(why), ""});
  return status;
}

}  // namespace cloudless::apiserver

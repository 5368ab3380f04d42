#include "client/client.hpp"

#include <boost/json.hpp>
#include <charconv>

#include "runtime/timer.hpp"

namespace cloudless::client {

namespace json = boost::json;

namespace {

constexpr std::string_view kMetadataOnly =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
constexpr std::string_view kMetadataOnlyList =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

// A target under construction: path, then parameters; empty values are left out.
class Target {
 public:
  explicit Target(std::string path) : target_(std::move(path)) {}
  Target& with(std::string_view name, std::string_view value) {
    if (value.empty()) return *this;
    target_ += separator_;
    separator_ = '&';
    target_.append(name).append("=").append(net::percent_encode(value));
    return *this;
  }
  Target& with_write(const WriteOptions& options) {
    return with("fieldManager", options.field_manager)
        .with("fieldValidation", options.field_validation)
        .with("dryRun", options.dry_run == DryRun::kAll ? "All" : "");
  }
  std::string take() { return std::move(target_); }

 private:
  std::string target_;
  char separator_ = '?';
};

std::string_view text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

Code code_of_reason(std::string_view reason) {
  static constexpr std::pair<std::string_view, Code> kCodes[] = {
      {"Unauthorized", Code::kUnauthenticated},
      {"Forbidden", Code::kPermissionDenied},
      {"NotFound", Code::kNotFound},
      {"AlreadyExists", Code::kAlreadyExists},
      {"Conflict", Code::kConflict},
      {"Expired", Code::kCompacted},
      {"Gone", Code::kCompacted},
      {"Invalid", Code::kInvalid},
      {"BadRequest", Code::kInvalid},
      {"TooManyRequests", Code::kResourceExhausted},
      {"RequestEntityTooLarge", Code::kResourceExhausted},
      {"Timeout", Code::kDeadlineExceeded},
      {"ServerTimeout", Code::kUnavailable},
      {"ServiceUnavailable", Code::kUnavailable},
      {"MethodNotAllowed", Code::kUnimplemented},
      {"NotAcceptable", Code::kUnimplemented},
      {"UnsupportedMediaType", Code::kUnimplemented},
  };
  for (const auto& [name, code] : kCodes) {
    if (name == reason) return code;
  }
  return Code::kInternal;
}

Code code_of_http(int status) {
  switch (status) {
    case 400:
    case 422:
      return Code::kInvalid;
    case 401:
      return Code::kUnauthenticated;
    case 403:
      return Code::kPermissionDenied;
    case 404:
      return Code::kNotFound;
    case 405:
    case 406:
    case 415:
      return Code::kUnimplemented;
    case 409:
      return Code::kConflict;
    case 410:
      return Code::kCompacted;
    case 413:
    case 429:
      return Code::kResourceExhausted;
    case 502:
    case 503:
      return Code::kUnavailable;
    case 504:
      return Code::kDeadlineExceeded;
    default:
      return Code::kInternal;
  }
}

std::string delete_body(const DeleteOptions& options) {
  json::object body{{"kind", "DeleteOptions"}, {"apiVersion", "v1"}};
  if (options.grace_period_seconds) body["gracePeriodSeconds"] = *options.grace_period_seconds;
  if (!options.propagation_policy.empty()) body["propagationPolicy"] = options.propagation_policy;
  json::object preconditions;
  if (!options.uid.empty()) preconditions["uid"] = options.uid;
  if (!options.resource_version.empty()) preconditions["resourceVersion"] = options.resource_version;
  if (!preconditions.empty()) body["preconditions"] = std::move(preconditions);
  return json::serialize(body);
}

std::string_view content_type_of(PatchType type) {
  switch (type) {
    case PatchType::kJson:
      return "application/json-patch+json";
    case PatchType::kMerge:
      return "application/merge-patch+json";
    case PatchType::kStrategicMerge:
      return "application/strategic-merge-patch+json";
    case PatchType::kApply:
      return "application/apply-patch+yaml";
  }
  return "application/json";
}

// The pause that an answer asks for before the request is tried again; nothing where it should not be.
std::optional<Duration> retry_after(const net::Response& response) {
  if (response.status != 429 && response.status < 500) return std::nullopt;
  const auto field = response.headers.get("Retry-After");
  if (!field) return std::nullopt;
  int seconds = 0;
  const auto [end, error] = std::from_chars(field->data(), field->data() + field->size(), seconds);
  if (error != std::errc() || end != field->data() + field->size()) return std::nullopt;
  return std::min<Duration>(std::chrono::seconds(std::max(seconds, 0)), Client::kMaxRetryAfter);
}

std::string list_target(const Resource& resource, const std::string& ns, const ListOptions& options) {
  return Target(resource.path(ns))
      .with("labelSelector", options.label_selector)
      .with("fieldSelector", options.field_selector)
      .with("resourceVersion", options.resource_version)
      .with("resourceVersionMatch", options.resource_version_match)
      .with("limit", options.limit > 0 ? std::to_string(options.limit) : "")
      .with("continue", options.continue_token)
      .take();
}

// Calls `item` with each item of a list body; the items of typed lists leave out kind and apiVersion.
Result<ListMeta> read_list(const std::string& body, const std::function<Result<>(const json::value&)>& item) {
  boost::system::error_code error;
  json::value parsed = json::parse(body, error);
  if (error || !parsed.is_object())
    return fail(Code::kInternal, "the server's list is not JSON: {}", error.message());
  json::object& list = parsed.get_object();
  ListMeta meta;
  if (const json::value* found = list.if_contains("metadata"); found && found->is_object()) {
    meta.resource_version = text_of(found->get_object(), "resourceVersion");
    meta.continue_token = text_of(found->get_object(), "continue");
  }
  json::value* items = list.if_contains("items");
  if (!items || !items->is_array()) return meta;
  for (json::value& value : items->get_array()) TRY(item(value));
  return meta;
}

}  // namespace

Error error_of_status(int http_status, std::string_view body) {
  boost::system::error_code error;
  const json::value parsed = json::parse(body, error);
  if (error || !parsed.is_object() || text_of(parsed.get_object(), "kind") != "Status") {
    constexpr size_t kMaxQuoted = 200;
    return {code_of_http(http_status),
            fmt::format("the server answered {}: {}", http_status, body.substr(0, kMaxQuoted))};
  }
  const json::object& status = parsed.get_object();
  const std::string_view reason = text_of(status, "reason");
  return {reason.empty() ? code_of_http(http_status) : code_of_reason(reason),
          std::string(text_of(status, "message"))};
}

Client::Client(net::Transport& transport, Options options)
    : transport_(transport), options_(std::move(options)) {}

net::Request Client::make_request(const Call& call) const {
  net::Request request;
  request.method = call.method;
  request.target = call.target;
  request.headers.add("Accept", call.accept);
  request.headers.add("User-Agent", options_.user_agent);
  if (!call.body.empty()) {
    request.headers.add("Content-Type", call.content_type);
    request.headers.add("Content-Length", std::to_string(call.body.size()));
    request.body = net::make_body(call.body);
  }
  return request;
}

runtime::Task<Result<std::string>> Client::call_with_retries(Call call) const {
  for (int attempt = 0;; ++attempt) {
    net::Response response = CO_TRY(co_await transport_.send(make_request(call)));
    std::string body = CO_TRY(co_await net::read_all(*response.body, kMaxBodyBytes));
    if (response.status >= 200 && response.status < 300) co_return body;
    const std::optional<Duration> pause = retry_after(response);
    if (!pause || attempt == kMaxRetries) co_return std::unexpected(error_of_status(response.status, body));
    CO_TRY(co_await runtime::sleep_for(*pause));
  }
}

runtime::Task<Result<std::string>> Client::call(Call call) const {
  std::string what = call.method + " " + call.target;
  co_return co_await runtime::with_timeout(options_.call_timeout, std::move(what),
                                           call_with_retries(std::move(call)));
}

runtime::Task<Result<std::string>> Client::get_raw(Resource resource, std::string ns, std::string name,
                                                   GetOptions options) const {
  return call(
      {.target = Target(resource.path(ns, name)).with("resourceVersion", options.resource_version).take()});
}

runtime::Task<Result<ListMeta>> Client::list_each(Resource resource, std::string ns, ListOptions options,
                                                  std::function<Result<>(const json::value&)> item) const {
  const bool all_pages = options.limit == 0;
  const std::string accept(options.metadata_only ? kMetadataOnlyList : "application/json");
  ListMeta meta;
  do {
    const std::string body =
        CO_TRY(co_await call({.target = list_target(resource, ns, options), .accept = accept}));
    meta = CO_TRY(read_list(body, item));
    options.continue_token = meta.continue_token;
    if (!meta.continue_token.empty()) options.resource_version.clear();
  } while (all_pages && !meta.continue_token.empty());
  co_return meta;
}

runtime::Task<Result<std::string>> Client::create_raw(Resource resource, std::string ns, std::string object,
                                                      WriteOptions options) const {
  return call({.method = "POST",
               .target = Target(resource.path(ns)).with_write(options).take(),
               .body = std::move(object)});
}

runtime::Task<Result<std::string>> Client::create_subresource(Resource resource, std::string ns,
                                                              std::string name, std::string subresource,
                                                              std::string object,
                                                              WriteOptions options) const {
  return call({.method = "POST",
               .target = Target(resource.path(ns, name, subresource)).with_write(options).take(),
               .body = std::move(object)});
}

runtime::Task<Result<std::string>> Client::update_raw(Resource resource, std::string ns, std::string name,
                                                      std::string subresource, std::string object,
                                                      WriteOptions options) const {
  return call({.method = "PUT",
               .target = Target(resource.path(ns, name, subresource)).with_write(options).take(),
               .body = std::move(object)});
}

runtime::Task<Result<std::string>> Client::patch_raw(Resource resource, std::string ns, std::string name,
                                                     PatchType type, std::string patch,
                                                     PatchOptions options) const {
  return call({.method = "PATCH",
               .target = Target(resource.path(ns, name, options.subresource))
                             .with("fieldManager", options.field_manager)
                             .with("force", options.force == Force::kYes ? "true" : "")
                             .with("dryRun", options.dry_run == DryRun::kAll ? "All" : "")
                             .take(),
               .body = std::move(patch),
               .content_type = std::string(content_type_of(type))});
}

runtime::Task<Result<std::string>> Client::delete_raw(Resource resource, std::string ns, std::string name,
                                                      DeleteOptions options) const {
  return call({.method = "DELETE", .target = resource.path(ns, name), .body = delete_body(options)});
}

runtime::Task<Result<>> Client::delete_collection(Resource resource, std::string ns, ListOptions which,
                                                  DeleteOptions options) const {
  CO_TRY(co_await call(
      {.method = "DELETE", .target = list_target(resource, ns, which), .body = delete_body(options)}));
  co_return {};
}

runtime::Task<Result<std::unique_ptr<WatchStream>>> Client::watch_raw(Resource resource, std::string ns,
                                                                      WatchOptions options) const {
  Call call{.target =
                Target(resource.path(ns))
                    .with("watch", "true")
                    .with("labelSelector", options.label_selector)
                    .with("fieldSelector", options.field_selector)
                    .with("resourceVersion", options.resource_version)
                    .with("allowWatchBookmarks", options.bookmarks ? "true" : "")
                    .with("sendInitialEvents", options.send_initial_events ? "true" : "")
                    .with("resourceVersionMatch", options.send_initial_events ? "NotOlderThan" : "")
                    .with("timeoutSeconds", options.timeout ? std::to_string(options.timeout->count()) : "")
                    .take()};
  if (options.metadata_only) call.accept = kMetadataOnly;
  net::Response response = CO_TRY(co_await runtime::with_timeout(
      options_.call_timeout, "watch " + call.target, transport_.send(make_request(call))));
  if (response.status != 200) {
    const std::string body = CO_TRY(co_await net::read_all(*response.body, WatchStream::kMaxFrameBytes));
    co_return std::unexpected(error_of_status(response.status, body));
  }
  co_return std::make_unique<WatchStream>(std::move(response));
}

}  // namespace cloudless::client

// Client: the Kubernetes API over a net::Transport, be it HTTP or a direct call in this process.
//
// Typed calls take a generated struct (`client.get<api::core::v1::Pod>("default", "web")`); dynamic calls
// take a Resource and JSON, for kinds that only the server knows. A failed call's Error has the Status'
// message, and a code from its reason:
//
//   Unauthorized kUnauthenticated | Forbidden kPermissionDenied | NotFound kNotFound | AlreadyExists
//   kAlreadyExists Conflict kConflict | Expired, Gone kCompacted | Invalid, BadRequest kInvalid |
//   TooManyRequests, RequestEntityTooLarge kResourceExhausted | Timeout kDeadlineExceeded | ServerTimeout,
//   ServiceUnavailable kUnavailable | MethodNotAllowed, NotAcceptable, UnsupportedMediaType kUnimplemented |
//   else kInternal
//
// An answer with 429 or 5xx and a Retry-After field is tried again, kMaxRetries times at the most. Nothing
// else is: the caller knows whether its request may be repeated. Immutable; tasks of several executors may
// share it if the Transport allows.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "client/codec.hpp"
#include "client/options.hpp"
#include "client/resource.hpp"
#include "client/watch.hpp"
#include "net/http.hpp"
#include "runtime/task.hpp"

namespace cloudless::client {

template <class T>
struct List {
  std::vector<T> items;
  std::string resource_version;
  std::string continue_token;
};

struct ListMeta {
  std::string resource_version;
  std::string continue_token;
};

class Client {
 public:
  struct Options {
    std::string user_agent = "cloudless";
    /// How long one call may take, retries included; watches may take longer.
    Duration call_timeout = std::chrono::seconds(60);
  };
  static constexpr int kMaxRetries = 10;
  static constexpr std::chrono::seconds kMaxRetryAfter{30};
  /// What one answer may hold: a list of 10,000 large pods fits.
  static constexpr size_t kMaxBodyBytes = size_t{512} << 20;

  /// `transport` outlives the client.
  explicit Client(net::Transport& transport) : Client(transport, Options()) {}
  Client(net::Transport& transport, Options options);

  // --- typed ---

  template <class T>
  runtime::Task<Result<T>> get(std::string ns, std::string name, GetOptions options = {}) const {
    co_return decoded<T>(
        co_await get_raw(resource_of<T>(), std::move(ns), std::move(name), std::move(options)));
  }
  /// Follows continue tokens unless options.limit is set.
  template <class T>
  runtime::Task<Result<List<T>>> list(std::string ns, ListOptions options = {}) const {
    List<T> list;
    const auto add = [&list](const boost::json::value& item) -> Result<> {
      list.items.push_back(TRY(decode_object<T>(item)));
      return {};
    };
    ListMeta meta = CO_TRY(co_await list_each(resource_of<T>(), std::move(ns), std::move(options), add));
    list.resource_version = std::move(meta.resource_version);
    list.continue_token = std::move(meta.continue_token);
    co_return list;
  }
  /// In the object's own namespace.
  template <class T>
  runtime::Task<Result<T>> create(const T& object, WriteOptions options = {}) const {
    return finish<T>(
        create_raw(resource_of<T>(), namespace_of(object), encode_object(object), std::move(options)));
  }
  template <class T>
  runtime::Task<Result<T>> update(const T& object, WriteOptions options = {}) const {
    return finish<T>(update_raw(resource_of<T>(), namespace_of(object), name_of(object), "",
                                encode_object(object), std::move(options)));
  }
  template <class T>
  runtime::Task<Result<T>> update_status(const T& object, WriteOptions options = {}) const {
    return finish<T>(update_raw(resource_of<T>(), namespace_of(object), name_of(object), "status",
                                encode_object(object), std::move(options)));
  }
  /// `patch`: the patch document as JSON.
  template <class T>
  runtime::Task<Result<T>> patch(std::string ns, std::string name, PatchType type, std::string patch,
                                 PatchOptions options = {}) const {
    return finish<T>(patch_raw(resource_of<T>(), std::move(ns), std::move(name), type, std::move(patch),
                               std::move(options)));
  }
  /// Server-side apply of `object`, which carries the fields to own and nothing else.
  template <class T>
  runtime::Task<Result<T>> apply(const T& object, PatchOptions options) const {
    return finish<T>(patch_raw(resource_of<T>(), namespace_of(object), name_of(object), PatchType::kApply,
                               encode_object(object), std::move(options)));
  }
  template <class T>
  runtime::Task<Result<>> remove(std::string ns, std::string name, DeleteOptions options = {}) const {
    CO_TRY(co_await delete_raw(resource_of<T>(), std::move(ns), std::move(name), std::move(options)));
    co_return Result<>();
  }
  template <class T>
  runtime::Task<Result<>> remove_collection(std::string ns, ListOptions which,
                                            DeleteOptions options = {}) const {
    return delete_collection(resource_of<T>(), std::move(ns), std::move(which), std::move(options));
  }
  template <class T>
  runtime::Task<Result<Watch<T>>> watch(std::string ns, WatchOptions options = {}) const {
    auto stream = CO_TRY(co_await watch_raw(resource_of<T>(), std::move(ns), std::move(options)));
    co_return Watch<T>(std::move(stream));
  }

  // --- dynamic: bodies are JSON text as the server sent it ---

  runtime::Task<Result<std::string>> get_raw(Resource resource, std::string ns, std::string name,
                                             GetOptions options = {}) const;
  /// Calls `item` with each item, its kind and apiVersion filled in.
  runtime::Task<Result<ListMeta>> list_each(Resource resource, std::string ns, ListOptions options,
                                            std::function<Result<>(const boost::json::value&)> item) const;
  runtime::Task<Result<std::string>> create_raw(Resource resource, std::string ns, std::string object,
                                                WriteOptions options = {}) const;
  /// A POST to a subresource: "binding", "eviction", "token".
  runtime::Task<Result<std::string>> create_subresource(Resource resource, std::string ns, std::string name,
                                                        std::string subresource, std::string object,
                                                        WriteOptions options = {}) const;
  runtime::Task<Result<std::string>> update_raw(Resource resource, std::string ns, std::string name,
                                                std::string subresource, std::string object,
                                                WriteOptions options = {}) const;
  runtime::Task<Result<std::string>> patch_raw(Resource resource, std::string ns, std::string name,
                                               PatchType type, std::string patch,
                                               PatchOptions options = {}) const;
  /// The deleted object where it goes on to exist for a while, or a Status.
  runtime::Task<Result<std::string>> delete_raw(Resource resource, std::string ns, std::string name,
                                                DeleteOptions options = {}) const;
  runtime::Task<Result<>> delete_collection(Resource resource, std::string ns, ListOptions which,
                                            DeleteOptions options = {}) const;
  runtime::Task<Result<std::unique_ptr<WatchStream>>> watch_raw(Resource resource, std::string ns,
                                                                WatchOptions options = {}) const;

  /// Any request of a path below the server's root, for what the calls above do not cover: "/version".
  struct Call {
    std::string method = "GET";
    std::string target;  // path and query, percent-encoded
    std::string body;
    std::string content_type = "application/json";
    std::string accept = "application/json";
  };
  runtime::Task<Result<std::string>> call(Call call) const;

  net::Transport& transport() const { return transport_; }

 private:
  net::Request make_request(const Call& call) const;
  runtime::Task<Result<std::string>> call_with_retries(Call call) const;

  template <class T>
  static Result<T> decoded(const Result<std::string>& body) {
    if (!body) return std::unexpected(body.error());
    return decode_object<T>(std::string_view(*body));
  }
  template <class T>
  static runtime::Task<Result<T>> finish(runtime::Task<Result<std::string>> call) {
    co_return decoded<T>(co_await std::move(call));
  }

  net::Transport& transport_;
  const Options options_;
};

/// The Error that a Status body of an answer with `http_status` stands for.
Error error_of_status(int http_status, std::string_view body);

}  // namespace cloudless::client

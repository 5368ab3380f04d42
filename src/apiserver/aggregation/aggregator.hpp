// Aggregator: keeps the APIServices in step with what is served, looks after extension API servers, and
// passes requests on to them (kube-aggregator's autoregistration, availability controller and proxy).
//
// A user's request reaches an extension server with this server's front-proxy certificate and the user's name
// and groups in headers; its credentials stay here.
#pragma once

#include <mutex>
#include <string>

#include "apiserver/aggregation/api_services.hpp"
#include "apiserver/registry/registry.hpp"
#include "runtime/channel.hpp"
#include "runtime/scope.hpp"

namespace cloudless::apiserver {

/// Between two looks at extension servers; sooner while one of them does not answer.
inline constexpr Duration kAvailabilityCheck = std::chrono::seconds(30);
inline constexpr Duration kAvailabilityRetry = std::chrono::seconds(2);
/// How long an extension server may take to answer a look (upstream's).
inline constexpr Duration kDiscoveryLimit = std::chrono::seconds(6);
/// The most that its answer may hold.
inline constexpr size_t kMaxDiscoveryBytes = 4 << 20;

class Aggregator {
 public:
  /// All references outlive it.
  Aggregator(Registry& registry, runtime::Executor& executor, Random& random, Logger log);

  /// `nodes` may be null: extension servers are then not available.
  void start(std::shared_ptr<NodeConnector> nodes);
  runtime::Task<void> stop();
  /// Something is served that was not, or the other way round. Any thread.
  void catalog_changed() { wake_.notify(); }

  /// Never null.
  ExtensionsPtr extensions() const;
  /// The extension server of "/apis/<group>/<version>" and all below, and of their OpenAPI v3; nothing for
  /// other paths.
  std::optional<ExtensionService> find(std::string_view path) const;
  /// Passes the request on. An error where nothing was sent yet.
  runtime::Task<ApiResult<>> serve(const ExtensionService& extension, const UserInfo& user,
                                   net::Request request, net::ResponseWriter& response);

 private:
  runtime::Task<void> run();
  runtime::Task<void> follow(GroupResource resource);
  runtime::Task<ApiResult<>> sync_local(const std::vector<ObjectPtr>& present);
  runtime::Task<void> sync_extensions(const std::vector<ObjectPtr>& present);
  runtime::Task<ExtensionGroupVersion> look_at(const boost::json::object& api_service,
                                               ExtensionService service);
  runtime::Task<std::expected<boost::json::object, Unavailable>> read_resources(
      const ExtensionService& extension);
  runtime::Task<std::string> read_open_api(const ExtensionService& extension);
  runtime::Task<std::expected<std::shared_ptr<net::Transport>, Unavailable>> connect(
      const ExtensionService& extension);
  void log_failure(std::string_view name, const ApiStatus& status) const;

  Registry& registry_;
  Random& random_;
  const Logger log_;
  runtime::TaskScope scope_;
  std::shared_ptr<NodeConnector> nodes_;
  runtime::Signal wake_;

  mutable std::mutex mutex_;
  ExtensionsPtr extensions_;
};

/// The headers that name `user` to an extension server, in place of any the client has sent. Pure.
net::Headers proxied_headers(const net::Headers& headers, const UserInfo& user);

}  // namespace cloudless::apiserver

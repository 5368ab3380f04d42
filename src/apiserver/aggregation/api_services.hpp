// APIServices: which group and version is served by whom (kube-aggregator). Those that this server serves
// itself get an object each, as upstream's autoregistration makes them; those with a Service are extension
// API servers, to which requests are passed on.
//
// Pure functions; aggregator.hpp is their shell.
#pragma once

#include <boost/json.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/pipeline.hpp"
#include "apiserver/registry/catalog.hpp"

namespace cloudless::apiserver {

/// Marks objects that follow what this server serves: "onstart" for built-in groups, "true" for those of
/// CustomResourceDefinitions.
inline constexpr std::string_view kAutomanagedLabel = "kube-aggregator.kubernetes.io/automanaged";

/// The APIService of every group and version of the catalog, with its Available condition; by name.
std::vector<boost::json::object> local_api_services(const Catalog& catalog, WallTime now);

/// What to do so that the objects agree with the catalog: created where missing, removed where an automanaged
/// one is served no more, given their condition where they have none.
struct ApiServicePlan {
  std::vector<boost::json::object> create;
  std::vector<boost::json::object> set_status;
  std::vector<std::string> remove;
};
ApiServicePlan plan_api_services(const std::vector<ObjectPtr>& present,
                                 std::vector<boost::json::object> wanted);

/// An extension API server, as its APIService describes it.
struct ExtensionService {
  std::string api_service;  // the object's name, "v1beta1.metrics.k8s.io"
  std::string group;
  std::string version;
  int64_t group_priority = 0;
  int64_t version_priority = 0;
  std::string namespace_;
  std::string service;
  int64_t port = 443;
  std::string ca_bundle;  // PEM; empty: the system's
  bool verify = true;

  /// The name that its certificate has to have.
  std::string server_name() const { return service + "." + namespace_ + ".svc"; }

  friend bool operator==(const ExtensionService&, const ExtensionService&) = default;
};
/// Nothing for an object without a Service.
std::optional<ExtensionService> extension_of(const boost::json::object& api_service);

/// Where an extension API server listens: one of the Service's endpoints.
struct ExtensionAddress {
  std::string host;
  uint16_t port = 0;
};
/// The Available condition's reason and message where it cannot be reached.
struct Unavailable {
  std::string reason;
  std::string message;
};
/// From the Service and its EndpointSlices (`service` null: there is none). All ready endpoints, in order.
std::expected<std::vector<ExtensionAddress>, Unavailable> addresses_of(const ExtensionService& extension,
                                                                       const boost::json::object* service,
                                                                       const std::vector<ObjectPtr>& slices);

/// The object with its Available condition set; nothing where it has that already.
std::optional<boost::json::object> with_availability(const boost::json::object& api_service,
                                                     const std::optional<Unavailable>& unavailable,
                                                     WallTime now);

/// An extension API server as discovery shows it.
struct ExtensionGroupVersion {
  ExtensionService service;
  bool available = false;
  boost::json::object resources;  // its APIResourceList; empty where it has not been read yet
  /// Where its OpenAPI v3 is: "/openapi/v3/apis/metrics.k8s.io/v1beta1?hash=..."; empty where it has none.
  std::string open_api;
};
/// Immutable; by group priority and group, then version priority and version, best first.
using ExtensionsPtr = std::shared_ptr<const std::vector<ExtensionGroupVersion>>;

/// The resources of an APIResourceList in the form of aggregated discovery.
boost::json::array discovered_resources(const boost::json::object& resource_list);

}  // namespace cloudless::apiserver

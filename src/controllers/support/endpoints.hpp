// The endpoints of a Service: which pods stand behind it, in which state and on which ports. What the
// EndpointSlice and the Endpoints controller share.
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "api/core_v1.hpp"
#include "client/object_cache.hpp"
#include "controllers/support/pods.hpp"

namespace cloudless::controllers {

using api::core::v1::Service;

inline constexpr const char* kHeadlessLabel = "service.kubernetes.io/headless";

struct EndpointPortSpec {
  std::string name;
  std::string protocol;
  int32_t port = 0;
  std::string app_protocol;

  friend auto operator<=>(const EndpointPortSpec&, const EndpointPortSpec&) = default;
};

/// A pod behind a service. Pods of one port list share slices and subsets.
struct PodEndpoint {
  PodPtr pod;
  std::string address;
  bool ready = false;  // takes new connections
  bool serving = false;
  bool terminating = false;
  std::string hostname;  // its name below a headless service
};
using EndpointGroups = std::map<std::vector<EndpointPortSpec>, std::vector<PodEndpoint>>;

/// Services without a selector, and ExternalName ones, have their endpoints from elsewhere.
bool has_computed_endpoints(const Service& service);
bool is_headless(const Service& service);
/// The pods behind `service` that have an address of `family` ("IPv4", "IPv6"), by their ports; ordered by
/// name.
EndpointGroups endpoints_of(const Service& service, const client::ObjectCache<Pod>& pods,
                            const std::string& family);
/// The services whose endpoints a change of a pod may touch.
std::vector<std::string> services_of_change(const client::ObjectCache<Service>& services,
                                            const PodPtr& before, const PodPtr& now);

}  // namespace cloudless::controllers

// Endpoints of Services, the older form of EndpointSlices that some clients still read (upstream:
// pkg/controller/endpoint). At most kMaxEndpoints addresses; an object beyond that says so in an annotation.
#pragma once

#include "controllers/controller.hpp"
#include "controllers/support/endpoints.hpp"

namespace cloudless::controllers {

inline constexpr size_t kMaxEndpoints = 1000;

struct EndpointsView {
  const client::ObjectCache<Service>& services;
  const client::ObjectCache<Pod>& pods;
  const client::ObjectCache<api::core::v1::Endpoints>& endpoints;
};

Plan plan_endpoints(const EndpointsView& view, const std::string& key, const PlanContext& context);
ControllerPtr make_endpoints_controller(const Deps& deps);

}  // namespace cloudless::controllers

// EndpointSlices of Services (upstream: pkg/controller/endpointslice and k8s.io/endpointslice): at most
// kMaxEndpointsPerSlice endpoints each, changed as few as possible when pods come and go.
#pragma once

#include "api/discovery_v1.hpp"
#include "controllers/controller.hpp"
#include "controllers/support/endpoints.hpp"

namespace cloudless::controllers {

inline constexpr size_t kMaxEndpointsPerSlice = 100;
inline constexpr const char* kServiceNameLabel = "kubernetes.io/service-name";
inline constexpr const char* kManagedByLabel = "endpointslice.kubernetes.io/managed-by";
inline constexpr const char* kSliceController = "endpointslice-controller.k8s.io";

struct EndpointSliceView {
  const client::ObjectCache<Service>& services;
  const client::ObjectCache<Pod>& pods;
  const client::ObjectCache<api::core::v1::Node>& nodes;
  const client::ObjectCache<api::discovery::v1::EndpointSlice>& slices;  // with the index "service"
};

/// The index of slices by "<namespace>/<service>".
inline constexpr const char* kServiceIndex = "service";
template <class Indexed>
void add_service_index(Indexed& indexed) {
  indexed.add_index(kServiceIndex,
                    [](const api::discovery::v1::EndpointSlice& slice) -> std::vector<std::string> {
                      const auto label = slice.metadata.labels.find(kServiceNameLabel);
                      if (label == slice.metadata.labels.end()) return {};
                      return {client::object_key(slice.metadata.namespace_, label->second)};
                    });
}

Plan plan_endpoint_slices(const EndpointSliceView& view, const std::string& key, const PlanContext& context);
ControllerPtr make_endpoint_slice_controller(const Deps& deps);

}  // namespace cloudless::controllers

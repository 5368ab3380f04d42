// Subresources with rules of their own. Those that are a part of the object (status, finalize, ...) go the
// ordinary way with object_rules.hpp's carry_over.
#pragma once

#include "apiserver/request/call.hpp"
#include "apiserver/server.hpp"

namespace cloudless::apiserver {

/// GET, PUT and PATCH of autoscaling/v1 Scale.
runtime::Task<ApiResult<Answer>> serve_scale(Registry& registry, Call& call);
/// POST pods/binding and bindings: assigns a pod to a node.
runtime::Task<ApiResult<Answer>> create_binding(Registry& registry, Call& call);
/// POST pods/eviction: deletes a pod unless a PodDisruptionBudget forbids it.
runtime::Task<ApiResult<Answer>> create_eviction(Registry& registry, Call& call);

/// GET of componentstatuses.
runtime::Task<ApiResult<Answer>> serve_component_statuses(Registry& registry, const Pipeline& pipeline,
                                                          Call& call);

}  // namespace cloudless::apiserver

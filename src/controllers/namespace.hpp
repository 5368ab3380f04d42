// Namespace deletion (upstream: pkg/controller/namespace): everything in a namespace on its way out is
// deleted, then the finalizer "kubernetes" is taken away, which lets the namespace itself go. Conditions say
// what it waits for.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/core_v1.hpp"
#include "client/discovery.hpp"
#include "controllers/controller.hpp"

namespace cloudless::controllers {

/// What asking the API brought to light after everything was told to go.
struct NamespaceContent {
  std::map<std::string, int> remaining;   // "pods." -> count; "deployments.apps"
  std::map<std::string, int> finalizers;  // finalizer -> how many objects it holds
  std::vector<std::string> discovery_failures;
  std::vector<std::string> deletion_failures;
};

/// How often a namespace that waits is looked at.
inline constexpr Duration kNamespaceRecheck = std::chrono::seconds(1);

Plan plan_namespace(const api::core::v1::Namespace& ns, const NamespaceContent& content,
                    const PlanContext& context);
ControllerPtr make_namespace_controller(const Deps& deps);

}  // namespace cloudless::controllers

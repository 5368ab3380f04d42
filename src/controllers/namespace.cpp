#include "controllers/namespace.hpp"

#include "api/meta_v1.hpp"
#include "base/ranges.hpp"
#include "base/strings.hpp"
#include "controllers/support/conditions.hpp"

namespace cloudless::controllers {

using api::core::v1::Namespace;
using api::core::v1::NamespaceCondition;
using api::meta::v1::PartialObjectMetadata;
using client::DiscoveredResource;

namespace {

constexpr const char* kFinalizer = "kubernetes";

struct Finding {
  const char* type;
  const char* good_reason;
  const char* good_message;
  const char* bad_reason;
  std::string problem;  // empty: none
};

std::string counted(const std::map<std::string, int>& counts, const char* has, const char* unit) {
  std::vector<std::string> parts;
  for (const auto& [name, count] : counts)
    parts.push_back(fmt::format("{} {} {} {}", name, has, count, unit));
  return join(parts, ", ");
}

std::vector<Finding> findings_of(const NamespaceContent& content) {
  const std::string discovery = content.discovery_failures.empty()
                                    ? ""
                                    : "Discovery failed for some groups, " +
                                          std::to_string(content.discovery_failures.size()) +
                                          " failing: " + join(content.discovery_failures, ", ");
  const std::string deletion = content.deletion_failures.empty()
                                   ? ""
                                   : "Failed to delete all resource types, " +
                                         std::to_string(content.deletion_failures.size()) +
                                         " remaining: " + join(content.deletion_failures, ", ");
  const std::string remaining =
      content.remaining.empty()
          ? ""
          : "Some resources are remaining: " + counted(content.remaining, "has", "resource instances");
  const std::string finalizers = content.finalizers.empty()
                                     ? ""
                                     : "Some content in the namespace has finalizers remaining: " +
                                           counted(content.finalizers, "in", "resource instances");
  return {
      {"NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered",
       "DiscoveryFailed", discovery},
      {"NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions",
       "All legacy kube types successfully parsed", "GroupVersionParsingFailed", ""},
      {"NamespaceDeletionContentFailure", "ContentDeleted",
       "All content successfully deleted, may be waiting on finalization", "ContentDeletionFailed", deletion},
      {"NamespaceContentRemaining", "ContentRemoved", "All content successfully removed",
       "SomeResourcesRemain", remaining},
      {"NamespaceFinalizersRemaining", "ContentHasNoFinalizers", "All content-preserving finalizers finished",
       "SomeFinalizersRemain", finalizers},
  };
}

void set_finding(Namespace& ns, const Finding& finding, WallTime now) {
  NamespaceCondition condition;
  condition.type = finding.type;
  condition.status = finding.problem.empty() ? "False" : "True";
  condition.reason = finding.problem.empty() ? finding.good_reason : finding.bad_reason;
  condition.message = finding.problem.empty() ? finding.good_message : finding.problem;
  const auto* known = find_condition(ns.status.conditions, finding.type);
  const bool reworded = known && known->status == condition.status && known->message != condition.message;
  if (reworded) {
    std::ranges::find(ns.status.conditions, condition.type, &NamespaceCondition::type)->message =
        condition.message;
  }
  set_condition(ns.status.conditions, std::move(condition), now);
}

bool is_deletable_content(const DiscoveredResource& found) {
  return found.resource.scope == client::Scope::kNamespaced && found.can("list") && found.can("delete") &&
         found.resource.resource != "events";
}

/// Tells one resource of the namespace to go and counts what stays.
runtime::Task<Result<>> delete_content(const client::Client& client, const DiscoveredResource& found,
                                       std::string ns, NamespaceContent& content) {
  std::vector<PartialObjectMetadata> items;
  const auto collect = [&items](const boost::json::value& item) -> Result<> {
    items.push_back(TRY(client::decode_object<PartialObjectMetadata>(item)));
    return {};
  };
  const client::ListOptions listing{.metadata_only = true};
  CO_TRY(co_await client.list_each(found.resource, ns, listing, collect));
  if (items.empty()) co_return {};
  const bool any_new =
      std::ranges::any_of(items, [](const auto& item) { return !item.metadata.deletionTimestamp; });
  if (any_new && found.can("deletecollection")) {
    CO_TRY(co_await client.delete_collection(found.resource, ns, {}, {.propagation_policy = "Background"}));
  } else if (any_new) {
    for (const auto& item : items) {
      const auto gone = co_await client.delete_raw(found.resource, ns, item.metadata.name,
                                                   {.propagation_policy = "Background"});
      if (!gone && gone.error().code != Code::kNotFound) co_return std::unexpected(gone.error());
    }
  }
  items.clear();
  CO_TRY(co_await client.list_each(found.resource, ns, listing, collect));
  if (items.empty()) co_return {};
  content.remaining[found.resource.resource + "." + found.resource.group] = static_cast<int>(items.size());
  for (const auto& item : items) {
    for (const std::string& finalizer : item.metadata.finalizers) ++content.finalizers[finalizer];
  }
  co_return {};
}

runtime::Task<Result<Plan>> delete_namespace(const client::Client& client,
                                             std::shared_ptr<const Namespace> ns, PlanContext context) {
  NamespaceContent content;
  const auto discovered = co_await client::discover(client);
  if (!discovered) co_return std::unexpected(discovered.error());
  content.discovery_failures = discovered->failures;
  for (const DiscoveredResource& found : discovered->resources) {
    if (!is_deletable_content(found)) continue;
    const Result<> gone = co_await delete_content(client, found, ns->metadata.name, content);
    if (gone) continue;
    if (gone.error().code == Code::kCancelled) co_return std::unexpected(gone.error());
    // A kind that went away meanwhile has left nothing behind.
    if (gone.error().code == Code::kNotFound || gone.error().code == Code::kUnimplemented) continue;
    content.deletion_failures.push_back(found.resource.qualified() + ": " + gone.error().message);
  }
  co_return plan_namespace(*ns, content, context);
}

runtime::Task<Result<Plan>> nothing() { co_return Plan(); }

}  // namespace

Plan plan_namespace(const Namespace& ns, const NamespaceContent& content, const PlanContext& context) {
  Plan plan;
  Namespace updated = ns;
  updated.status.phase = "Terminating";
  for (const Finding& finding : findings_of(content)) set_finding(updated, finding, context.now);
  const bool empty =
      content.remaining.empty() && content.discovery_failures.empty() && content.deletion_failures.empty();
  if (empty) {
    std::erase(updated.spec.finalizers, kFinalizer);
    client::Action finalize = client::update(updated, "finalize").accepting_done();
    plan.actions.push_back(std::move(finalize));
    return plan;
  }
  if (updated != ns) plan.actions.push_back(client::update_status(updated));
  plan.look_again(kNamespaceRecheck);
  return plan;
}

ControllerPtr make_namespace_controller(const Deps& deps) {
  auto& namespaces = deps.informers.of<Namespace>();
  const auto& cache = namespaces.cache();
  auto controller = std::make_unique<Controller>(
      deps, Controller::Options{.name = "namespace-controller"},
      [&cache, &client = deps.client](const std::string& key, const PlanContext& context) {
        auto ns = cache.get(key);
        const bool ours = ns && ns->metadata.deletionTimestamp && contains(ns->spec.finalizers, kFinalizer);
        return ours ? delete_namespace(client, std::move(ns), context) : nothing();
      });
  controller->reconciler().watch(namespaces);
  return controller;
}

}  // namespace cloudless::controllers

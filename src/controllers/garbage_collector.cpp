#include "controllers/garbage_collector.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "api/apiextensions_v1.hpp"
#include "base/ranges.hpp"
#include "client/discovery.hpp"
#include "runtime/timer.hpp"

namespace cloudless::controllers {

namespace json = boost::json;
using api::apiextensions::v1::CustomResourceDefinition;
using api::meta::v1::OwnerReference;
using api::meta::v1::PartialObjectMetadata;
using client::Resource;
using GraphPtr = std::shared_ptr<const GraphObject>;

namespace {

constexpr const char* kForeground = "foregroundDeletion";
constexpr const char* kOrphan = "orphan";
/// How often discovery is asked again when no definition changed (upstream's resync of the monitors).
constexpr Duration kRediscovery = std::chrono::minutes(5);
/// How long after a definition changed, so that many at once cost one discovery.
constexpr Duration kSettle = std::chrono::milliseconds(200);

bool has_finalizer(const GraphObject& object, const char* finalizer) {
  return contains(object.metadata.finalizers, finalizer);
}

bool waits_for_dependents(const GraphObject& object) {
  return object.metadata.deletionTimestamp && has_finalizer(object, kForeground);
}

bool blocks(const GraphObject& dependent, const std::string& owner) {
  return std::ranges::any_of(dependent.metadata.ownerReferences, [&owner](const OwnerReference& reference) {
    return reference.uid == owner && reference.blockOwnerDeletion.value_or(false);
  });
}

client::Action action_on(const GraphNode& node, client::Verb verb) {
  return {.verb = verb,
          .resource = node.resource,
          .ns = node.object->metadata.namespace_,
          .name = node.object->metadata.name,
          .when_done = client::WhenDone::kAccept};
}

// A merge patch of one metadata field that fails where the object has moved.
client::Action patch_metadata(const GraphNode& node, const char* field, json::array value) {
  client::Action action = action_on(node, client::Verb::kPatch);
  json::object metadata{{"resourceVersion", node.object->metadata.resourceVersion},
                        {"uid", node.object->metadata.uid}};
  metadata[field] = std::move(value);
  action.body = json::serialize(json::object{{"metadata", std::move(metadata)}});
  return action;
}

client::Action without_finalizer(const GraphNode& node, const char* finalizer) {
  json::array left;
  for (const std::string& each : node.object->metadata.finalizers) {
    if (each != finalizer) left.emplace_back(each);
  }
  return patch_metadata(node, "finalizers", std::move(left));
}

template <class Keep>
client::Action with_owners(const GraphNode& node, Keep keep) {
  json::array left;
  const auto& references = node.object->metadata.ownerReferences;
  for (size_t i = 0; i < references.size(); ++i) {
    if (!keep(i)) continue;
    const OwnerReference& each = references[i];
    json::object reference{
        {"apiVersion", each.apiVersion}, {"kind", each.kind}, {"name", each.name}, {"uid", each.uid}};
    if (each.controller) reference["controller"] = *each.controller;
    if (each.blockOwnerDeletion) reference["blockOwnerDeletion"] = *each.blockOwnerDeletion;
    left.push_back(std::move(reference));
  }
  return patch_metadata(node, "ownerReferences", std::move(left));
}

client::Action delete_of(const GraphNode& node, const char* policy) {
  client::Action action = action_on(node, client::Verb::kDelete);
  action.delete_options = {.propagation_policy = policy,
                           .uid = node.object->metadata.uid,
                           .resource_version = node.object->metadata.resourceVersion};
  // A conflict may only mean that it changed: look again.
  action.when_done = client::WhenDone::kFail;
  return action;
}

Plan finish_foreground(const OwnerGraph& graph, const GraphNode& node) {
  Plan plan;
  const auto dependents = graph.dependents(node.object->metadata.uid);
  const bool blocked = std::ranges::any_of(dependents, [&node](const GraphNode* dependent) {
    return blocks(*dependent->object, node.object->metadata.uid);
  });
  if (!blocked) plan.actions.push_back(without_finalizer(node, kForeground));
  return plan;
}

Plan finish_orphaning(const OwnerGraph& graph, const GraphNode& node) {
  Plan plan;
  for (const GraphNode* dependent : graph.dependents(node.object->metadata.uid)) {
    const auto& references = dependent->object->metadata.ownerReferences;
    plan.actions.push_back(
        with_owners(*dependent, [&](size_t i) { return references[i].uid != node.object->metadata.uid; }));
  }
  plan.actions.push_back(without_finalizer(node, kOrphan));
  return plan;
}

}  // namespace

void OwnerGraph::unlink(const GraphNode& node) {
  for (const OwnerReference& reference : node.object->metadata.ownerReferences) {
    const auto found = dependents_.find(reference.uid);
    if (found == dependents_.end()) continue;
    found->second.erase(node.object->metadata.uid);
    if (found->second.empty()) dependents_.erase(found);
  }
}

void OwnerGraph::put(const Resource& resource, const GraphPtr& object) {
  const std::string& uid = object->metadata.uid;
  erase(uid);
  nodes_[uid] = {resource, object};
  for (const OwnerReference& reference : object->metadata.ownerReferences)
    dependents_[reference.uid].insert(uid);
}

void OwnerGraph::erase(const std::string& uid) {
  const auto found = nodes_.find(uid);
  if (found == nodes_.end()) return;
  unlink(found->second);
  nodes_.erase(found);
}

const GraphNode* OwnerGraph::find(const std::string& uid) const {
  const auto found = nodes_.find(uid);
  return found == nodes_.end() ? nullptr : &found->second;
}

std::vector<const GraphNode*> OwnerGraph::dependents(const std::string& uid) const {
  std::vector<const GraphNode*> nodes;
  const auto found = dependents_.find(uid);
  if (found == dependents_.end()) return nodes;
  for (const std::string& each : found->second) nodes.push_back(find(each));
  return nodes;
}

Plan plan_collection(const OwnerGraph& graph, const GraphNode& node, const std::vector<OwnerState>& owners) {
  const GraphObject& object = *node.object;
  if (object.metadata.deletionTimestamp) {
    if (has_finalizer(object, kOrphan)) return finish_orphaning(graph, node);
    if (has_finalizer(object, kForeground)) return finish_foreground(graph, node);
    return {};
  }
  if (owners.empty() || contains(owners, OwnerState::kUnknown)) return {};
  Plan plan;
  if (contains(owners, OwnerState::kSolid)) {
    const bool all_solid =
        std::ranges::all_of(owners, [](OwnerState state) { return state == OwnerState::kSolid; });
    if (!all_solid) {
      plan.actions.push_back(
          with_owners(node, [&owners](size_t i) { return owners[i] == OwnerState::kSolid; }));
    }
    return plan;
  }
  const bool owner_waits = contains(owners, OwnerState::kWaiting);
  const bool has_dependents = !graph.dependents(object.metadata.uid).empty();
  const char* policy = has_finalizer(object, kOrphan)                                          ? "Orphan"
                       : has_finalizer(object, kForeground) || (owner_waits && has_dependents) ? "Foreground"
                                                                                               : "Background";
  plan.actions.push_back(delete_of(node, policy));
  return plan;
}

namespace {

/// The shell: informers of everything, the graph that they feed, and the questions to the API.
class GarbageCollector final : public Controller {
 public:
  explicit GarbageCollector(const Deps& deps)
      : Controller(deps, {.name = "garbage-collector-controller", .workers = 8},
                   [this](const std::string& uid, const PlanContext&) { return collect(uid); }),
        client_(deps.client),
        random_(deps.random),
        log_(deps.log.named("garbage-collector")),
        scope_(deps.executor, log_),
        definitions_(deps.informers.of<CustomResourceDefinition>()) {
    definitions_.add_handler([this](const auto&, const auto&) { rediscover_.notify(); });
  }

  runtime::Task<void> run() override {
    scope_.spawn(discover_again_and_again());
    co_await Controller::run();
    scope_.cancel();
    co_await scope_.join();
  }

 private:
  runtime::Task<Result<>> discover_once() {
    const auto found = CO_TRY(co_await client::discover(client_));
    std::vector<client::InformerBase*> added;
    for (const auto& [resource, verbs] : found.resources) {
      const bool watchable = verbs.contains("list") && verbs.contains("watch") && verbs.contains("delete");
      if (!watchable || resource.resource == "events") continue;
      kinds_[{resource.api_version(), resource.kind}] = resource;
      if (!informers_.contains(resource)) added.push_back(&follow(resource));
    }
    for (client::InformerBase* informer : added) CO_TRY(co_await informer->wait_synced());
    ready_ = true;
    co_return {};
  }

  runtime::Task<void> discover_again_and_again() {
    for (;;) {
      const Result<> done = co_await discover_once();
      if (!done && done.error().code == Code::kCancelled) co_return;
      if (done) {
        for (const std::string& uid : std::exchange(early_, {})) reconciler().enqueue(uid);
      } else {
        log_.debug("discovery failed", {{"error", done.error()}});
      }
      const Duration wait = done ? kRediscovery : std::chrono::seconds(1);
      static_cast<void>(co_await runtime::with_timeout(wait, "definitions to change", rediscover_.wait()));
      if (!co_await runtime::sleep_for(kSettle)) co_return;
    }
  }

  client::InformerBase& follow(const Resource& resource) {
    auto informer = std::make_unique<client::Informer<GraphObject>>(
        client_, resource, client::InformerOptions{.metadata_only = true}, random_, log_);
    informer->add_handler(
        [this, resource](const GraphPtr& before, const GraphPtr& now) { on_change(resource, before, now); });
    scope_.spawn(informer->run());
    return *(informers_[resource] = std::move(informer));
  }

  void on_change(const Resource& resource, const GraphPtr& before, const GraphPtr& now) {
    const bool replaced = before && now && before->metadata.uid != now->metadata.uid;
    if (before && (!now || replaced)) {
      graph_.erase(before->metadata.uid);
      for (const GraphNode* dependent : graph_.dependents(before->metadata.uid)) look_at(*dependent->object);
      look_at_waiting_owners(*before);
    }
    if (!now) return;
    graph_.put(resource, now);
    if (!now->metadata.ownerReferences.empty() || now->metadata.deletionTimestamp) look_at(*now);
    if (before) look_at_waiting_owners(*before);
    if (waits_for_dependents(*now)) {
      for (const GraphNode* dependent : graph_.dependents(now->metadata.uid)) look_at(*dependent->object);
    }
  }

  // Before everything is known nothing is decided.
  void look_at(const GraphObject& object) {
    if (ready_) {
      reconciler().enqueue(object.metadata.uid);
    } else {
      early_.insert(object.metadata.uid);
    }
  }

  void look_at_waiting_owners(const GraphObject& dependent) {
    for (const OwnerReference& reference : dependent.metadata.ownerReferences) {
      const GraphNode* owner = graph_.find(reference.uid);
      if (owner && waits_for_dependents(*owner->object)) look_at(*owner->object);
    }
  }

  runtime::Task<Result<Plan>> collect(std::string uid) {
    const GraphNode* node = graph_.find(uid);
    if (!node) co_return Plan();
    const GraphObject& object = *node->object;
    std::vector<OwnerState> owners;
    if (!object.metadata.deletionTimestamp) {
      const auto references = object.metadata.ownerReferences;
      const std::string ns = object.metadata.namespace_;
      for (const OwnerReference& reference : references) owners.push_back(co_await state_of(reference, ns));
    }
    node = graph_.find(uid);  // the questions took time
    if (!node) co_return Plan();
    Plan plan = plan_collection(graph_, *node, owners);
    if (contains(owners, OwnerState::kUnknown)) plan.look_again(std::chrono::seconds(30));
    co_return plan;
  }

  runtime::Task<OwnerState> state_of(OwnerReference reference, std::string ns) {
    if (const GraphNode* owner = graph_.find(reference.uid)) {
      co_return waits_for_dependents(*owner->object) ? OwnerState::kWaiting : OwnerState::kSolid;
    }
    const auto kind = kinds_.find({reference.apiVersion, reference.kind});
    if (kind == kinds_.end()) co_return OwnerState::kUnknown;
    const Resource resource = kind->second;
    if (resource.scope == client::Scope::kNamespaced && ns.empty()) co_return OwnerState::kUnknown;
    const auto answer = co_await client_.get_raw(resource, ns, reference.name);
    if (!answer)
      co_return answer.error().code == Code::kNotFound ? OwnerState::kAbsent : OwnerState::kUnknown;
    const auto owner = client::decode_object<PartialObjectMetadata>(std::string_view(*answer));
    if (!owner) co_return OwnerState::kUnknown;
    co_return owner->metadata.uid == reference.uid ? OwnerState::kSolid : OwnerState::kAbsent;
  }

  const client::Client& client_;
  Random& random_;
  Logger log_;
  runtime::TaskScope scope_;
  client::Informer<CustomResourceDefinition>& definitions_;
  runtime::Signal rediscover_;
  bool ready_ = false;
  std::set<std::string> early_;
  std::map<std::pair<std::string, std::string>, Resource> kinds_;  // by apiVersion and kind
  std::map<Resource, std::unique_ptr<client::Informer<GraphObject>>> informers_;
  OwnerGraph graph_;
};

}  // namespace

ControllerPtr make_garbage_collector(const Deps& deps) { return std::make_unique<GarbageCollector>(deps); }

}  // namespace cloudless::controllers

namespace cloudless::client {

using controllers::GraphObject;

Result<GraphObject> Codec<GraphObject>::decode(const boost::json::value& value) {
  auto whole = TRY(schema::from_value<api::meta::v1::PartialObjectMetadata>(value)).metadata;
  return GraphObject{.metadata = {.namespace_ = std::move(whole.namespace_),
                                  .name = std::move(whole.name),
                                  .uid = std::move(whole.uid),
                                  .resourceVersion = std::move(whole.resourceVersion),
                                  .deletionTimestamp = whole.deletionTimestamp,
                                  .ownerReferences = std::move(whole.ownerReferences),
                                  .finalizers = std::move(whole.finalizers)}};
}

Result<GraphObject> Codec<GraphObject>::decode(std::string_view json) {
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(json, error);
  if (error) return fail(Code::kInvalid, "the object is not JSON: {}", error.message());
  return decode(value);
}

}  // namespace cloudless::client

// Garbage collector (upstream: pkg/controller/garbagecollector): deletes what has lost all its owners, and
// carries out foreground and orphaning deletion.
//
// It watches the metadata of every resource that can be deleted, found by discovery, in a graph of its own:
//
//   owner gone (404, or another uid)        -> dependents without another owner are deleted
//   owner deleted in the foreground         -> its blocking dependents are deleted first, then its finalizer
//   goes owner deleted with "orphan"             -> references to it are removed from dependents, then its
//   finalizer goes
//
// What is not in the graph is asked from the API before anything is deleted for its absence.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "api/meta_v1.hpp"
#include "client/informer.hpp"
#include "controllers/controller.hpp"

namespace cloudless::controllers {

/// The few fields of an object that the graph is made of.
struct GraphObject {
  struct Metadata {
    std::string namespace_;
    std::string name;
    std::string uid;
    std::string resourceVersion;
    std::optional<WallTime> deletionTimestamp;
    std::vector<api::meta::v1::OwnerReference> ownerReferences;
    std::vector<std::string> finalizers;
  } metadata;
};

struct GraphNode {
  client::Resource resource;
  std::shared_ptr<const GraphObject> object;
};

/// All objects by uid, and who depends on whom. No I/O.
class OwnerGraph {
 public:
  void put(const client::Resource& resource, const std::shared_ptr<const GraphObject>& object);
  void erase(const std::string& uid);
  const GraphNode* find(const std::string& uid) const;
  /// The objects that name `uid` as an owner, whether it exists or not.
  std::vector<const GraphNode*> dependents(const std::string& uid) const;
  size_t size() const { return nodes_.size(); }

 private:
  void unlink(const GraphNode& node);

  std::map<std::string, GraphNode> nodes_;
  std::map<std::string, std::set<std::string>> dependents_;  // owner's uid -> uids
};

enum class OwnerState {
  kSolid,    // there
  kAbsent,   // not there, or another object of that name
  kWaiting,  // being deleted in the foreground
  kUnknown,  // cannot be told now
};

/// What to do about one object; `owners` has the state of each of its references, in their order.
Plan plan_collection(const OwnerGraph& graph, const GraphNode& node, const std::vector<OwnerState>& owners);

ControllerPtr make_garbage_collector(const Deps& deps);

}  // namespace cloudless::controllers

namespace cloudless::client {
template <>
struct Codec<controllers::GraphObject> {
  static Result<controllers::GraphObject> decode(std::string_view json);
  static Result<controllers::GraphObject> decode(const boost::json::value& json);
  static auto& metadata(auto& object) { return object.metadata; }
};
}  // namespace cloudless::client

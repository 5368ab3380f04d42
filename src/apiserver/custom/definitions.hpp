// Definitions: the controller of CustomResourceDefinitions. It watches them, accepts or refuses their names,
// serves what is established, and empties what is being deleted (apiextensions-apiserver: naming,
// establishing and finalizing controllers in one).
//
// A change costs the work of the definitions that it concerns, however many there are: one is decoded once
// for each of its revisions, and one that is settled and has its names is left alone until it changes.
#pragma once

#include <boost/json/fwd.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apiserver/custom/custom_resource.hpp"
#include "apiserver/registry/registry.hpp"
#include "runtime/scope.hpp"

namespace cloudless::apiserver {

inline constexpr std::string_view kInstancesFinalizer = "customresourcecleanup.apiextensions.k8s.io";

/// The status that `definition` gets, given all definitions: accepted names, conditions, stored versions.
/// Pure.
boost::json::object plan_status(const boost::json::object& definition, const std::vector<ObjectPtr>& all,
                                WallTime now);
bool has_condition(const boost::json::object& definition, std::string_view type);

class Definitions {
 public:
  /// `on_change` is called when something is served that was not, or no more.
  Definitions(Registry& registry, runtime::Executor& executor, Logger log, std::function<void()> on_change);

  /// Serves what is established already and follows changes from then on.
  runtime::Task<Result<>> start();
  runtime::Task<void> stop();

 private:
  runtime::Task<void> run();
  runtime::Task<void> follow(WatchCache::Subscribed subscribed);
  struct Known {
    uint64_t revision = 0;
    ObjectPtr object;
    bool settled = false;
  };
  runtime::Task<void> sync_all();
  void read_all();
  void forget_gone();
  std::vector<ObjectPtr> all() const;
  runtime::Task<ApiResult<>> sync(Known& known);
  runtime::Task<ApiResult<>> serve(const boost::json::object& definition);
  runtime::Task<ApiResult<>> empty(Known& known);
  runtime::Task<ApiResult<>> write(Known& known, boost::json::object definition,
                                   std::string_view subresource);

  Registry& registry_;
  const Logger log_;
  const std::function<void()> on_change_;
  runtime::TaskScope scope_;
  std::map<std::string, Known> known_;
  std::map<std::string, int64_t> served_;  // generation by name
  bool retry_ = false;
};

}  // namespace cloudless::apiserver

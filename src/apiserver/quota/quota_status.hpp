// QuotaStatus: what ResourceQuotas say is used (kubernetes/pkg/controller/resourcequota). Admission counts by
// itself; this is for those who look. A quota's namespace is counted again when one of the objects that it
// limits changes, at most once per kRecountDelay, and nothing is watched while there is no quota.
#pragma once

#include <boost/json/fwd.hpp>

#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "apiserver/registry/registry.hpp"
#include "runtime/channel.hpp"
#include "runtime/scope.hpp"

namespace cloudless::apiserver {

/// Changes within this time are counted together.
inline constexpr Duration kRecountDelay = std::chrono::milliseconds(500);

/// The resource whose objects a quota counts under `name`: "requests.cpu" is of pods, "count/jobs.batch" of
/// jobs. Pure.
GroupResource counted_resource(std::string_view name);
/// All that a quota counts.
std::set<GroupResource> counted_resources(const boost::json::object& quota);

using ObjectsByResource = std::map<GroupResource, std::vector<ObjectPtr>>;
/// The quota with its status as `objects` (of its namespace) make it; nothing where it is so already. Pure.
std::optional<boost::json::object> with_usage(const boost::json::object& quota,
                                              const ObjectsByResource& objects);

class QuotaStatus {
 public:
  /// All references outlive it. Everything runs on `executor`.
  QuotaStatus(Registry& registry, runtime::Executor& executor, Logger log);

  void start();
  runtime::Task<void> stop();

 private:
  runtime::Task<void> run();
  runtime::Task<void> recount();
  runtime::Task<ApiResult<>> recount(const ObjectPtr& quota);
  void follow_what_is_counted(const std::vector<ObjectPtr>& quotas);
  runtime::Task<void> follow(GroupResource resource);

  Registry& registry_;
  const Logger log_;
  runtime::TaskScope scope_;
  runtime::Signal wake_;
  // On the executor alone.
  std::set<GroupResource> wanted_;
  std::set<GroupResource> followed_;
};

}  // namespace cloudless::apiserver

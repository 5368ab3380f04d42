// Job: runs pods until enough have succeeded (upstream: pkg/controller/job), and deletes finished jobs when
// their time to live is over (pkg/controller/ttlafterfinished).
//
// Each pod carries a finalizer until it is counted, so that none is lost or counted twice:
//
//   finished --uid into status.uncountedTerminatedPods--> finalizer removed --> uid out of it, counter up by
//   one
#pragma once

#include <set>

#include "api/batch_v1.hpp"
#include "client/object_cache.hpp"
#include "controllers/controller.hpp"
#include "controllers/support/pod_set.hpp"

namespace cloudless::controllers {

inline constexpr const char* kJobTracking = "batch.kubernetes.io/job-tracking";
inline constexpr const char* kCompletionIndex = "batch.kubernetes.io/job-completion-index";

struct JobView {
  const client::ObjectCache<api::batch::v1::Job>& jobs;
  const client::ObjectCache<Pod>& pods;  // with the owner index
  const Departures& departures;
};

bool is_job_finished(const api::batch::v1::Job& job);

/// "0-2,5" for {0, 1, 2, 5}, and back; text that is none gives what came before the fault.
std::string format_indexes(const std::set<int32_t>& indexes);
std::set<int32_t> parse_indexes(const std::string& text);

Plan plan_job(const JobView& view, const std::string& key, const PlanContext& context);
ControllerPtr make_job_controller(const Deps& deps);

Plan plan_ttl_after_finished(const client::ObjectCache<api::batch::v1::Job>& jobs, const std::string& key,
                             const PlanContext& context);
ControllerPtr make_ttl_after_finished_controller(const Deps& deps);

}  // namespace cloudless::controllers

// For tests of plugins: one call on an object, as the chain makes it.
#pragma once

#include "apiserver/admission/plugin.hpp"
#include "apiserver/testing/fake_objects.hpp"
#include "runtime/simulation.hpp"

namespace cloudless::apiserver::admission::testing {

struct Call {
  Operation operation = Operation::kCreate;
  std::string group;
  std::string resource = "pods";
  std::string subresource;
  json::object object;
  json::object old_object;
  UserInfo user{.name = "jane"};
  std::vector<std::string> warnings;
  std::map<std::string, std::string> audit_annotations;
  bool dry_run = false;

  AdmissionRequest request() {
    const json::object& named = operation == Operation::kDelete ? old_object : object;
    return {.operation = operation,
            .group = group,
            .version = "v1",
            .resource = resource,
            .subresource = subresource,
            .namespace_ = std::string(namespace_of(named)),
            .name = std::string(name_of(named)),
            .user = user,
            .dry_run = dry_run,
            .object = operation == Operation::kDelete ? nullptr : &object,
            .old_object = operation == Operation::kCreate ? nullptr : &old_object,
            .warnings = warnings,
            .audit_annotations = audit_annotations};
  }
};

/// Runs admit() and then validate(), where the plugin handles the operation.
inline ApiResult<> run(runtime::Simulation& simulation, AdmissionPlugin& plugin, Call& call) {
  AdmissionRequest request = call.request();
  if (!plugin.handles(request.operation)) return {};
  ApiResult<> admitted = simulation.run(plugin.admit(request)).value();
  if (!admitted) return admitted;
  return simulation.run(plugin.validate(request)).value();
}

inline json::object parse(std::string_view text) { return json::parse(text).as_object(); }

}  // namespace cloudless::apiserver::admission::testing

// FlowTable: which FlowSchema a request belongs to, and so which priority level (KEP-1040,
// k8s.io/apiserver/pkg/util/flowcontrol/rule.go). Immutable and without I/O.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <vector>

#include "api/flowcontrol_v1.hpp"
#include "apiserver/pipeline.hpp"
#include "apiserver/request_info.hpp"

namespace cloudless::apiserver {

struct Flow {
  std::string schema_uid;
  std::string level_uid;
  bool exempt = false;  // of all limits
};

class FlowTable {
 public:
  /// Schemas of a level that does not exist count for nothing.
  FlowTable(std::vector<api::flowcontrol::v1::FlowSchema> schemas,
            std::vector<api::flowcontrol::v1::PriorityLevelConfiguration> levels);

  /// The first schema that fits, by precedence and name; null where none does.
  const Flow* classify(const UserInfo& user, const RequestInfo& info) const;

 private:
  struct Entry {
    api::flowcontrol::v1::FlowSchema schema;
    Flow flow;
  };
  std::vector<Entry> entries_;
};

/// Watches and connections, which last: they take no part in limits of requests at once.
bool is_long_running(const RequestInfo& info);
/// Whether the request only reads (get, list, watch).
bool is_reading(const RequestInfo& info);

}  // namespace cloudless::apiserver

// The options of each verb, read from the query and, for deletion, from the body, and checked as upstream
// checks them (k8s.io/apimachinery/pkg/apis/meta/v1: ListOptions, CreateOptions, PatchOptions,
// DeleteOptions).
#pragma once

#include <boost/json/fwd.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/status.hpp"

namespace cloudless::apiserver {

/// The query, decoded. The first value of a name counts.
class Query {
 public:
  /// 400 for a broken escape.
  static ApiResult<Query> parse(std::string_view text);

  bool has(std::string_view name) const { return values_.contains(name); }
  std::string_view text(std::string_view name) const;
  std::vector<std::string> all(std::string_view name) const;
  /// Go's conversion of a query value: "", "0" and "false" are false, everything else is true.
  bool truth(std::string_view name) const;
  /// 400 where it is no number.
  ApiResult<std::optional<int64_t>> number(std::string_view name) const;

 private:
  std::multimap<std::string, std::string, std::less<>> values_;
};

enum class VersionMatch { kUnset, kExact, kNotOlderThan };

struct ListOptions {
  std::string label_selector;
  std::string field_selector;
  bool watch = false;
  bool allow_bookmarks = false;
  std::string resource_version;  // as sent: "", "0" or a number
  uint64_t revision = 0;         // resource_version as a number
  VersionMatch match = VersionMatch::kUnset;
  std::optional<int64_t> timeout_seconds;
  int64_t limit = 0;
  std::string continue_token;
  bool send_initial_events = false;
};

/// `watch`: whether the request is a watch by its verb.
ApiResult<ListOptions> parse_list_options(const Query& query, bool watch);

enum class FieldValidation { kIgnore, kWarn, kStrict };

/// CreateOptions, UpdateOptions and PatchOptions.
struct WriteOptions {
  bool dry_run = false;
  std::string field_manager;  // never empty: made from the user agent where unset
  FieldValidation field_validation = FieldValidation::kWarn;
  std::optional<bool> force;
};

/// `kind` names the options in errors: "CreateOptions".
ApiResult<WriteOptions> parse_write_options(const Query& query, std::string_view user_agent,
                                            std::string_view kind);

enum class Propagation { kUnset, kOrphan, kBackground, kForeground };

struct DeleteOptions {
  bool dry_run = false;
  std::optional<int64_t> grace_period_seconds;
  Propagation propagation = Propagation::kUnset;
  std::string precondition_uid;
  std::string precondition_resource_version;
  bool has_uid_precondition = false;
  bool has_version_precondition = false;
};

/// `body`: a decoded DeleteOptions, or null where the request had none; then the query counts.
ApiResult<DeleteOptions> parse_delete_options(const Query& query, const boost::json::object* body);

}  // namespace cloudless::apiserver

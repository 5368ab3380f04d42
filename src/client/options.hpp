// What requests can ask for beyond their object: the query parameters and delete bodies of the Kubernetes
// API.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.hpp"

namespace cloudless::client {

struct GetOptions {
  std::string resource_version;
};

struct ListOptions {
  std::string label_selector;
  std::string field_selector;
  std::string resource_version;
  std::string resource_version_match;  // "Exact", "NotOlderThan"
  int64_t limit = 0;                   // 0: all in one answer
  std::string continue_token;
  bool metadata_only = false;  // items as PartialObjectMetadata
};

struct WatchOptions {
  std::string label_selector;
  std::string field_selector;
  std::string resource_version;
  bool bookmarks = true;
  /// WatchList: the present objects first, then a bookmark annotated k8s.io/initial-events-end.
  bool send_initial_events = false;
  std::optional<std::chrono::seconds> timeout;  // the server ends the watch after it
  bool metadata_only = false;
};

enum class DryRun { kNo, kAll };

struct WriteOptions {
  std::string field_manager;
  std::string field_validation;  // "Ignore", "Warn", "Strict"
  DryRun dry_run = DryRun::kNo;
};

enum class PatchType { kJson, kMerge, kStrategicMerge, kApply };
enum class Force { kNo, kYes };

struct PatchOptions {
  std::string subresource;
  std::string field_manager;  // required for kApply
  Force force = Force::kNo;   // kApply: take fields over from their owners
  DryRun dry_run = DryRun::kNo;
};

struct DeleteOptions {
  std::optional<int64_t> grace_period_seconds;
  std::string propagation_policy;  // "Background", "Foreground", "Orphan"; empty: the resource's default
  std::string uid;                 // preconditions; empty: none
  std::string resource_version;
};

}  // namespace cloudless::client

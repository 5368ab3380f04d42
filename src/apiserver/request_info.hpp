// RequestInfo: what a request asks for, read from its method, path and query alone
// (k8s.io/apiserver/pkg/endpoints/request/requestinfo.go).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace cloudless::apiserver {

struct RequestInfo {
  bool is_resource_request = false;
  /// get, list, watch, create, update, patch, delete, deletecollection, proxy; for other paths the method in
  /// lower case.
  std::string verb;
  std::string path;     // decoded
  std::string prefix;   // "api" or "apis"; empty for other paths
  std::string group;    // empty for the core group
  std::string version;  // empty for /apis and /apis/<group>
  std::string namespace_;
  std::string resource;
  std::string subresource;
  std::string name;
  /// What a list, watch or deletecollection is narrowed by, as sent; empty otherwise.
  std::string label_selector;
  std::string field_selector;
  /// Path segments from the resource on: {"pods", "web", "proxy", "index.html"}.
  std::vector<std::string> parts;
};

/// `path` and `query` are as sent, percent-encoded. kInvalid for a broken escape.
Result<RequestInfo> parse_request_info(std::string_view method, std::string_view path,
                                       std::string_view query);

}  // namespace cloudless::apiserver

// Documents: what the server says about itself: discovery (legacy and aggregated), OpenAPI v2 and v3,
// version. All are made from the catalog, once per catalog and at the first use, and carry an ETag.
#pragma once

#include <boost/json/fwd.hpp>

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "apiserver/registry/catalog.hpp"
#include "apiserver/request/negotiation.hpp"

namespace cloudless::apiserver {

inline constexpr std::string_view kGitVersion = "v1.35.0+cloudless";

// Pure functions of the catalog.
boost::json::object api_versions();
boost::json::object api_group_list(const Catalog& catalog);
boost::json::object api_group(const ApiGroup& group);
boost::json::object api_resource_list(const Catalog& catalog, std::string_view group,
                                      std::string_view version);
/// `core`: the core group alone (/api), else all others (/apis).
enum class DiscoveryPart { kCore, kGroups };
boost::json::object aggregated_discovery(const Catalog& catalog, DiscoveryPart part);
boost::json::object version_info();

struct Document {
  SharedBytes body;
  std::string content_type;
  std::string etag;  // with its quotes
};

class Documents {
 public:
  /// The document at that path; nothing where there is none. 406 where the client accepts none of its forms.
  ApiResult<std::optional<Document>> get(const CatalogPtr& catalog, std::string_view path,
                                         const net::Headers& headers, std::string_view query);

 private:
  std::mutex mutex_;
  CatalogPtr catalog_;  // of what is kept
  std::map<std::string, Document, std::less<>> documents_;
};

}  // namespace cloudless::apiserver

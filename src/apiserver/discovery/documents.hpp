// Documents: what the server says about itself: discovery (legacy and aggregated), OpenAPI v2 and v3,
// version. All are made from the catalog, at the first use, and carry an ETag. A new catalog, which every
// change of a CustomResourceDefinition brings, leaves OpenAPI v3 of the groups and versions that it does not
// change.
#pragma once

#include <boost/json/fwd.hpp>

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "apiserver/aggregation/api_services.hpp"
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

// Extension API servers join what this one serves itself: behind it, or in their place in a group of both.
void add_to_group_list(boost::json::object& list, const std::vector<ExtensionGroupVersion>& extensions);
void add_to_discovery(boost::json::object& list, const std::vector<ExtensionGroupVersion>& extensions);
/// The APIGroup of extensions alone; nothing where none has that group.
std::optional<boost::json::object> extension_group(const std::vector<ExtensionGroupVersion>& extensions,
                                                   std::string_view group);

struct Document {
  SharedBytes body;
  std::string content_type;
  std::string etag;  // with its quotes
};

class Documents {
 public:
  /// The document at that path; nothing where there is none. 406 where the client accepts none of its forms.
  ApiResult<std::optional<Document>> get(const CatalogPtr& catalog, const ExtensionsPtr& extensions,
                                         std::string_view path, const net::Headers& headers,
                                         std::string_view query);

 private:
  /// OpenAPI v3 of one group and version.
  struct OpenApiPart {
    std::vector<ResourceTypePtr> types;  // what it was made from
    SharedBytes body;
    std::string hash;
  };
  const OpenApiPart& open_api_part(const Catalog& catalog, const std::string& group,
                                   const std::string& version);
  std::optional<SharedBytes> open_api_document(const Catalog& catalog, std::string_view path, bool protobuf);
  std::string open_api_v3_index(const Catalog& catalog);

  std::mutex mutex_;
  CatalogPtr catalog_;  // of what is kept, with the extensions
  ExtensionsPtr extensions_;
  std::map<std::string, Document, std::less<>> documents_;
  std::map<std::pair<std::string, std::string>, OpenApiPart> open_api_parts_;  // by group and version
};

}  // namespace cloudless::apiserver

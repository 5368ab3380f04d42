// CustomResource: a resource as its CustomResourceDefinition describes it, in the form that built-in ones
// have: infos, schemas, columns, selectable fields. Immutable; made anew when the definition changes.
#pragma once

#include <boost/json/fwd.hpp>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apiserver/printers/table.hpp"
#include "apiserver/registry/catalog.hpp"
#include "schema/custom_schema.hpp"

namespace cloudless::apiserver {

/// Where the scale subresource finds its numbers.
struct ScalePaths {
  std::vector<std::string> spec_replicas;
  std::vector<std::string> status_replicas;
  std::vector<std::string> selector;
};

/// additionalPrinterColumns: a column and its JSONPath.
struct CustomColumn {
  Column column;
  std::string json_path;
};

class CustomResource {
 public:
  /// From a v1 CustomResourceDefinition that validation has accepted. kInvalid for a schema that cannot be
  /// used.
  static Result<std::shared_ptr<const CustomResource>> make(const boost::json::object& definition);
  ~CustomResource();

  const ScalePaths& scale_paths() const { return scale_; }
  const std::vector<CustomColumn>& columns(std::string_view version) const;
  /// The schema as the definition has it, for OpenAPI; null where it has none.
  const boost::json::value* open_api(std::string_view version) const;

  /// The type to be served; `self` is this.
  static std::shared_ptr<ResourceType> make_type(std::shared_ptr<const CustomResource> self,
                                                 std::string_view root);

 private:
  CustomResource() = default;
  struct Version;
  std::string_view keep(std::string_view text);
  Result<> read_version(const boost::json::object& definition, const boost::json::object& version);
  void read_subresources(Version& out, const boost::json::object& version);

  std::deque<std::string> texts_;
  std::string group_;
  std::string_view plural_;
  std::string_view singular_;
  std::string_view kind_;
  bool namespaced_ = false;
  std::vector<std::string_view> short_names_;
  std::vector<std::string_view> categories_;
  FieldIndex fields_;
  ScalePaths scale_{{"spec", "replicas"}, {"status", "replicas"}, {}};
  std::deque<Version> versions_;
};

}  // namespace cloudless::apiserver

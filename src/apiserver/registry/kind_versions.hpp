// ResourceVersions: the versions of a served resource as server-side apply needs them, to keep the entries of
// managers that write through another version than the request's.
#pragma once

#include <string_view>

#include "apiserver/registry/catalog.hpp"
#include "schema/managed_fields.hpp"

namespace cloudless::apiserver {

class ResourceVersions final : public schema::KindVersions {
 public:
  explicit ResourceVersions(const ResourceType& type) : type_(type) {}

  const schema::Schema* schema(std::string_view api_version) const override;
  boost::json::value convert(const boost::json::value& object, std::string_view from,
                             std::string_view to) const override;

 private:
  const Representation* find(std::string_view api_version) const;

  const ResourceType& type_;
};

}  // namespace cloudless::apiserver

#include "apiserver/registry/kind_versions.hpp"

#include <boost/json.hpp>

#include "apiserver/registry/conversion.hpp"

namespace cloudless::apiserver {

namespace json = boost::json;

const Representation* ResourceVersions::find(std::string_view api_version) const {
  for (const Representation& each : type_.representations) {
    if (each.info && each.api_version() == api_version) return &each;
  }
  return nullptr;
}

const schema::Schema* ResourceVersions::schema(std::string_view api_version) const {
  const Representation* known = find(api_version);
  return known ? known->info->schema : nullptr;
}

json::value ResourceVersions::convert(const json::value& object, std::string_view from,
                                      std::string_view to) const {
  const Representation* source = find(from);
  const Representation* target = find(to);
  json::value out = object;
  if (source && target && out.is_object()) apiserver::convert(out.get_object(), *source, *target);
  return out;
}

}  // namespace cloudless::apiserver

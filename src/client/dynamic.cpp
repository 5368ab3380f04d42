#include "client/dynamic.hpp"

#include <boost/json.hpp>

namespace cloudless::client {

namespace json = boost::json;

Result<Dynamic> Codec<Dynamic>::decode(const json::value& value) {
  const json::object* object = value.if_object();
  const json::value* metadata = object ? object->if_contains("metadata") : nullptr;
  if (!metadata) return fail(Code::kInvalid, "the object has no metadata");
  return Dynamic{TRY(schema::from_value<api::meta::v1::ObjectMeta>(*metadata)), value};
}

Result<Dynamic> Codec<Dynamic>::decode(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error) return fail(Code::kInvalid, "the object is not JSON: {}", error.message());
  return decode(value);
}

std::string Codec<Dynamic>::encode(const Dynamic& object) { return json::serialize(object.object); }

}  // namespace cloudless::client

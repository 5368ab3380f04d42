// Dynamic: an object of a kind that only the server knows (custom resources), as JSON beside its metadata.
// For Informer<Dynamic> and actions on such objects.
//
// Metadata: objects of any kind as PartialObjectMetadata, all that the garbage collector needs.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "api/meta_v1.hpp"
#include "client/codec.hpp"

namespace cloudless::client {

struct Dynamic {
  api::meta::v1::ObjectMeta metadata;  // read from `object`; changes to it are not written
  boost::json::value object;
};

template <>
struct Codec<Dynamic> {
  static Result<Dynamic> decode(std::string_view json);
  static Result<Dynamic> decode(const boost::json::value& json);
  static std::string encode(const Dynamic& object);
  static auto& metadata(auto& object) { return object.metadata; }
};

}  // namespace cloudless::client

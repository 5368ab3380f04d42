// Bodies of requests: one function per direction over the three media types.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "schema/normalize.hpp"
#include "schema/protobuf.hpp"
#include "schema/schema.hpp"

namespace cloudless::schema {

enum class Format { kJson, kYaml, kProtobuf };

/// "application/json" with or without parameters, and so on; also apply-patch+yaml and the +json patch types.
/// kUnimplemented for others.
Result<Format> format_of_media_type(std::string_view media_type);

/// The kind that a body says it is; empty texts when it does not say.
Result<TypeMeta> peek_type(Format format, std::string_view body);
/// A normalized object.
Result<boost::json::value> decode_body(Format format, std::string_view body, const Schema& schema,
                                       const NormalizeOptions& options = {});
/// Protobuf of a custom resource is kUnimplemented (406 upstream).
Result<std::string> encode_body(Format format, const boost::json::value& object, const Schema& schema);

}  // namespace cloudless::schema

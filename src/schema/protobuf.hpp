// application/vnd.kubernetes.protobuf: four bytes "k8s\0", then runtime.Unknown around the object's message.
//
//   6b 38 73 00 | Unknown { 1: TypeMeta{1: apiVersion, 2: kind}, 2: raw message, 3: encoding, 4: content type
//   }
//
// Messages follow the wire tags of the schema (k8s.io/api generated.proto); bytes come out as Go's generated
// code writes them: ascending tags, maps sorted by key.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "schema/schema.hpp"

namespace cloudless::schema {

struct TypeMeta {
  std::string api_version;
  std::string kind;
};

/// The object's message in its envelope. Custom resources have no protobuf form: kUnimplemented.
Result<std::string> encode_protobuf(const boost::json::value& object, const Schema& schema);
/// The kind that the envelope names.
Result<TypeMeta> peek_protobuf(std::string_view bytes);
/// A normalized object of `schema`; the envelope's kind and apiVersion count. Fails with kInvalid.
Result<boost::json::value> decode_protobuf(std::string_view bytes, const Schema& schema);

/// Messages without envelope: options of requests, parts of streams.
Result<std::string> encode_message(const boost::json::value& object, const Schema& schema);
Result<boost::json::value> decode_message(std::string_view bytes, const Schema& schema);

/// An envelope around a finished message.
std::string wrap_protobuf(const TypeMeta& type, std::string_view message);
/// One watch event: a WatchEvent message whose object is a RawExtension of `object_bytes` (already in its
/// envelope). The caller puts the four-byte big-endian length in front (LengthDelimitedFramer).
std::string encode_watch_event(std::string_view type, std::string_view object_bytes);
/// The object's message as field 2 of another: that is its place in a list and in an envelope alike, so bytes
/// that are made once go into both.
Result<std::string> encode_item(const boost::json::value& object, const Schema& schema);
/// The envelope around such an item.
std::string wrap_item(const TypeMeta& type, std::string_view item);
/// What stands in front of a list's items in its envelope; kEnvelopeEnd stands behind them. `list_meta` is a
/// ListMeta object, `item_bytes` the size of all items together.
Result<std::string> encode_list_head(const TypeMeta& type, const boost::json::value& list_meta,
                                     const Schema& list_meta_schema, size_t item_bytes);
/// The empty encoding and content type.
inline constexpr std::string_view kEnvelopeEnd{"\x1a\0\x22\0", 4};

}  // namespace cloudless::schema

// Media types: which form of an answer the client accepts, and which form its body has
// (k8s.io/apiserver/pkg/endpoints/handlers/negotiation).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apiserver/status.hpp"
#include "net/http.hpp"

namespace cloudless::apiserver {

enum class Format { kJson, kYaml, kProtobuf };

/// What the answer is turned into before it is encoded.
enum class Shape {
  kObject,      // as it is
  kTable,       // meta.k8s.io Table, for people
  kPartial,     // PartialObjectMetadata, or for lists PartialObjectMetadataList
  kAggregated,  // apidiscovery.k8s.io APIGroupDiscoveryList
};

struct MediaType {
  Format format = Format::kJson;
  Shape shape = Shape::kObject;
  std::string version;  // of the shape's kind: "v1", "v2"
  bool pretty = false;

  /// The Content-Type of the answer; `watch` for a stream of watch events.
  std::string content_type(bool watch) const;
};

/// What an endpoint can answer with besides plain objects.
struct Offer {
  bool table = false;
  bool partial = false;
  bool aggregated = false;
  /// Of whole objects; their metadata alone always has a protobuf form.
  bool protobuf = true;
  bool yaml = true;
};

/// The first clause of Accept that the offer meets; 406 where none does. No Accept at all means JSON.
ApiResult<MediaType> negotiate(const net::Headers& headers, std::string_view query, const Offer& offer);

/// The format of a request's body; JSON where Content-Type is absent; 415 for others.
ApiResult<Format> body_format(const net::Headers& headers);

/// A Content-Type without its parameters, in lower case.
std::string media_type_of(const net::Headers& headers);

}  // namespace cloudless::apiserver

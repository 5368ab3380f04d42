// How Go names types and paths in the errors of its JSON decoder; users know these messages from kubectl.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "schema/schema.hpp"

namespace cloudless::schema {

/// Where a decoder is, as a chain on the stack: a field of a struct, a map's key or a list's index.
struct FieldPath {
  static constexpr size_t kNoIndex = static_cast<size_t>(-1);

  const FieldPath* up = nullptr;
  const Schema* structure = nullptr;  // of `field`; null for keys and at the top
  std::string_view field;             // or the map's key
  size_t index = kNoIndex;

  /// "spec.containers[0].image", as strict decoding names places.
  std::string text() const;
  /// The same with one more step.
  std::string text(std::string_view last) const;
};

/// "v1.PodSpec", "[]v1.Container", "map[string]string", "int32".
std::string go_type_name(const Schema& schema);
/// "string", "number", "number 1.5", "object", "array", "bool".
std::string go_value_name(const boost::json::value& value);
/// "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32".
std::unexpected<Error> type_error(const boost::json::value& value, std::string_view go_type,
                                  const FieldPath& path);
/// "apps/v1", "v1"; kinds of meta.k8s.io belong to "v1".
std::string api_version_of(const Schema& kind);

}  // namespace cloudless::schema

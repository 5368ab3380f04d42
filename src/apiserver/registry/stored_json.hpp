// Objects as the store keeps them: JSON without metadata.resourceVersion, which is the revision of the key
// and is known only once it is written. Readers get the same text with the version spliced in, so that no
// object is decoded and encoded again to be served.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace cloudless::apiserver {

/// `stored` with "resourceVersion":"<revision>" in its metadata: after uid where there is one, else at the
/// end of the metadata. One that is there is replaced. kDataLoss where `stored` is no JSON object with
/// metadata.
Result<std::string> with_resource_version(std::string_view stored, uint64_t revision);
/// With another apiVersion; the rest stays.
Result<std::string> replace_api_version(std::string_view encoded, std::string_view api_version);

}  // namespace cloudless::apiserver

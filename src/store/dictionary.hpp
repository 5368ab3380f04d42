// The built-in compression dictionary: text that Kubernetes objects have in common, rarest first (zstd finds
// what is near the end cheapest). Its bytes are part of the storage format and never change.
#pragma once

#include <string_view>

namespace cloudless::store {

std::string_view dictionary_v1();

}  // namespace cloudless::store

// Bytes that many readers share: encoded once, never changed, freed as soon as no reader is left over.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace cloudless {

using SharedBytes = std::shared_ptr<const std::string>;

inline SharedBytes share(std::string bytes) { return std::make_shared<const std::string>(std::move(bytes)); }

inline std::string_view view(const SharedBytes& bytes) {
  return bytes ? std::string_view(*bytes) : std::string_view();
}

}  // namespace cloudless

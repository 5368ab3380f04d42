#include "store/types.hpp"

namespace cloudless::store {

std::string prefix_range_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<uint8_t>(end.back()) == 0xff) end.pop_back();
  if (end.empty()) return std::string(1, '\0');
  end.back() = static_cast<char>(static_cast<uint8_t>(end.back()) + 1);
  return end;
}

bool in_range(std::string_view key, std::string_view range_key, std::string_view range_end) {
  if (range_end.empty()) return key == range_key;
  if (key < range_key) return false;
  return range_end == std::string_view("\0", 1) || key < range_end;
}

}  // namespace cloudless::store

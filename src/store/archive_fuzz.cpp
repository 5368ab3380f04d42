// An archive comes from a file that anybody may have made.
#include <cstdint>

#include "store/archive.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto source = [&rest](size_t wanted) -> cloudless::Result<std::string> {
    const std::string piece(rest.substr(0, wanted));
    rest.remove_prefix(piece.size());
    return piece;
  };
  (void)cloudless::store::read_archive(source);
  return 0;
}

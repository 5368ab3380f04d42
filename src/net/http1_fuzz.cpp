// Heads and chunked bodies from outside. A body decodes the same however it is cut.
#include <cstdlib>

#include "net/http1.hpp"

using namespace cloudless;
using namespace cloudless::net::http1;

namespace {

// All data of a chunked body, handed over in steps of `step` bytes; nothing where it is broken.
std::optional<std::string> decode(std::string_view input, size_t step) {
  ChunkDecoder decoder;
  std::string data;
  std::string pending;
  while (!input.empty() || !pending.empty()) {
    pending += input.substr(0, step);
    input.remove_prefix(std::min(step, input.size()));
    const Result<ChunkDecoder::Step> decoded = decoder.decode(pending);
    if (!decoded) return std::nullopt;
    data += decoded->data;
    const bool stuck = decoded->consumed == 0 && input.empty();
    pending.erase(0, decoded->consumed);
    if (stuck || decoder.done()) break;
  }
  return data;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  if (const auto length = head_length(input, 64 * 1024); length && *length) {
    if (const auto head = parse_request_head(input.substr(0, **length)))
      static_cast<void>(request_framing(*head));
    if (const auto head = parse_response_head(input.substr(0, **length))) {
      static_cast<void>(response_framing(*head, "GET"));
    }
  }
  if (decode(input, 1) != decode(input, size + 1)) std::abort();
  return 0;
}

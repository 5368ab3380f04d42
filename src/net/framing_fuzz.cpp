// WebSocket frames and SPDY frames from outside: any bytes give frames, a wait for more, or an error.
#include <cstdlib>

#include "net/spdy_frame.hpp"
#include "net/websocket_frame.hpp"

using namespace cloudless::net;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const std::string_view all(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  const auto masking = bytes[0] & 1 ? websocket::Masking::kRequired : websocket::Masking::kForbidden;
  for (std::string_view input = all; !input.empty();) {
    const auto parsed = websocket::parse_frame(input, masking, 1 << 20);
    if (!parsed || !*parsed) break;
    if ((*parsed)->consumed == 0 || (*parsed)->consumed > input.size()) std::abort();
    input.remove_prefix((*parsed)->consumed);
  }
  spdy::Codec codec;
  for (std::string_view input = all; !input.empty();) {
    const auto parsed = codec.parse(input);
    if (!parsed || !*parsed) break;
    if ((*parsed)->consumed == 0 || (*parsed)->consumed > input.size()) std::abort();
    input.remove_prefix((*parsed)->consumed);
  }
  return 0;
}

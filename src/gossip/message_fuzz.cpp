// What opens decodes to a message that encodes to the same bytes, or is refused.
#include <cstdlib>

#include "gossip/message.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view payload(reinterpret_cast<const char*>(data), size);
  const auto message = cloudless::gossip::decode(payload);
  if (!message) return 0;
  const auto again = cloudless::gossip::decode(cloudless::gossip::encode(*message));
  if (!again || *again != *message) abort();
  return 0;
}

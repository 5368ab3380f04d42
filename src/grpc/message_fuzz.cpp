// The body of a gRPC call comes from whoever can connect: any bytes, in pieces of any size.
#include <cstdint>

#include "grpc/message.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kLimit = 1 << 16;
  if (size == 0) return 0;
  const size_t step = data[0] + size_t{1};
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  cloudless::grpc::MessageReader reader(kLimit);
  for (size_t at = 0; at < body.size(); at += step) {
    std::string_view piece = body.substr(at, step);
    for (;;) {
      const auto message = reader.next(piece);
      if (!message) return 0;
      if (!*message) break;
      if ((*message)->size() > kLimit) __builtin_trap();
    }
    if (!piece.empty()) __builtin_trap();
  }
  return 0;
}

// HTTP/1.1 from a client: any bytes in pieces of any size, as requests one after another. The connection ends
// by itself when the bytes do, with every handler that it began.
#include <cstdint>

#include "net/testing/scripted_connection.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cloudless::net;
  testing::run_connection({reinterpret_cast<const char*>(data), size}, "", make_http1_connection);
  return 0;
}

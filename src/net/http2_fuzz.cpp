// HTTP/2 frames from a client: after a proper preface, any bytes in pieces of any size. The connection ends
// by itself when the bytes do, with every handler that it began.
#include <cstdint>

#include "net/testing/scripted_connection.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cloudless::net;
  testing::run_connection({reinterpret_cast<const char*>(data), size}, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                          make_http2_connection);
  return 0;
}

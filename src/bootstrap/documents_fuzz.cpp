// Configuration files as people write them: reading never crashes, and an error always names a line of the
// file.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "bootstrap/documents.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cloudless::bootstrap;
  const std::string text(reinterpret_cast<const char*>(data), size);
  auto read = read_documents(text, "f");
  if (!read) {
    if (!read.error().message.starts_with("f:")) std::abort();
    return 0;
  }
  if (read->cluster) {
    apply_defaults(*read->cluster);
    (void)validate(*read->cluster);
  }
  if (read->init) {
    apply_defaults(*read->init, "node", "192.0.2.1");
    (void)validate(*read->init);
  }
  if (read->join) {
    apply_defaults(*read->join, "node");
    (void)validate(*read->join);
  }
  return 0;
}

// Any text: no crash, and a selector's canonical text means the same selector.
#include <cstdlib>

#include "schema/selector.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cloudless::schema;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto labels = LabelSelector::parse(text)) {
    const auto again = LabelSelector::parse(labels->to_string());
    if (!again || !(*again == *labels)) std::abort();
  }
  if (const auto fields = FieldSelector::parse(text)) (void)FieldSelector::parse(fields->to_string());
  return 0;
}

// Any bytes as a Pod or CustomResourceDefinition message: no crash, and what decodes encodes and decodes the
// same.
#include <boost/json.hpp>
#include <cstdlib>

#include "api/apiextensions_v1.hpp"
#include "api/core_v1.hpp"
#include "schema/json.hpp"
#include "schema/protobuf.hpp"

namespace {

void check(std::string_view bytes, const cloudless::schema::Schema& schema) {
  using namespace cloudless::schema;
  (void)decode_protobuf(bytes, schema);
  const auto object = decode_message(bytes, schema);
  if (!object) return;
  const auto encoded = encode_message(*object, schema);
  if (!encoded) std::abort();
  const auto again = decode_message(*encoded, schema);
  if (!again || !equal_json(*again, *object)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check(bytes, cloudless::api::core::v1::Pod::describe());
  check(bytes, cloudless::api::apiextensions::v1::CustomResourceDefinition::describe());
  return 0;
}

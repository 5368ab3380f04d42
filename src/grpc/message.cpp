#include "grpc/message.hpp"

#include <utility>

namespace cloudless::grpc {
namespace {

uint32_t load_length(std::string_view prefix) {
  uint32_t length = 0;
  for (size_t i = 1; i < kPrefixBytes; ++i) length = length << 8 | static_cast<uint8_t>(prefix[i]);
  return length;
}

}  // namespace

void put_prefix(char* out, size_t size) {
  out[0] = 0;
  for (size_t i = 1; i < kPrefixBytes; ++i) {
    out[i] = static_cast<char>(size >> (8 * (kPrefixBytes - 1 - i)));
  }
}

Result<std::optional<std::string>> MessageReader::next() {
  const std::string_view rest = std::string_view(buffer_).substr(taken_);
  if (rest.size() < kPrefixBytes) return std::nullopt;
  // Go's words for both.
  if (rest[0] != 0) {
    return fail(Code::kUnimplemented, "grpc: Decompressor is not installed for grpc-encoding \"gzip\"");
  }
  const size_t length = load_length(rest);
  if (length > limit_bytes_) {
    return fail(Code::kResourceExhausted, "grpc: received message larger than max ({} vs. {})", length,
                limit_bytes_);
  }
  if (rest.size() - kPrefixBytes < length) return std::nullopt;
  if (taken_ == 0 && rest.size() == kPrefixBytes + length) {
    // All that there is, as with every unary call: the buffer itself.
    std::string message = std::exchange(buffer_, {});
    message.erase(0, kPrefixBytes);
    return message;
  }
  std::string message(rest.substr(kPrefixBytes, length));
  taken_ += kPrefixBytes + length;
  if (empty()) {
    buffer_.clear();
    taken_ = 0;
  } else if (taken_ > buffer_.size() / 2) {
    buffer_.erase(0, taken_);
    taken_ = 0;
  }
  return message;
}

}  // namespace cloudless::grpc

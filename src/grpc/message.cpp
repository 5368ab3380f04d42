#include "grpc/message.hpp"

#include <algorithm>
#include <utility>

namespace cloudless::grpc {
namespace {

uint32_t load_length(std::string_view prefix) {
  uint32_t length = 0;
  for (size_t i = 1; i < kPrefixBytes; ++i) length = length << 8 | static_cast<uint8_t>(prefix[i]);
  return length;
}

// The size of the message that begins with `prefix`, its prefix included. In Go's words.
Result<size_t> whole_size(std::string_view prefix, size_t limit_bytes) {
  if (prefix[0] == 1) {
    return fail(Code::kInternal, "grpc: compressed flag set with identity or empty encoding");
  }
  if (prefix[0] != 0) {
    return fail(Code::kInternal, "grpc: received unexpected payload format {}",
                static_cast<uint8_t>(prefix[0]));
  }
  const size_t length = load_length(prefix);
  if (length > limit_bytes) {
    return fail(Code::kResourceExhausted, "grpc: received message larger than max ({} vs. {})", length,
                limit_bytes);
  }
  return kPrefixBytes + length;
}

}  // namespace

void put_prefix(char* out, size_t size) {
  out[0] = 0;
  for (size_t i = 1; i < kPrefixBytes; ++i) {
    out[i] = static_cast<char>(size >> (8 * (kPrefixBytes - 1 - i)));
  }
}

Result<std::optional<std::string_view>> MessageReader::next(std::string_view& piece) {
  if (std::exchange(taken_, false)) std::string().swap(partial_);
  // Moves bytes until `size` of the message have come; false where the piece has too few.
  const auto gather = [&](size_t size) {
    const std::string_view front = piece.substr(0, size - std::min(size, partial_.size()));
    partial_ += front;
    piece.remove_prefix(front.size());
    return partial_.size() >= size;
  };
  if (partial_.empty() && piece.size() >= kPrefixBytes) {
    const size_t size = TRY(whole_size(piece, limit_bytes_));
    if (piece.size() >= size) {
      const std::string_view message = piece.substr(0, size);
      piece.remove_prefix(size);
      return message.substr(kPrefixBytes);
    }
  }
  if (!gather(kPrefixBytes) || !gather(TRY(whole_size(partial_, limit_bytes_)))) return std::nullopt;
  taken_ = true;
  return std::string_view(partial_).substr(kPrefixBytes);
}

}  // namespace cloudless::grpc

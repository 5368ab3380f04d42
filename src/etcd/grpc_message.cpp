#include "etcd/grpc_message.hpp"

namespace cloudless::etcd {
namespace {

uint32_t load_length(std::string_view prefix) {
  uint32_t length = 0;
  for (size_t i = 1; i < kGrpcPrefixBytes; ++i) length = length << 8 | static_cast<uint8_t>(prefix[i]);
  return length;
}

}  // namespace

void put_grpc_prefix(char* out, size_t size) {
  out[0] = 0;
  for (size_t i = 1; i < kGrpcPrefixBytes; ++i) {
    out[i] = static_cast<char>(size >> (8 * (kGrpcPrefixBytes - 1 - i)));
  }
}

Result<std::optional<std::string>> GrpcMessageReader::next() {
  const std::string_view rest = std::string_view(buffer_).substr(taken_);
  if (rest.size() < kGrpcPrefixBytes) return std::nullopt;
  // Go's words for both.
  if (rest[0] != 0) {
    return fail(Code::kUnimplemented, "grpc: Decompressor is not installed for grpc-encoding \"gzip\"");
  }
  const size_t length = load_length(rest);
  if (length > limit_bytes_) {
    return fail(Code::kResourceExhausted, "grpc: received message larger than max ({} vs. {})", length,
                limit_bytes_);
  }
  if (rest.size() - kGrpcPrefixBytes < length) return std::nullopt;
  std::string message(rest.substr(kGrpcPrefixBytes, length));
  taken_ += kGrpcPrefixBytes + length;
  if (empty()) {
    buffer_.clear();
    taken_ = 0;
  } else if (taken_ > buffer_.size() / 2) {
    buffer_.erase(0, taken_);
    taken_ = 0;
  }
  return message;
}

std::string encode_grpc_message(std::string_view text) {
  std::string out;
  for (const char byte : text) {
    if (byte >= ' ' && byte <= '~' && byte != '%') {
      out.push_back(byte);
    } else {
      out += fmt::format("%{:02X}", static_cast<uint8_t>(byte));
    }
  }
  return out;
}

}  // namespace cloudless::etcd

// gRPC's framing of messages in the body of an HTTP/2 stream (grpc/doc/PROTOCOL-HTTP2.md):
//
//     compressed(1 byte: 0 or 1) length(4 bytes, big-endian) message(length)
//
// We announce no compression, so a compressed message is an error of the peer.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace cloudless::grpc {

inline constexpr size_t kPrefixBytes = 5;

/// Writes the prefix of a message of `size` bytes to `out`, which has room for it.
void put_prefix(char* out, size_t size);

/// Takes messages out of a body that comes in pieces. Holds at most one message of the limit and a piece.
class MessageReader {
 public:
  explicit MessageReader(size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  void add(std::string_view piece) { buffer_ += piece; }
  /// The next whole message. kUnimplemented where it is compressed, kResourceExhausted where it is longer
  /// than the limit, which shows before its body has come; after an error the body is of no use.
  Result<std::optional<std::string>> next();
  /// True where nothing of a message has come.
  bool empty() const { return taken_ == buffer_.size(); }

 private:
  const size_t limit_bytes_;
  std::string buffer_;
  size_t taken_ = 0;
};

}  // namespace cloudless::grpc

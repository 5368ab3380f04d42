// gRPC's framing of messages in the body of an HTTP/2 stream (grpc/doc/PROTOCOL-HTTP2.md):
//
//     compressed(1 byte: 0 or 1) length(4 bytes, big-endian) message(length)
//
// We announce no compression, so a compressed message is an error of the peer; a call that names an encoding
// does not come as far as its messages.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace cloudless::grpc {

inline constexpr size_t kPrefixBytes = 5;

/// Writes the prefix of a message of `size` bytes to `out`, which has room for it.
void put_prefix(char* out, size_t size);

/// Takes messages out of a body that comes in pieces. Holds at most one message of the limit, and none of a
/// message that came in one piece.
class MessageReader {
 public:
  explicit MessageReader(size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  /// The next whole message, taken off the front of `piece`; nothing where that is used up. The message is
  /// valid until the next call, and no longer than the piece. kInternal where it is compressed,
  /// kResourceExhausted where it is longer than the limit, which shows before its body has come; after an
  /// error the body is of no use.
  Result<std::optional<std::string_view>> next(std::string_view& piece);
  /// True where nothing of a message has come.
  bool empty() const { return partial_.empty(); }

 private:
  const size_t limit_bytes_;
  std::string partial_;  // a message's first bytes, prefix included
  bool taken_ = false;   // it was whole and was given out
};

}  // namespace cloudless::grpc

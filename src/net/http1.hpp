// HTTP/1.1 message syntax (RFC 9112) without I/O: heads, body framing, chunks. Strict where leniency would
// let two parsers disagree about where a message ends (request smuggling).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.hpp"

namespace cloudless::net::http1 {

struct RequestHead {
  std::string method;
  std::string target;
  int minor_version = 1;  // HTTP/1.x
  Headers headers;
};

struct ResponseHead {
  int status = 0;
  int minor_version = 1;
  Headers headers;
};

/// Length of the head with its empty line, at the beginning of `bytes`; nothing while it is not complete.
/// kResourceExhausted past `limit`. `known`: bytes that were looked at before, in vain.
Result<std::optional<size_t>> head_length(std::string_view bytes, size_t limit, size_t known = 0);
/// `head` ends with its empty line. kInvalid on anything that RFC 9112 does not allow.
Result<RequestHead> parse_request_head(std::string_view head);
Result<ResponseHead> parse_response_head(std::string_view head);

std::string write_request_head(const Request& request);
/// With the standard reason phrase.
std::string write_response_head(int status, const Headers& headers);
std::string_view reason_phrase(int status);

/// How a body ends.
struct Framing {
  enum class Kind { kNone, kLength, kChunked, kUntilClose };
  Kind kind = Kind::kNone;
  uint64_t length = 0;
};
Result<Framing> request_framing(const RequestHead& head);
Result<Framing> response_framing(const ResponseHead& head, std::string_view request_method);

/// True where the list fields called `name` have `token` among their items, without case.
bool has_token(const Headers& headers, std::string_view name, std::string_view token);
/// True where the connection may carry another message after this one.
bool keeps_alive(int minor_version, const Headers& headers);

/// Takes a chunked body apart as it arrives.
class ChunkDecoder {
 public:
  struct Step {
    size_t consumed = 0;    // of the input
    std::string_view data;  // part of the input
  };
  /// Consumes a beginning of `input` up to the end of one run of data; call again with the rest. kInvalid on
  /// broken framing.
  Result<Step> decode(std::string_view input);
  bool done() const { return state_ == State::kDone; }

 private:
  enum class State { kSize, kData, kDataEnd, kTrailer, kDone };
  Result<> line(std::string_view text);

  State state_ = State::kSize;
  uint64_t left_ = 0;
  std::string line_;  // of a line that came in pieces
  size_t trailer_bytes_ = 0;
};

}  // namespace cloudless::net::http1

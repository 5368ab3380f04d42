// SPDY/3.1 frames (the draft's sections 2.2 and 2.6) without I/O. Headers are compressed with a state per
// direction that runs through the connection's life.
//
//   control  |1| version 15 | type 16 | flags 8 | length 24 | payload
//   data     |0| stream 31            | flags 8 | length 24 | payload
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "net/http.hpp"

struct z_stream_s;

namespace cloudless::net::spdy {

/// Longer frames end the connection; ours are shorter.
inline constexpr size_t kFrameBytes = 1024 * 1024;
/// A header block after decompression.
inline constexpr size_t kHeaderBytes = 64 * 1024;

enum class Type : uint16_t {
  kData = 0,
  kSynStream = 1,
  kSynReply = 2,
  kRstStream = 3,
  kSettings = 4,
  kPing = 6,
  kGoAway = 7,
  kHeaders = 8,
  kWindowUpdate = 9,
};

inline constexpr uint8_t kFin = 1;
inline constexpr uint32_t kRefusedStream = 3;
inline constexpr uint32_t kCancel = 5;

struct Frame {
  Type type = Type::kData;
  uint32_t stream = 0;  // or the id of a ping
  uint8_t flags = 0;
  uint32_t status = 0;  // of RST_STREAM
  Headers headers;      // of SYN_STREAM, SYN_REPLY and HEADERS; names in lower case
  std::string data;
};

class Codec {
 public:
  Codec();
  ~Codec();
  Codec(const Codec&) = delete;
  Codec& operator=(const Codec&) = delete;

  struct Parsed {
    std::optional<Frame> frame;  // nothing for a frame that is to be ignored
    size_t consumed = 0;
  };
  /// The frame at the beginning of `bytes`, nothing while it is not complete. After an error the connection
  /// is lost.
  Result<std::optional<Parsed>> parse(std::string_view bytes);
  std::string write(const Frame& frame);

 private:
  Result<std::optional<Frame>> parse_control(uint16_t type, uint8_t flags, std::string_view payload);
  Result<Headers> decompress(std::string_view block);
  std::string compress(const Headers& headers);

  std::unique_ptr<z_stream_s> inflater_;
  std::unique_ptr<z_stream_s> deflater_;
};

}  // namespace cloudless::net::spdy

// Http1Link: a stream with a read buffer, as both ends of an HTTP/1.1 connection use it; bodies and upgraded
// connections read through it. Shared by those who still need the connection.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "net/http1.hpp"
#include "net/tcp.hpp"
#include "runtime/channel.hpp"

namespace cloudless::net::http1 {

struct Link {
  std::unique_ptr<Stream> stream;
  std::string buffer;  // read and not yet used

  /// Reads once more into the buffer; false at the end of the stream.
  runtime::Task<Result<bool>> fill();
  void consume(size_t count) { buffer.erase(0, count); }
  /// The next head as text, with its empty line; nothing where the peer closed before its first byte.
  runtime::Task<Result<std::optional<std::string>>> read_head(size_t limit);
};

/// Reads a body off a link, up to its end and no byte further.
class Body : public BodyReader {
 public:
  /// `at_end` is called once, when the last byte of the body was read.
  Body(std::shared_ptr<Link> link, Framing framing, std::move_only_function<void()> at_end);
  runtime::Task<Result<std::optional<SharedBytes>>> next() override;
  bool ended() const { return ended_; }

 private:
  runtime::Task<Result<bool>> need_bytes();
  runtime::Task<Result<std::optional<SharedBytes>>> next_of_length();
  runtime::Task<Result<std::optional<SharedBytes>>> next_chunk();
  std::optional<SharedBytes> end();

  std::shared_ptr<Link> link_;
  Framing framing_;
  ChunkDecoder decoder_;
  std::move_only_function<void()> at_end_;
  bool ended_ = false;
};

/// The connection after a 101.
std::unique_ptr<ByteStream> make_upgraded(std::shared_ptr<Link> link);

/// "size CRLF", to be written before a chunk's data, which CRLF follows.
std::string chunk_head(size_t size);

}  // namespace cloudless::net::http1

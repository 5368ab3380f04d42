// What the two kinds of stream (plain in tcp.cpp, TLS in tls_stream.cpp) share.
#pragma once

#include "net/tcp.hpp"

namespace cloudless::net {

/// A stream with a descriptor of its own.
class DescriptorStream : public Stream {
 public:
  DescriptorStream(runtime::EventLoop& loop, int fd);
  explicit DescriptorStream(Descriptor descriptor);
  void abort() override { descriptor_.abort(); }

  /// Takes the descriptor away, to build a TLS stream on it.
  Descriptor release() { return std::move(descriptor_); }

 protected:
  /// Waits for room to write, at most the stall limit.
  runtime::Task<Result<>> room();

  Descriptor descriptor_;
};

/// One read from a socket.
inline constexpr size_t kReadBytes = 32 * 1024;

/// Waits for bytes and appends them to `buffer`; false at the end of the stream. A waiting reader holds no
/// buffer of its own: bytes pass through one that the thread's readers share.
runtime::Task<Result<bool>> read_more(Stream& stream, std::string& buffer);

}  // namespace cloudless::net

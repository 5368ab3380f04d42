// MuxInbox: what has come for one stream of a StreamMux and waits, bounded, for its reader.
#pragma once

#include <string>

#include "base/clock.hpp"
#include "net/stream_mux.hpp"
#include "runtime/channel.hpp"

namespace cloudless::net {

/// How long close() waits for the peer to close, too: closing with bytes unread would reset the connection
/// and take away what the peer has not read yet.
inline constexpr Duration kGoodbyeTime = std::chrono::seconds(2);

class MuxInbox {
 public:
  /// Waits for room: a reader that falls behind holds up the whole connection, as upstream's does. Bytes for
  /// a stream that nobody reads any more are dropped.
  runtime::Task<Result<>> put(std::string bytes);
  /// The peer has ended its direction.
  void end();
  /// Reads fail from now on, and puts are dropped.
  void abort();

  runtime::Task<Result<std::string>> read(size_t limit);

 private:
  std::string bytes_;
  bool ended_ = false;
  bool aborted_ = false;
  runtime::Signal arrived_;
  runtime::Signal room_;
};

/// Whose streams have odd numbers: the client's.
enum class SpdyRole { kServer, kClient };

/// How the two kinds of mux are made: over a SPDY connection, and over WebSocket channels.
std::unique_ptr<StreamMux> make_spdy_mux(runtime::Executor& executor, SpdyRole role,
                                         std::unique_ptr<ByteStream> connection, std::string protocol,
                                         Logger log);
std::unique_ptr<StreamMux> make_websocket_mux(runtime::Executor& executor,
                                              std::unique_ptr<class WebSocket> socket, std::string protocol,
                                              Logger log);

}  // namespace cloudless::net

// StreamMux: several named streams on one upgraded connection, as exec, attach and port-forward use them. One
// interface over SPDY/3.1 (kubectl's fallback, port-forward), WebSocket channels (v4 and v5.channel.k8s.io),
// and SPDY/3.1 tunnelled through a WebSocket (port-forward since kubectl 1.31; KEP-4006).
//
// A stream is known by its headers: "streamtype" (stdin, stdout, stderr, error, resize, data) and for
// port-forward "port" and "requestid". Header names are in lower case. Streams are used on the mux's loop.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "net/http.hpp"

namespace cloudless::net {

/// Streams on one connection at a time; more are refused.
inline constexpr size_t kMuxStreams = 1024;
/// Bytes of one stream that wait for its reader.
inline constexpr size_t kMuxStreamBytes = 256 * 1024;

/// One stream. close_write() ends our direction; abort() resets it.
class MuxStream : public ByteStream {
 public:
  virtual const Headers& headers() const = 0;
};

class StreamMux {
 public:
  /// Ends the connection. Its streams may outlive it and then return errors.
  virtual ~StreamMux() = default;
  /// The next stream that the peer opened; nothing once the connection has ended. WebSocket channels are
  /// there from the start, in the order of their numbers, and none follows.
  virtual runtime::Task<Result<std::optional<std::unique_ptr<MuxStream>>>> accept() = 0;
  /// Opens a stream to the peer. kUnimplemented over WebSocket channels, whose streams are fixed.
  virtual runtime::Task<Result<std::unique_ptr<MuxStream>>> open(Headers headers) = 0;
  /// The protocol agreed: "v4.channel.k8s.io", "v5.channel.k8s.io", "portforward.k8s.io".
  virtual const std::string& protocol() const = 0;
  /// Sends what is queued, says goodbye and waits a moment for the peer to close.
  virtual runtime::Task<void> close() = 0;
  /// Any thread.
  virtual void abort() = 0;
};

/// Names of WebSocket channels by number.
inline const std::vector<std::string> kRemoteCommandChannels = {"stdin", "stdout", "stderr", "error",
                                                                "resize"};

/// True for a request that upgrade_streams() may serve.
bool wants_streams(const Request& request);

/// Answers an upgrade to SPDY/3.1 or WebSocket and returns its streams. `protocols` in the server's order of
/// preference: for exec {"v5.channel.k8s.io", "v4.channel.k8s.io"}, for port-forward {"portforward.k8s.io"}.
/// What cannot be agreed is answered here as upstream does (403 for SPDY, 400) and returned as kInvalid.
runtime::Task<Result<std::unique_ptr<StreamMux>>> upgrade_streams(const Request& request,
                                                                  ResponseWriter& response,
                                                                  const std::vector<std::string>& protocols,
                                                                  Logger log);

/// Asks the peer behind `transport` to upgrade to SPDY/3.1 at `target` (POST), as a client of exec, attach or
/// port-forward; streams are then made by open(). A refusal is returned with the peer's words.
runtime::Task<Result<std::unique_ptr<StreamMux>>> connect_streams(Transport& transport, std::string target,
                                                                  std::string protocol, Logger log);

}  // namespace cloudless::net

// WebSocket (RFC 6455) over a ByteStream, both sides: messages in and out, ping and pong answered inside,
// fragmentation put together, closing handshake. Extensions are not negotiated.
//
// One reader and any number of writers on one executor.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.hpp"
#include "net/http.hpp"

namespace cloudless::net {

/// A message, all fragments together; a longer one ends the connection with status 1009.
inline constexpr size_t kWebSocketMessageBytes = 32 * 1024 * 1024;

enum class WebSocketRole { kServer, kClient };

struct WebSocketMessage {
  bool binary = true;
  std::string payload;
};

class WebSocket {
 public:
  virtual ~WebSocket() = default;
  /// The next message; nothing once the peer has closed in order.
  virtual runtime::Task<Result<std::optional<WebSocketMessage>>> read() = 0;
  virtual runtime::Task<Result<>> write(WebSocketMessage message) = 0;
  virtual runtime::Task<Result<>> ping() = 0;
  /// Sends a close frame with an RFC 6455 section 7.4 status; reading goes on until the peer's.
  virtual runtime::Task<Result<>> close(uint16_t status, std::string_view reason) = 0;
  /// Any thread.
  virtual void abort() = 0;
  /// The subprotocol agreed; empty for none.
  virtual const std::string& protocol() const = 0;
};

/// Frames on a connection whose handshake is done. `random` makes a client's masks.
std::unique_ptr<WebSocket> make_websocket(std::unique_ptr<ByteStream> stream, WebSocketRole role,
                                          std::string protocol, std::shared_ptr<Random> random = nullptr,
                                          size_t message_limit = kWebSocketMessageBytes);

/// True for a request that asks for `Upgrade: websocket`.
bool wants_websocket(const Request& request);

/// Answers the handshake with the client's first subprotocol that is in `protocols`; a client that names none
/// of them is refused with 400 (and nothing is left to answer) unless it names none at all.
runtime::Task<Result<std::unique_ptr<WebSocket>>> accept_websocket(const Request& request,
                                                                   ResponseWriter& response,
                                                                   const std::vector<std::string>& protocols);

/// Asks `transport` for a WebSocket at `target` with extra `headers`.
runtime::Task<Result<std::unique_ptr<WebSocket>>> connect_websocket(Transport& transport, std::string target,
                                                                    Headers headers,
                                                                    const std::vector<std::string>& protocols,
                                                                    std::shared_ptr<Random> random);

/// The bytes of binary messages as one stream (each write a message), as SPDY tunnelled through WebSocket has
/// it.
std::unique_ptr<ByteStream> make_byte_stream(std::unique_ptr<WebSocket> socket);

}  // namespace cloudless::net

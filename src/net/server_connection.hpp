// What a server's connections share with it: one implementation per protocol (http1_server.cpp,
// http2_server.cpp), told apart by nobody above.
#pragma once

#include <memory>
#include <string>

#include "net/http.hpp"
#include "net/server.hpp"
#include "net/tcp.hpp"

namespace cloudless::net {

struct ServerContext {
  Handler handler;
  ServerLimits limits;
  Logger log;
};

class ServerConnection {
 public:
  virtual ~ServerConnection() = default;
  /// Serves until the connection ends. All that it started has ended when it returns.
  virtual runtime::Task<void> run() = 0;
  /// No more requests after those at hand. On the connection's loop.
  virtual void drain() = 0;
};

/// `received`: bytes that were read already.
std::shared_ptr<ServerConnection> make_http1_connection(std::shared_ptr<const ServerContext> context,
                                                        std::unique_ptr<Stream> stream, std::string received);
std::shared_ptr<ServerConnection> make_http2_connection(std::shared_ptr<const ServerContext> context,
                                                        std::unique_ptr<Stream> stream, std::string received);

Peer describe_peer(const Stream& stream);

/// Runs the handler; what it throws is logged and answered by 500 where nothing was sent yet.
runtime::Task<void> run_handler(const ServerContext& context, Request request, ResponseWriter& response);

/// IMF-fixdate (RFC 9110 section 5.6.7).
std::string http_date(WallTime time);

}  // namespace cloudless::net

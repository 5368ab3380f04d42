// The connections of an HttpClient on one loop, by protocol (http1_client.cpp, http2_client.cpp).
#pragma once

#include <memory>
#include <vector>

#include "net/client.hpp"
#include "net/http1_link.hpp"
#include "net/http2_connection.hpp"

namespace cloudless::net {

/// Sends one request over a connection that is its own as long as it takes.
/// `give_back` gets the connection when the response has been read and the connection may serve again.
runtime::Task<Result<Response>> send_http1(std::shared_ptr<http1::Link> link, Request request,
                                           size_t header_limit,
                                           std::function<void(std::shared_ptr<http1::Link>)> give_back);

class Http2Client final : public http2::Connection {
 public:
  Http2Client(std::unique_ptr<Stream> stream, const HttpClientOptions& options, std::string scheme,
              Logger log);

  /// True while it takes requests: open, not told to go away, below the server's stream limit.
  bool usable() const;
  runtime::Task<Result<Response>> send(Request request);

 private:
  void on_head(http2::Stream& stream) override { stream.incoming_changed.notify(); }
  void on_closed(http2::Stream&) override {}
  bool on_quiet() override;
  Result<std::shared_ptr<http2::Stream>> submit(const Request& request);

  const std::string scheme_;
  const Duration idle_timeout_;
  const Duration ping_after_;
  Duration idle_for_{};
};

}  // namespace cloudless::net

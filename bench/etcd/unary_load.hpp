// Many callers of one unary gRPC method, each with one call under way, on one thread and a few connections.
//
// The machine is shared with the server that is measured, so this client costs as little as it can: requests
// are encoded before the clock starts, HTTP/2 is nghttp2's, and whatever is ready goes out with one write.
#pragma once

#include <string>
#include <vector>

namespace cloudless::bench {

struct CallTimes {
  double seconds = 0;
  /// Of each call, in the order of its message.
  std::vector<double> latencies_ms;
  int64_t failed = 0;
};

/// Sends each of `messages` (encoded protobuf) once, `callers` at a time, over at most `connections`.
/// `endpoint`: "IPv4:port"; `path`: "/package.Service/Method". Exits where there is no connection.
CallTimes call_all(const std::string& endpoint, const std::string& path,
                   const std::vector<std::string>& messages, int callers, int connections);

}  // namespace cloudless::bench

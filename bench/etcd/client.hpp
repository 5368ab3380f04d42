// Client: gRPC calls from one thread, cheap enough that the server is what is measured: HTTP/2 by nghttp2,
// requests that were made into bytes before, answers that stay bytes.
//
//     client.call(0, "/etcdserverpb.KV/Put", message, [](bool ok, std::string_view answer) { ... });
//     client.run_until([&] { return answered == 1; });
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cloudless::bench {

/// A message as it goes on the wire: a zero byte, its length in four, itself.
std::string with_prefix(std::string_view message);

class Client {
 public:
  using Done = std::function<void(bool ok, std::string_view answer)>;
  using OnMessage = std::function<void(std::string_view message)>;

  /// A connection to each endpoint ("127.0.0.1:2379"). Ends the program where there is none.
  explicit Client(const std::vector<std::string>& endpoints);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  size_t connections() const { return connections_.size(); }
  /// A unary call. `body`: a message with its prefix. `done` may begin the next call.
  void call(size_t connection, const std::string& path, std::string body, Done done);
  /// A call whose side of ours stays open; it ends with this object.
  void stream(size_t connection, const std::string& path, std::string body, OnMessage on_message);
  /// Sends and receives until `finished` says so. Ends the program where a connection breaks.
  void run_until(const std::function<bool()>& finished);

 private:
  class Connection;
  std::vector<std::unique_ptr<Connection>> connections_;
};

/// True where a TCP connection to the endpoint comes about.
bool listens(const std::string& endpoint);

}  // namespace cloudless::bench

// RawClient: a connection to a TestServer, below HTTP: it sends what no HTTP client would, reads as little
// and as late as it likes, and can vanish.
//
//     RawClient client(server.url());
//     client.send("nonsense\r\n\r\n");
//     client.receive();
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace cloudless::apiserver::testing {

class RawClient {
 public:
  /// Its kernel takes little that is not read. Fails the test where nobody listens.
  explicit RawClient(const std::string& url);
  RawClient(RawClient&& other) noexcept;
  RawClient& operator=(RawClient&&) = delete;
  ~RawClient();

  void send(std::string_view bytes);
  void get(const std::string& target);
  /// All that has come, up to the peer's end, or until `enough` says so of it.
  std::string receive(const std::function<bool(const std::string&)>& enough = nullptr);
  /// From here on nothing that is sent to this client arrives or is acknowledged, as if its host had lost its
  /// power.
  void vanish();

 private:
  int fd_ = -1;
  std::string heard_;
};

}  // namespace cloudless::apiserver::testing

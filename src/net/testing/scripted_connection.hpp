// What fuzz targets of servers share: a connection whose client says given bytes, and a handler.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "net/server_connection.hpp"
#include "runtime/event_loop.hpp"

namespace cloudless::net::testing {

inline constexpr size_t kEchoBytes = 64 << 10;

/// Gives what it was made with, at most `step` bytes at a time; takes everything.
class Script final : public Stream {
 public:
  Script(std::string_view bytes, size_t step) : bytes_(bytes), step_(step) {}

  runtime::Task<Result<size_t>> read_some(std::span<char> buffer) override {
    const size_t size = std::min({buffer.size(), bytes_.size(), step_});
    std::memcpy(buffer.data(), bytes_.data(), size);
    bytes_.remove_prefix(size);
    co_return size;
  }
  runtime::Task<Result<>> write_all(std::span<const std::string_view>) override { co_return Result<>(); }
  runtime::Task<Result<>> close_write() override { co_return Result<>(); }
  void abort() override { bytes_ = {}; }
  bool idle_and_dead() const override { return bytes_.empty(); }

 private:
  std::string_view bytes_;
  const size_t step_;
};

/// What most handlers do: take the body, answer with it.
inline runtime::Task<void> echo(Request request, ResponseWriter& response) {
  std::string body;
  if (request.body) {
    auto read = co_await read_all(*request.body, kEchoBytes);
    if (!read) co_return;
    body = std::move(*read);
  }
  static_cast<void>(co_await response.respond(200, {}, {share(std::move(body))}));
}

inline runtime::Task<int> serve(std::shared_ptr<ServerConnection> connection) {
  co_await connection->run();
  co_return 0;
}

/// One whole connection, made by `make`: the first byte of `data` is the step, the rest is what the client
/// says.
template <class Make>
void run_connection(std::string_view data, std::string received, Make make) {
  if (data.empty()) return;
  static runtime::LoopThread thread("fuzz");
  static const auto context =
      std::make_shared<const ServerContext>(ServerContext{echo, ServerLimits(), Logger()});
  const size_t step = static_cast<unsigned char>(data.front()) + size_t{1};
  runtime::run_blocking(thread.loop(), serve(make(context, std::make_unique<Script>(data.substr(1), step),
                                                  std::move(received))));
}

}  // namespace cloudless::net::testing

// HTTP/2 frames from a client: after a proper preface, any bytes in pieces of any size. The connection ends
// by itself when the bytes do, with every handler that it began.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "net/server_connection.hpp"
#include "runtime/event_loop.hpp"

namespace {

using namespace cloudless;
using net::Request;
using runtime::Task;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr size_t kBodyBytes = 64 << 10;

// Gives what it was made with, takes everything.
class Script final : public net::Stream {
 public:
  Script(std::string_view bytes, size_t step) : bytes_(bytes), step_(step) {}

  Task<Result<size_t>> read_some(std::span<char> buffer) override {
    const size_t size = std::min({buffer.size(), bytes_.size(), step_});
    std::memcpy(buffer.data(), bytes_.data(), size);
    bytes_.remove_prefix(size);
    co_return size;
  }
  Task<Result<>> write_all(std::span<const std::string_view>) override { co_return Result<>(); }
  Task<Result<>> close_write() override { co_return Result<>(); }
  void abort() override { bytes_ = {}; }
  bool idle_and_dead() const override { return bytes_.empty(); }

 private:
  std::string_view bytes_;
  const size_t step_;
};

// What most handlers do: take the body, answer with it.
Task<void> echo(Request request, net::ResponseWriter& response) {
  std::string body;
  if (request.body) {
    auto read = co_await net::read_all(*request.body, kBodyBytes);
    if (!read) co_return;
    body = std::move(*read);
  }
  static_cast<void>(co_await response.respond(200, {}, {share(std::move(body))}));
}

Task<int> serve(std::shared_ptr<net::ServerConnection> connection) {
  co_await connection->run();
  co_return 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static runtime::LoopThread thread("fuzz");
  static const auto context =
      std::make_shared<const net::ServerContext>(net::ServerContext{echo, net::ServerLimits(), Logger()});
  const std::string_view frames(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto connection = make_http2_connection(
      context, std::make_unique<Script>(frames, size_t{data[0]} + 1), std::string(kPreface));
  runtime::run_blocking(thread.loop(), serve(connection));
  return 0;
}

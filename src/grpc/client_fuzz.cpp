// What a server sends: any bytes as HTTP/2 frames that answer a call, in pieces of any size. The call ends by
// itself when the bytes do.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "grpc/channel.hpp"
#include "grpc/message.hpp"
#include "net/client_pool.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/scope.hpp"

namespace {

using namespace cloudless;
using runtime::Task;

constexpr size_t kMessageLimit = 1 << 16;

// Gives what it was made with once the request is out; takes everything.
class Script final : public net::Stream {
 public:
  Script(std::string_view bytes, size_t step) : bytes_(bytes), step_(step) {}

  Task<Result<size_t>> read_some(std::span<char> buffer) override {
    if (!std::exchange(began_, true)) CO_TRY(co_await written_.wait());
    const size_t size = std::min({buffer.size(), bytes_.size(), step_});
    std::memcpy(buffer.data(), bytes_.data(), size);
    bytes_.remove_prefix(size);
    co_return size;
  }
  Task<Result<>> write_all(std::span<const std::string_view>) override {
    written_.notify();
    co_return Result<>();
  }
  Task<Result<>> close_write() override { co_return Result<>(); }
  void abort() override {
    bytes_ = {};
    written_.notify();
  }
  bool idle_and_dead() const override { return bytes_.empty(); }

 private:
  std::string_view bytes_;
  const size_t step_;
  bool began_ = false;
  runtime::Signal written_;
};

class OneConnection final : public net::Transport {
 public:
  explicit OneConnection(std::shared_ptr<net::Http2Client> connection) : connection_(std::move(connection)) {}
  Task<Result<net::Response>> send(net::Request request) override {
    return connection_->send(std::move(request));
  }

 private:
  const std::shared_ptr<net::Http2Client> connection_;
};

SharedBytes request() {
  std::string bytes(grpc::kPrefixBytes, '\0');
  grpc::put_prefix(bytes.data(), 1);
  return share(bytes + "x");
}

Task<void> unary(grpc::Channel& channel) {
  const auto answer = co_await channel.unary("/a.B/C", request());
  if (answer && answer->size() > kMessageLimit) __builtin_trap();
}

Task<void> stream(grpc::Channel& channel) {
  const auto call = co_await channel.stream("/a.B/C", request(), grpc::Sending::kMore);
  if (!call) co_return;
  for (;;) {
    const auto message = co_await (*call)->receive();
    if (!message || !*message) co_return;
    if ((*message)->size() > kMessageLimit) __builtin_trap();
    (*call)->try_send(request());
  }
}

Task<int> run(std::string_view bytes, uint8_t step, uint8_t kind) {
  const runtime::TaskContext context = co_await runtime::current_context();
  const auto connection = std::make_shared<net::Http2Client>(
      std::make_unique<Script>(bytes, size_t{step} + 1), net::HttpClientOptions(), "http", Logger());
  grpc::Channel channel(std::make_unique<OneConnection>(connection), {.message_bytes = kMessageLimit});
  runtime::TaskScope scope(*context.executor, Logger());
  scope.spawn(kind % 2 == 0 ? unary(channel) : stream(channel));
  // The call is made before the connection begins to write.
  const runtime::Completion<bool> turn;
  context.executor->post([turn] { turn.complete(true); });
  static_cast<void>(co_await turn.wait());
  co_await connection->run({});
  co_await scope.join();
  co_return 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  static runtime::LoopThread thread("fuzz");
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  return runtime::run_blocking(thread.loop(), run(bytes, data[0], data[1]));
}

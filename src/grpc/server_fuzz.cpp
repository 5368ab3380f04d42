// HTTP/2 frames from a gRPC client: after a proper preface, any bytes in pieces of any size. The connection
// ends by itself when the bytes do, with every call that it began.
#include <cstdint>

#include "grpc/message.hpp"
#include "grpc/server.hpp"
#include "net/testing/scripted_connection.hpp"

namespace {

using namespace cloudless;
using runtime::Task;

constexpr size_t kRequestLimit = 1 << 16;

SharedBytes framed(std::string_view message) {
  std::string bytes(grpc::kPrefixBytes, '\0');
  grpc::put_prefix(bytes.data(), message.size());
  return share(bytes.append(message));
}

Task<Result<>> echo(grpc::ServerStream& stream) {
  while (const auto message = CO_TRY(co_await stream.receive())) {
    if (!co_await stream.send({framed(*message)})) break;
  }
  co_return Result<>();
}

grpc::Methods methods() {
  grpc::Methods all;
  all["/u"].unary = [](grpc::Reply reply, std::string_view request) { reply.succeed(framed(request)); };
  all["/r"].unary = [](grpc::Reply reply, std::string_view request) {
    reply.refuse({grpc::StatusCode::kUnavailable, std::string(request)});
  };
  all["/s"].streaming = echo;
  return all;
}

struct World {
  runtime::LoopThread thread{"fuzz"};
  runtime::TaskScope scope{thread.loop(), Logger()};
  grpc::Service service{
      .methods = methods(), .limits = {.request_bytes = kRequestLimit}, .scope = scope, .log = Logger()};
};

Task<int> serve(std::shared_ptr<net::ServerConnection> connection, runtime::TaskScope& scope) {
  co_await connection->run();
  co_await scope.join();
  co_return 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static World world;
  const std::string_view frames(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto socket = std::make_unique<net::testing::Script>(frames, data[0] + size_t{1});
  runtime::run_blocking(world.thread.loop(), serve(grpc::make_connection(world.service, std::move(socket),
                                                                         "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
                                                   world.scope));
  return 0;
}

#include "dns/tcp_frame.hpp"

#include "dns/wire.hpp"

namespace cloudless::dns {

namespace {

runtime::Task<Result<std::string>> read_exactly(net::ByteStream& stream, size_t count) {
  std::string bytes;
  while (bytes.size() < count) {
    const std::string piece = CO_TRY(co_await stream.read(count - bytes.size()));
    if (piece.empty() && bytes.empty()) co_return fail(Code::kUnavailable, "the connection has ended");
    if (piece.empty()) co_return fail(Code::kInvalid, "the connection ended within a message");
    bytes += piece;
  }
  co_return bytes;
}

}  // namespace

runtime::Task<Result<>> write_frame(net::ByteStream& stream, std::string_view message) {
  std::string frame;
  frame.reserve(message.size() + 2);
  append_u16(frame, static_cast<uint16_t>(message.size()));
  frame += message;
  co_return co_await stream.write(std::move(frame));
}

runtime::Task<Result<std::string>> read_frame(net::ByteStream& stream) {
  const std::string length = CO_TRY(co_await read_exactly(stream, 2));
  co_return co_await read_exactly(stream, read_u16(length, 0));
}

}  // namespace cloudless::dns

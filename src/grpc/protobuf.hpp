// Calls in terms of protobuf messages. For .cpp files alone.
#pragma once

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message_lite.h>

#include "grpc/channel.hpp"
#include "grpc/message.hpp"

namespace cloudless::grpc {

/// `message` behind its prefix.
template <class Message>
SharedBytes framed(const Message& message) {
  const size_t size = message.ByteSizeLong();
  std::string bytes(kPrefixBytes + size, '\0');
  put_prefix(bytes.data(), size);
  message.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(bytes.data() + kPrefixBytes));
  return share(std::move(bytes));
}

/// Messages within messages that are read: no danger to the stack, and more than any contract here needs, so
/// that what is nested too deeply is refused in its service's own words.
inline constexpr int kMessageDepth = 1000;

/// kInternal, in Go's words, for bytes that are no such message.
Result<> parse(google::protobuf::MessageLite& message, std::string_view bytes);

template <class Message>
Result<Message> parse_as(std::string_view bytes) {
  Message message;
  TRY(parse(message, bytes));
  return message;
}

/// A unary call.
template <class Response, class Request>
runtime::Task<Result<Response>> call(Channel& channel, std::string method, Request request,
                                     CallOptions options = {}) {
  const std::string bytes =
      CO_TRY(co_await channel.unary(std::move(method), framed(request), std::move(options)));
  co_return parse_as<Response>(bytes);
}

/// A streaming call's next message.
template <class Message>
runtime::Task<Result<std::optional<Message>>> receive(ClientStream& stream) {
  const std::optional<std::string> bytes = CO_TRY(co_await stream.receive());
  if (!bytes) co_return std::optional<Message>();
  co_return CO_TRY(parse_as<Message>(*bytes));
}

}  // namespace cloudless::grpc

#include "grpc/message.hpp"

#include <gtest/gtest.h>

namespace cloudless::grpc {
namespace {

std::string framed(std::string_view message) {
  std::string out(kPrefixBytes, '\0');
  put_prefix(out.data(), message.size());
  return out.append(message);
}

TEST(MessageReader, MessagesComeOutWholeHoweverTheirBytesCome) {
  const std::string body = framed("one") + framed("") + framed(std::string(70'000, 'x')) + framed("last");
  for (const size_t step : {size_t{1}, size_t{3}, size_t{4096}, body.size()}) {
    MessageReader reader(1 << 20);
    std::vector<std::string> messages;
    for (size_t at = 0; at < body.size(); at += step) {
      std::string_view piece = std::string_view(body).substr(at, step);
      for (;;) {
        const auto message = reader.next(piece);
        ASSERT_TRUE(message);
        if (!*message) break;
        messages.emplace_back(**message);
      }
      EXPECT_TRUE(piece.empty());
    }
    EXPECT_EQ(messages, (std::vector<std::string>{"one", "", std::string(70'000, 'x'), "last"})) << step;
    EXPECT_TRUE(reader.empty());
  }
}

TEST(MessageReader, AMessageOfOnePieceIsNotCopied) {
  const std::string body = framed("one") + framed("two");
  std::string_view piece = body;
  MessageReader reader(10);
  EXPECT_EQ((**reader.next(piece)).data(), body.data() + kPrefixBytes);
  EXPECT_EQ(**reader.next(piece), "two");
  EXPECT_TRUE(piece.empty());
}

TEST(MessageReader, AMessageBeyondTheLimitIsRefusedByItsPrefixAlone) {
  const std::string body = framed("0123456789a");
  MessageReader reader(10);
  std::string_view prefix = std::string_view(body).substr(0, kPrefixBytes);
  const auto message = reader.next(prefix);
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().code, Code::kResourceExhausted);
  EXPECT_EQ(message.error().message, "grpc: received message larger than max (11 vs. 10)");
}

TEST(MessageReader, ACompressedMessageIsRefused) {
  const auto refusal = [](char format) {
    MessageReader reader(10);
    std::string body = framed("x");
    body[0] = format;
    std::string_view piece = body;
    return reader.next(piece).error();
  };
  EXPECT_EQ(refusal(1),
            (Error{Code::kInternal, "grpc: compressed flag set with identity or empty encoding"}));
  EXPECT_EQ(refusal(7), (Error{Code::kInternal, "grpc: received unexpected payload format 7"}));
  EXPECT_EQ(refusal('\xff'), (Error{Code::kInternal, "grpc: received unexpected payload format 255"}));
}

}  // namespace
}  // namespace cloudless::grpc

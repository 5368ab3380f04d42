#include "gossip/message.hpp"

#include <gtest/gtest.h>

#include "base/encoding.hpp"

namespace cloudless::gossip {
namespace {

Message sample() {
  Message message;
  message.type = MessageType::kPingVia;
  message.sequence = 0xdeadbeef;
  message.sender = "a";
  message.target = "b";
  message.target_address = net::SocketAddress::parse("192.0.2.1:7946").value();
  message.claims = {{"c", net::SocketAddress::parse("[2001:db8::1]:1").value(), MemberState::kSuspect, 42}};
  return message;
}

TEST(Message, IsWrittenAsTheLayoutSays) {
  EXPECT_EQ(hex_encode(encode(sample())),
            "03"
            "deadbeef"
            "0161"
            "0162"
            "04c0000201"
            "1f0a"
            "01"
            "01"
            "0000002a"
            "0163"
            "1020010db8000000000000000000000001"
            "0001");
  EXPECT_EQ(decode(encode(sample())).value(), sample());
}

TEST(Message, EveryTruncationAndEveryAdditionIsRefused) {
  const std::string whole = encode(sample());
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(decode(whole.substr(0, size))) << size;
  EXPECT_FALSE(decode(whole + "x"));
}

TEST(Seal, OpensUnderTheSameKeyAndNoOther) {
  SeededRandom random(1);
  const std::string key = derive_key("a secret"), other = derive_key("another");
  const std::string packet = seal(key, "payload", random);
  EXPECT_EQ(open_sealed(key, packet).value(), "payload");
  EXPECT_EQ(open_sealed(other, packet).error().code, Code::kPermissionDenied);
  EXPECT_EQ(packet.find("payload"), std::string::npos);
}

TEST(Seal, AChangedByteIsRefusedWhereverItIs) {
  SeededRandom random(1);
  const std::string key = derive_key("a secret");
  const std::string packet = seal(key, "payload", random);
  for (size_t at = 0; at < packet.size(); ++at) {
    std::string changed = packet;
    changed[at] ^= 1;
    EXPECT_FALSE(open_sealed(key, changed)) << at;
    EXPECT_FALSE(open_sealed(key, packet.substr(0, at))) << at;
  }
}

}  // namespace
}  // namespace cloudless::gossip

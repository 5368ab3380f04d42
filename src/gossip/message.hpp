// The gossip packet: its layout inside the seal, and the seal.
//
//   sealed   | version 1 (1) | nonce (12) | ciphertext | tag (16) |     AES-256-GCM, RFC 5116; the version is
//                                                                       authenticated as additional data
//   payload  | type (1) | sequence (4) | sender name (1+n) | target name (1+n) | target address |
//            | claims: count (1), then each: state (1) | incarnation (4) | name (1+n) | address |
//   address  | length of ip: 4 or 16, or 0 for none (1) | ip | port (2) |        integers are big-endian
//
// Every packet stays below kMaxPayload, so that none is fragmented on an Ethernet or VXLAN path.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.hpp"
#include "base/result.hpp"
#include "gossip/membership.hpp"

namespace cloudless::gossip {

inline constexpr size_t kMaxPayload = 1200;
inline constexpr size_t kMaxClaims = 16;
/// A Node's name is a DNS subdomain (RFC 1123), 253 characters at the most.
inline constexpr size_t kMaxName = 253;
inline constexpr size_t kKeySize = 32;

enum class MessageType : uint8_t {
  kPing = 1,     // answer with an ack of the same sequence
  kAck = 2,      // sender is alive, or answered the one that pinged in our stead
  kPingVia = 3,  // ping the target and send its ack on
  kGossip = 4,   // claims only
};

struct Message {
  MessageType type = MessageType::kGossip;
  uint32_t sequence = 0;
  std::string sender;
  std::string target;  // whom a ping is meant for, whom an ack is about
  net::SocketAddress target_address;
  std::vector<Member> claims;
  friend bool operator==(const Message&, const Message&) = default;
};

std::string encode(const Message& message);
/// kInvalid for anything that is not exactly one message.
Result<Message> decode(std::string_view payload);
/// The bytes that a claim takes in a message.
size_t encoded_size(const Member& claim);

/// The 32-byte packet key of a cluster, from a secret that all its nodes hold (the text must have at least
/// 128 bits of entropy).
std::string derive_key(std::string_view cluster_secret);

/// `key`: kKeySize bytes.
std::string seal(std::string_view key, std::string_view payload, Random& random);
/// kPermissionDenied where the packet was not sealed under this key.
Result<std::string> open_sealed(std::string_view key, std::string_view packet);

}  // namespace cloudless::gossip

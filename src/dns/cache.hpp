// Cache of forwarded answers: whole response packets by question, served with their TTLs counted down (RFC
// 2181 section 8, RFC 2308 section 5 for negative answers). Pure: time comes in with each call.
//
// Bound: kMaxEntries answers of at most kMaxCachedBytes; the least recently used goes first.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "dns/message.hpp"

namespace cloudless::dns {

/// What a forwarder must know of a response that it passes on.
struct ResponseScan {
  uint16_t id = 0;
  Rcode rcode = Rcode::kNoError;
  bool truncated = false;
  std::string question;               // name (lower case), type and class as on the wire
  std::vector<uint16_t> ttl_offsets;  // of all records but OPT
  uint32_t lifetime_s = 0;  // the lowest TTL; for a negative answer that of its SOA; 0: not to be kept
};

/// kInvalid where the packet is no well-formed response with one question.
Result<ResponseScan> scan_response(std::string_view packet);

/// The question of a query in the form of ResponseScan::question.
std::string question_of(const Query& query);

class Cache {
 public:
  static constexpr size_t kMaxEntries = 10'000;
  static constexpr size_t kMaxCachedBytes = 4096;
  static constexpr uint32_t kMaxLifetimeS = 3600;

  /// The answer with `query`'s id, case and remaining TTLs; nothing where there is none or it has expired.
  std::optional<std::string> find(const Query& query, SteadyTime now);
  void insert(const Query& query, std::string packet, const ResponseScan& scan, SteadyTime now);
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string key;
    std::string packet;
    std::vector<uint16_t> ttl_offsets;
    SteadyTime stored;
    SteadyTime expires;
  };
  using Entries = std::list<Entry>;

  static std::string key_of(const Query& query);

  Entries entries_;  // most recently used first
  std::unordered_map<std::string_view, Entries::iterator> by_key_;
};

}  // namespace cloudless::dns

// DNS messages on the wire (RFC 1035 section 4, RFC 6891): reading a query, writing a response.
//
//     +---------------------+
//     | header, 12 bytes    |  id, flags, four counts
//     | question            |  one: names in queries are not compressed
//     | answer              |
//     | authority           |
//     | additional          |  OPT last
//     +---------------------+
//
// The writer compresses names (RFC 1035 section 4.1.4), never exceeds its limit and drops whole RRsets: an
// answer or authority that does not fit sets TC and ends the message (RFC 2181 section 9), an additional one
// is left out.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "dns/name.hpp"
#include "dns/record.hpp"

namespace cloudless::dns {

inline constexpr size_t kHeaderBytes = 12;
inline constexpr size_t kPlainUdpLimit = 512;  // without EDNS, RFC 1035 section 4.2.1
inline constexpr size_t kEdnsUdpLimit =
    1232;  // what we offer and send at the most over UDP (DNS flag day 2020)
inline constexpr size_t kMaxMessageBytes = 65535;  // over TCP

enum class Rcode : uint16_t {
  kNoError = 0,
  kFormErr = 1,
  kServFail = 2,
  kNxDomain = 3,
  kNotImp = 4,
  kRefused = 5,
  kYxDomain = 6,
  kNotAuth = 9,
  kBadVers = 16,
};

enum class Opcode : uint8_t { kQuery = 0, kNotify = 4, kUpdate = 5 };

struct Edns {
  uint16_t udp_limit = 512;
  uint8_t version = 0;
  bool dnssec_ok = false;
};

struct Query {
  uint16_t id = 0;
  Opcode opcode = Opcode::kQuery;
  bool recursion_desired = false;
  bool checking_disabled = false;
  Name name;  // as sent, case kept
  uint16_t type = 0;
  uint16_t klass = kClassIn;
  std::optional<Edns> edns;
};

/// Why a packet is not a query that can be looked up.
struct BadQuery {
  /// Nothing where the packet must be ignored: too short for a header, or a response itself.
  std::optional<Rcode> answer_with;
};

/// Reads one query. A compression pointer in the question, a second OPT or one elsewhere than among the
/// additional records, and options that overrun it are format errors; other records are passed over.
std::expected<Query, BadQuery> read_query(std::string_view packet);

enum class Section : uint8_t { kAnswer, kAuthority, kAdditional };

struct ResponseFlags {
  bool authoritative = false;
  bool recursion_available = false;
};

class ResponseWriter {
 public:
  /// `limit`: the largest message. The question and the room for OPT are accounted for at once. `buffer`
  /// gives its memory to the message.
  ResponseWriter(const Query& query, size_t limit, std::string buffer = {});

  /// Adds one RRset; `rdatas` are in wire form. Sections come in order. False where it did not fit.
  bool add(Section section, NameView owner, Type type, uint32_t ttl, const std::vector<std::string>& rdatas);
  bool truncated() const { return truncated_; }

  /// The message. With an rcode above 15 the query must have had EDNS.
  std::string finish(Rcode rcode, ResponseFlags flags);

 private:
  // Where names already written stand: compared in the message itself, so nothing is stored but offsets.
  static constexpr size_t kMaxOffsets = 64;

  void write_name(std::string_view wire);
  void write_rdata(Type type, std::string_view rdata);
  std::optional<uint16_t> find_name(std::string_view wire) const;
  bool name_at(size_t offset, std::string_view wire) const;

  const Query& query_;
  const size_t limit_;
  std::string out_;
  bool truncated_ = false;
  std::array<uint16_t, 3> counts_{};
  std::array<uint16_t, kMaxOffsets> offsets_{};
  size_t offset_count_ = 0;
};

/// A response without records, for what read_query() refused: header, the question where it can be told,
/// rcode.
std::string error_response(std::string_view packet, Rcode rcode);

}  // namespace cloudless::dns

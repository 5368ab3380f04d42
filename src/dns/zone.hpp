// Zone: the records of one zone, immutable once built, and the authoritative answer to a question about them
// (RFC 1034 section 4.3.2, RFC 2308 for negative answers, RFC 4592 for wildcards, RFC 6672 for DNAME).
//
// Invariants: the apex has exactly one SOA; owner names are canonical and within the apex; every ancestor of
// an owner below the apex is present, perhaps without records (an empty non-terminal); a CNAME stands alone
// at its name.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"
#include "dns/message.hpp"
#include "dns/name.hpp"
#include "dns/record.hpp"

namespace cloudless::dns {

struct RRset {
  Type type;
  uint32_t ttl = 0;
  std::vector<std::string> rdatas;
};

struct Record {
  Name owner;
  Type type;
  uint32_t ttl = 0;
  std::string rdata;
};

/// Records that are computed from the name that is asked for, where the zone itself has none (the address
/// that a pod's dashed name spells). Nothing where there is no such name.
using Synthesizer = std::function<std::optional<std::vector<RRset>>(const Name& name)>;

class Zone {
 public:
  /// Checks the invariants. Records of one set take the lowest of their TTLs (RFC 2181 section 5.2); a record
  /// that stands twice counts once.
  static Result<std::shared_ptr<const Zone>> make(const Name& apex, std::vector<Record> records,
                                                  Synthesizer synthesize = nullptr);

  const Name& apex() const { return apex_; }
  uint32_t serial() const;
  size_t record_count() const { return record_count_; }
  /// All records, by owner in no particular order, the SOA first.
  std::vector<Record> records() const;

  /// The sets at a canonical name; null where the name does not exist.
  const std::vector<RRset>* find(NameView name) const;
  const RRset* find(NameView name, Type type) const;
  /// Whether any name below the apex is delegated or has a DNAME: where none is, answers need not look at
  /// ancestors.
  bool has_delegations() const { return has_delegations_; }
  bool has_dnames() const { return has_dnames_; }
  std::optional<std::vector<RRset>> synthesize(NameView name) const {
    return synthesize_ ? synthesize_(Name::from_wire(name.wire()).value()) : std::nullopt;
  }

 private:
  Zone(Name apex, Synthesizer synthesize) : apex_(std::move(apex)), synthesize_(std::move(synthesize)) {}

  Name apex_;
  Synthesizer synthesize_;
  size_t record_count_ = 0;
  bool has_delegations_ = false;
  bool has_dnames_ = false;
  std::unordered_map<Name, std::vector<RRset>, NameHash, NameEqual> nodes_;
};

/// The zones of a server by apex.
class ZoneSet {
 public:
  ZoneSet() = default;
  explicit ZoneSet(std::vector<std::shared_ptr<const Zone>> zones);
  /// The zone with the longest apex that holds `name` (canonical); null where there is none.
  const Zone* find(NameView name) const;
  using ByApex = std::map<Name, std::shared_ptr<const Zone>, std::less<>>;
  const ByApex& all() const { return zones_; }

 private:
  ByApex zones_;
};

/// The whole response to `query`, at most `limit` bytes: REFUSED where no zone holds the name. CNAME chains
/// are followed through all zones of the set, up to kMaxChain links.
inline constexpr int kMaxChain = 16;
/// `buffer` gives its memory to the response, its content is of no matter.
std::string answer(const ZoneSet& zones, const Query& query, size_t limit, std::string buffer = {});

}  // namespace cloudless::dns

// Zone: the records of one zone, immutable once built, and the authoritative answer to a question about them
// (RFC 1034 section 4.3.2, RFC 2308 for negative answers, RFC 4592 for wildcards, RFC 6672 for DNAME).
//
// Invariants: the apex has exactly one SOA; owner names are canonical and within the apex; every ancestor of
// an owner below the apex is present, perhaps without records (an empty non-terminal), and nothing else is; a
// CNAME stands alone at its name.
//
// with() makes a changed zone that shares the rest with the one it is made from, so a change costs what the
// names that it touches cost.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "dns/message.hpp"
#include "dns/name.hpp"
#include "dns/name_map.hpp"
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

/// Adds `record` to the sets of its name: to the set of its type, which takes the lower TTL, unless it is
/// there already.
void add_record(std::vector<RRset>& sets, Record record);

/// Records that are computed from the name that is asked for, where the zone itself has none (the address
/// that a pod's dashed name spells). Nothing where there is no such name.
using Synthesizer = std::function<std::optional<std::vector<RRset>>(const Name& name)>;

class Zone {
 public:
  /// Checks the invariants. Records of one set take the lowest of their TTLs (RFC 2181 section 5.2); a record
  /// that stands twice counts once.
  static Result<std::shared_ptr<const Zone>> make(const Name& apex, std::vector<Record> records,
                                                  Synthesizer synthesize = nullptr);

  /// By canonical owner, the sets that the name has from now on; none: no records of its own.
  using Changes = std::map<Name, std::vector<RRset>>;
  /// A zone with these changes. kInvalid where they break an invariant.
  Result<std::shared_ptr<const Zone>> with(const Changes& changes) const;

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
  bool has_delegations() const { return delegations_ > 0; }
  bool has_dnames() const { return dnames_ > 0; }
  std::optional<std::vector<RRset>> synthesize(NameView name) const {
    return synthesize_ ? synthesize_(Name::from_wire(name.wire()).value()) : std::nullopt;
  }

 private:
  struct Node {
    std::vector<RRset> sets;
    uint32_t children = 0;  // names one label below that are present
  };
  using Editor = NameMap<Node>::Editor;

  Zone(Name apex, Synthesizer synthesize) : apex_(std::move(apex)), synthesize_(std::move(synthesize)) {}
  Result<> apply(const Changes& changes);
  void set_node(Editor& nodes, const Name& owner, const std::vector<RRset>& sets);
  void make_parents(Editor& nodes, const Name& owner);
  void drop_if_empty(Editor& nodes, Name name);
  // Adds `sign` (1 or -1) times what `sets` are to the counts below.
  void count(const Name& owner, const std::vector<RRset>& sets, int sign);

  Name apex_;
  Synthesizer synthesize_;
  size_t record_count_ = 0;
  size_t delegations_ = 0;  // names below the apex with NS
  size_t dnames_ = 0;
  NameMap<Node> nodes_;
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

// MergedZones: zones whose records come from a fixed part and from many objects, kept so that a change of one
// object costs what its own records cost, whatever the number of objects. Pure: no I/O, one thread. The zones
// that it hands out are immutable and share with each other what did not change.
//
// A record goes to the innermost zone that holds its name. Rules, name by name:
//   - what the fixed part says stands: a name and type that it defines are not added to;
//   - a CNAME lives alone;
//   - where objects exclude each other, the first by OriginOrder wins.
// So the outcome depends on the objects alone, not on the order of their changes.
//
// Where objects add to a zone, its SOA's serial is raised to the newest revision among them.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "dns/origin.hpp"
#include "dns/zone.hpp"

namespace cloudless::dns {

class MergedZones {
 public:
  using ZonePtr = std::shared_ptr<const Zone>;

  MergedZones() = default;
  explicit MergedZones(const std::vector<ZonePtr>& fixed) { set_fixed(fixed); }

  /// Other fixed parts under the same objects: costs as much as building all anew.
  void set_fixed(const std::vector<ZonePtr>& fixed);
  /// What `origin` adds from now on, in place of what it added; no records: nothing. `revision`: of the
  /// object, or the newest of those that its records are made from.
  void set(const Origin& origin, std::vector<Record> records, uint32_t revision);

  /// Works the changes since the last call in; the zones by apex. On failure they stay as they were.
  Result<std::vector<ZonePtr>> update();
  /// Of the last update(): records outside every zone (NoZone) and those that the rules refuse
  /// (RecordConflict).
  std::vector<Problem> problems() const;

 private:
  struct Source {
    std::vector<Record> records;  // owners canonical; by owner, type and data
    uint32_t revision = 0;
  };
  using Sources = std::map<Origin, Source, OriginOrder>;
  struct Merged {
    ZonePtr fixed;
    ZonePtr now;
    std::set<Name> changed;  // owners
    std::multiset<uint32_t> revisions;
  };

  Merged* zone_of(Name name);
  void add(const Sources::value_type& source);
  void remove(const Sources::value_type& source);
  std::vector<RRset> merge(const Merged& zone, const Name& owner);
  std::string refuse(const Record& record, const std::vector<RRset>* fixed,
                     const std::vector<RRset>& present) const;
  Result<> update(Merged& zone);

  std::map<Name, Merged> zones_;
  Sources sources_;
  // Who adds to a name, in order.
  using Contributors =
      std::set<const Sources::value_type*, bool (*)(const Sources::value_type*, const Sources::value_type*)>;
  std::unordered_map<Name, Contributors, NameHash, NameEqual> contributors_;
  std::map<Name, std::vector<Problem>> refused_;              // by owner
  std::map<Origin, std::vector<Problem>, OriginOrder> lost_;  // outside every zone
};

}  // namespace cloudless::dns

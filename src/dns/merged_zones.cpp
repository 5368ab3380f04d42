#include "dns/merged_zones.hpp"

#include <algorithm>

#include "dns/wire.hpp"

namespace cloudless::dns {

namespace {

bool has(const std::vector<RRset>& sets, Type type) {
  return std::ranges::find(sets, type, &RRset::type) != sets.end();
}

bool has_data(const std::vector<RRset>& sets, const Record& record) {
  return std::ranges::any_of(sets, [&record](const RRset& set) {
    return set.type == record.type && std::ranges::find(set.rdatas, record.rdata) != set.rdatas.end();
  });
}

// The owners of records that are in their order, each once.
template <class Visit>
void for_each_owner(const std::vector<Record>& records, const Visit& visit) {
  const Name* last = nullptr;
  for (const Record& record : records) {
    if (last && *last == record.owner) continue;
    last = &record.owner;
    visit(record.owner);
  }
}

template <class Item>
bool by_origin(const Item* a, const Item* b) {
  return OriginOrder()(a->first, b->first);
}

// RFC 1982: forward by less than half of the number space.
void raise_serial(std::vector<RRset>& apex, uint32_t serial) {
  std::string& soa = std::ranges::find(apex, Type::kSoa, &RRset::type)->rdatas[0];
  const size_t at = soa.size() - 20;
  if (static_cast<int32_t>(serial - read_u32(soa, at)) > 0) put_u32(soa, at, serial);
}

}  // namespace

MergedZones::Merged* MergedZones::zone_of(Name name) {
  for (;; name = name.parent()) {
    if (const auto found = zones_.find(name); found != zones_.end()) return &found->second;
    if (name.is_root()) return nullptr;
  }
}

void MergedZones::set_fixed(const std::vector<ZonePtr>& fixed) {
  zones_.clear();
  contributors_.clear();
  refused_.clear();
  lost_.clear();
  for (const ZonePtr& zone : fixed) {
    zones_.insert_or_assign(zone->apex(), Merged{.fixed = zone, .now = zone, .changed = {}, .revisions = {}});
  }
  for (const auto& source : sources_) add(source);
}

void MergedZones::set(const Origin& origin, std::vector<Record> records, uint32_t revision) {
  for (Record& record : records) record.owner = record.owner.canonical();
  std::ranges::sort(records, {},
                    [](const Record& record) { return std::tie(record.owner, record.type, record.rdata); });
  if (const auto old = sources_.find(origin); old != sources_.end()) {
    remove(*old);
    sources_.erase(old);
  }
  if (!records.empty()) add(*sources_.emplace(origin, Source{std::move(records), revision}).first);
}

void MergedZones::add(const Sources::value_type& source) {
  std::set<Merged*> touched;
  for_each_owner(source.second.records, [&](const Name& owner) {
    Merged* zone = zone_of(owner);
    if (!zone) {
      lost_[source.first].push_back(
          {source.first, "NoZone", owner.to_text() + " is outside every zone served here"});
      return;
    }
    contributors_.try_emplace(owner, by_origin<Sources::value_type>).first->second.insert(&source);
    zone->changed.insert(owner);
    touched.insert(zone);
  });
  for (Merged* zone : touched) zone->revisions.insert(source.second.revision);
}

void MergedZones::remove(const Sources::value_type& source) {
  std::set<Merged*> touched;
  lost_.erase(source.first);
  for_each_owner(source.second.records, [&](const Name& owner) {
    Merged* zone = zone_of(owner);
    if (!zone) return;
    const auto found = contributors_.find(owner);
    found->second.erase(&source);
    if (found->second.empty()) contributors_.erase(found);
    zone->changed.insert(owner);
    touched.insert(zone);
  });
  for (Merged* zone : touched) zone->revisions.erase(zone->revisions.find(source.second.revision));
}

// Why `record` cannot be added; empty where it can.
std::string MergedZones::refuse(const Record& record, const std::vector<RRset>* fixed,
                                const std::vector<RRset>& present) const {
  if (fixed && has(*fixed, record.type)) return " is defined by the zone's text";
  if (record.type != Type::kCname) {
    return has(present, Type::kCname) ? " cannot stand beside a CNAME of that name" : "";
  }
  if (!has(present, Type::kCname)) {
    return present.empty() ? "" : " cannot stand beside other records of that name";
  }
  return has_data(present, record) ? "" : " is already taken";
}

// The sets of `owner`; notes what is refused.
std::vector<RRset> MergedZones::merge(const Merged& zone, const Name& owner) {
  const std::vector<RRset>* fixed = zone.fixed->find(owner);
  std::vector<RRset> sets = fixed ? *fixed : std::vector<RRset>();
  refused_.erase(owner);
  const auto contributors = contributors_.find(owner);
  if (contributors == contributors_.end()) return sets;
  for (const auto* source : contributors->second) {
    for (const Record& record : std::ranges::equal_range(source->second.records, owner, {}, &Record::owner)) {
      const std::string why_not = refuse(record, fixed, sets);
      if (why_not.empty()) {
        add_record(sets, record);
      } else {
        refused_[owner].push_back({source->first, "RecordConflict",
                                   fmt::format("{} {}{}", owner.to_text(), to_text(record.type), why_not)});
      }
    }
  }
  return sets;
}

Result<> MergedZones::update(Merged& zone) {
  if (zone.changed.empty()) return {};
  Zone::Changes changes;
  for (const Name& owner : zone.changed) changes.emplace(owner, merge(zone, owner));
  const Name& apex = zone.fixed->apex();
  auto [at_apex, absent] = changes.try_emplace(apex);
  if (absent) at_apex->second = merge(zone, apex);
  if (!zone.revisions.empty()) raise_serial(at_apex->second, *zone.revisions.rbegin());
  zone.now = TRY(zone.now->with(changes));
  zone.changed.clear();
  return {};
}

Result<std::vector<MergedZones::ZonePtr>> MergedZones::update() {
  std::vector<ZonePtr> zones;
  for (auto& [apex, zone] : zones_) {
    TRY(update(zone));
    zones.push_back(zone.now);
  }
  return zones;
}

std::vector<Problem> MergedZones::problems() const {
  std::vector<Problem> all;
  for (const auto& [origin, problems] : lost_) all.insert(all.end(), problems.begin(), problems.end());
  for (const auto& [owner, problems] : refused_) all.insert(all.end(), problems.begin(), problems.end());
  return all;
}

}  // namespace cloudless::dns

#include "dns/zone_plan.hpp"

#include <algorithm>
#include <set>

#include "base/strings.hpp"
#include "dns/wire.hpp"
#include "dns/zone_text.hpp"

namespace cloudless::dns {

namespace {

using ConfigMapPtr = std::shared_ptr<const api::core::v1::ConfigMap>;

Origin origin_of(const api::core::v1::ConfigMap& config_map) {
  return {"ConfigMap", "v1", config_map.metadata.namespace_, config_map.metadata.name,
          config_map.metadata.uid};
}

Result<Name> apex_of(std::string_view key) {
  if (key.ends_with(".zone")) key.remove_suffix(5);
  return TRY(Name::parse(key)).canonical();
}

Result<ZoneSource> read_source(const Name& apex, const std::string& text, const Origin& origin) {
  ZoneSource source{apex, text, origin, TRY(parse_zone_text(text, apex))};
  TRY(Zone::make(apex, source.records));
  return source;
}

std::vector<ConfigMapPtr> in_order(std::vector<ConfigMapPtr> config_maps) {
  std::ranges::sort(config_maps, {}, [](const ConfigMapPtr& map) {
    return std::pair(map->metadata.namespace_, map->metadata.name);
  });
  return config_maps;
}

}  // namespace

SourcesUpdate update_sources(const ZoneSources& last, const std::vector<ConfigMapPtr>& config_maps) {
  SourcesUpdate update;
  for (const ConfigMapPtr& config_map : in_order(config_maps)) {
    const Origin origin = origin_of(*config_map);
    bool changed = false;
    for (const auto& [key, text] : config_map->data) {
      const auto apex = apex_of(key);
      if (!apex) {
        update.problems.push_back(
            {origin, "ZoneRefused",
             fmt::format("{} is not a zone's name: {}", quote(key), apex.error().message)});
        continue;
      }
      if (const auto other = update.sources.find(*apex); other != update.sources.end()) {
        update.problems.push_back({origin, "ZoneRefused",
                                   fmt::format("zone {} is already given by ConfigMap {}/{}", apex->to_text(),
                                               other->second.origin.ns, other->second.origin.name)});
        continue;
      }
      const auto before = last.find(*apex);
      if (before != last.end() && before->second.text == text && before->second.origin == origin) {
        update.sources.insert(*before);
        continue;
      }
      auto source = read_source(*apex, text, origin);
      if (source) {
        update.sources.emplace(*apex, std::move(*source));
        changed = true;
        continue;
      }
      const bool kept = before != last.end();
      if (kept) update.sources.insert(*before);
      update.problems.push_back({origin, "ZoneRefused",
                                 fmt::format("zone {}: {}{}", apex->to_text(), source.error().message,
                                             kept ? "; the last good version stays" : "")});
    }
    if (changed) update.loaded.push_back(origin);
  }
  return update;
}

namespace {

// A zone under construction: who owns which name and type.
class Builder {
 public:
  explicit Builder(const ZoneSource& source) : source_(source), records_(source.records) {
    for (const Record& record : source.records) {
      const Name owner = record.owner.canonical();
      fixed_.emplace(owner, record.type);
      types_[owner].insert(record.type);
    }
  }

  /// Why `wanted` cannot be added; empty where it was.
  std::string add(const WantedRecord& wanted) {
    const Record& record = wanted.record;
    const std::string what = fmt::format("{} {}", record.owner.to_text(), to_text(record.type));
    if (fixed_.contains({record.owner, record.type})) return what + " is defined by the zone's text";
    const std::set<Type>& present = types_[record.owner];
    const bool is_cname = record.type == Type::kCname;
    if (is_cname && present.contains(Type::kCname) && !same_as_before(record))
      return what + " is already taken";
    if (is_cname && !present.empty() && !present.contains(Type::kCname)) {
      return what + " cannot stand beside other records of that name";
    }
    if (!is_cname && present.contains(Type::kCname))
      return what + " cannot stand beside a CNAME of that name";
    types_[record.owner].insert(record.type);
    records_.push_back(record);
    changed_ = true;
    return {};
  }

  Result<std::shared_ptr<const Zone>> build(uint32_t serial) {
    if (changed_) raise_serial(serial);
    return Zone::make(source_.apex, std::move(records_));
  }

 private:
  bool same_as_before(const Record& record) const {
    return std::ranges::any_of(records_, [&](const Record& other) {
      return other.owner == record.owner && other.type == record.type && other.rdata == record.rdata;
    });
  }

  // RFC 1982: forward by less than half of the number space.
  void raise_serial(uint32_t serial) {
    for (Record& record : records_) {
      if (record.type != Type::kSoa) continue;
      const size_t at = record.rdata.size() - 20;
      if (static_cast<int32_t>(serial - read_u32(record.rdata, at)) > 0) put_u32(record.rdata, at, serial);
    }
  }

  const ZoneSource& source_;
  std::vector<Record> records_;
  std::set<std::pair<Name, Type>> fixed_;
  std::map<Name, std::set<Type>> types_;
  bool changed_ = false;
};

// The builder of the innermost zone that holds `name`.
Builder* find_builder(std::map<Name, Builder>& builders, Name name) {
  for (;; name = name.parent()) {
    if (const auto found = builders.find(name); found != builders.end()) return &found->second;
    if (name.is_root()) return nullptr;
  }
}

std::vector<const WantedRecord*> in_order(const Wanted& wanted) {
  std::vector<const WantedRecord*> ordered;
  for (const WantedRecord& record : wanted.records) ordered.push_back(&record);
  std::ranges::sort(ordered, {}, [](const WantedRecord* item) {
    const Origin& origin = item->origin;
    const Record& record = item->record;
    return std::tie(origin.ns, origin.name, origin.kind, record.owner, record.type, record.rdata);
  });
  return ordered;
}

}  // namespace

PublicZones build_zones(const ZoneSources& sources, const Wanted& wanted, uint32_t serial) {
  PublicZones out{.zones = {}, .problems = wanted.problems};
  std::map<Name, Builder> builders;
  for (const auto& [apex, source] : sources) builders.emplace(apex, source);
  for (const WantedRecord* record : in_order(wanted)) {
    Builder* builder = find_builder(builders, record->record.owner);
    if (!builder) {
      out.problems.push_back(
          {record->origin, "NoZone",
           fmt::format("{} is outside every zone served here", record->record.owner.to_text())});
    } else if (const std::string refused = builder->add(*record); !refused.empty()) {
      out.problems.push_back({record->origin, "RecordConflict", refused});
    }
  }
  for (auto& [apex, builder] : builders) {
    auto zone = builder.build(serial);
    if (zone) {
      out.zones.push_back(std::move(*zone));
    } else {
      out.problems.push_back({sources.at(apex).origin, "ZoneRefused", zone.error().message});
    }
  }
  return out;
}

}  // namespace cloudless::dns

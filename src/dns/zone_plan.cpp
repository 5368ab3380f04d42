#include "dns/zone_plan.hpp"

#include <algorithm>

#include "base/strings.hpp"
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
  return ZoneSource{apex, text, origin, TRY(parse_zone(text, apex))};
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

std::vector<std::shared_ptr<const Zone>> zones_of(const ZoneSources& sources) {
  std::vector<std::shared_ptr<const Zone>> zones;
  for (const auto& [apex, source] : sources) zones.push_back(source.zone);
  return zones;
}

}  // namespace cloudless::dns

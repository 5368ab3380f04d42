// The zones that people give as text: pure, the same on every node that sees the same objects.
//
// A zone comes from a ConfigMap labelled cloudless/dns=zones: each key is the name of a zone (with or without
// a final dot or ".zone"), its value the zone as BIND text. A text that does not parse is refused, with line
// and reason, and the zone's last good text stays. What objects add to these zones: merged_zones.hpp.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/core_v1.hpp"
#include "dns/origin.hpp"
#include "dns/zone.hpp"

namespace cloudless::dns {

inline constexpr std::string_view kZonesLabel = "cloudless/dns";
inline constexpr std::string_view kZonesLabelValue = "zones";

/// One zone's text as it was last found good.
struct ZoneSource {
  Name apex;
  std::string text;
  Origin origin;
  std::shared_ptr<const Zone> zone;
};

/// By apex. Kept by the shell between calls, so that a bad text leaves the good one.
using ZoneSources = std::map<Name, ZoneSource>;

struct SourcesUpdate {
  ZoneSources sources;
  std::vector<Origin> loaded;  // ConfigMaps of zones that are new or have changed
  std::vector<Problem> problems;
};

/// `last`: the outcome before. Two ConfigMaps that name the same zone: the first by namespace and name has
/// it.
SourcesUpdate update_sources(const ZoneSources& last,
                             const std::vector<std::shared_ptr<const api::core::v1::ConfigMap>>& config_maps);

std::vector<std::shared_ptr<const Zone>> zones_of(const ZoneSources& sources);

}  // namespace cloudless::dns

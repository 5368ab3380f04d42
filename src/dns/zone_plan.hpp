// From what the cluster says to the zones that are served: pure, the same on every node that sees the same
// objects.
//
// A zone comes from a ConfigMap labelled cloudless/dns=zones: each key is the name of a zone (with or without
// a final dot or ".zone"), its value the zone as BIND text. A text that does not parse is refused, with line
// and reason, and the zone's last good text stays. Records that objects ask for are added to the zone that
// holds their name. What the text says stands: a name and type that it defines are not added to, and a CNAME
// lives alone. Among objects, the one whose namespace and name sort first wins where they exclude each other.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/core_v1.hpp"
#include "dns/external_records.hpp"

namespace cloudless::dns {

inline constexpr std::string_view kZonesLabel = "cloudless/dns";
inline constexpr std::string_view kZonesLabelValue = "zones";

/// One zone's text as it was last found good.
struct ZoneSource {
  Name apex;
  std::string text;
  Origin origin;
  std::vector<Record> records;
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

struct PublicZones {
  std::vector<std::shared_ptr<const Zone>> zones;
  std::vector<Problem> problems;
};

/// `serial`: what the SOA's serial is raised to where objects add records; at least the text's own.
PublicZones build_zones(const ZoneSources& sources, const Wanted& wanted, uint32_t serial);

}  // namespace cloudless::dns

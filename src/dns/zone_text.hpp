// Zone files as BIND writes them (RFC 1035 section 5, RFC 2308 section 4 for $TTL, BIND's $GENERATE).
//
// Understood: comments, parentheses, quotes and escapes, blank and relative owners, "@", TTLs with units,
// class IN, $ORIGIN, $TTL, $GENERATE. Refused with a reason: $INCLUDE (a zone comes from one ConfigMap key),
// other classes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "dns/zone.hpp"

namespace cloudless::dns {

inline constexpr size_t kMaxZoneTextBytes = 16u << 20;
inline constexpr size_t kMaxZoneRecords = 1'000'000;
inline constexpr int64_t kMaxGenerateSteps = 65'536;

/// The records of the text; relative names are under `origin` until $ORIGIN says else. kInvalid with "line N:
/// reason".
Result<std::vector<Record>> parse_zone_text(std::string_view text, const Name& origin);

/// The same, checked as a zone with that apex.
Result<std::shared_ptr<const Zone>> parse_zone(std::string_view text, const Name& apex);

/// The zone as text that parse_zone() and BIND read: SOA first, one record a line, names absolute.
std::string zone_to_text(const Zone& zone);

}  // namespace cloudless::dns

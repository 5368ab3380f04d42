// What every server of the DNS benchmark serves and is asked: one zone, and the questions of a cluster's day.
#pragma once

#include <string>
#include <string_view>

namespace cloudless::bench {

inline constexpr std::string_view kApex = "bench.example";

/// Zone text with `names` hosts (A each, AAAA for a tenth, aliases, mail, text) and a wildcard.
std::string zone_text(int names);

/// A file for dnsperf of `count` questions: addresses of hosts, AAAA where there is none, aliases, names
/// below the wildcard, names that do not exist. The same for the same arguments.
std::string questions(int names, int count);

}  // namespace cloudless::bench

// For tests: a DNS response in words, one line for the header and one a record, as dig would show it.
#pragma once

#include <string>
#include <string_view>

namespace cloudless::dns::testing {

/// "NOERROR aa tc\nan OWNER TTL TYPE DATA\nau ...\nad ...\n"; OPT is left out. "broken" where the message is.
std::string decode(std::string_view packet);

}  // namespace cloudless::dns::testing

// The service parameters of SVCB and HTTPS records (RFC 9460 section 2): key=value words in any order, wire
// form in ascending order of keys.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "dns/record.hpp"

namespace cloudless::dns {

/// Wire form from the words at `from` and after.
Result<std::string> parse_service_params(const std::vector<Word>& words, size_t from);
std::string service_params_to_text(std::string_view wire);

}  // namespace cloudless::dns

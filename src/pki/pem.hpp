// PEM text (RFC 7468): labelled blocks of base64 within lines of dashes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace cloudless::pki {

struct PemBlock {
  std::string label;  // "CERTIFICATE"
  std::string bytes;
};

/// All well-formed blocks in order; text between blocks is skipped, as is a block that is not base64.
std::vector<PemBlock> parse_pem(std::string_view text);
/// One block in lines of 64 characters, with a line end at its end.
std::string format_pem(std::string_view label, std::string_view bytes);

}  // namespace cloudless::pki

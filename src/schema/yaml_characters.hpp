// Which characters a YAML text may hold (YAML 1.1, 5.1, as go-yaml's readerc.go reads it): UTF-8 without
// control characters. Checked before the parser sees the text: libfyaml does not end on a directive of broken
// UTF-8.
#pragma once

#include <string_view>

#include "base/result.hpp"

namespace cloudless::schema {

/// kInvalid in go-yaml's words where the text is not UTF-8 or holds a character that YAML excludes.
Result<> check_yaml_characters(std::string_view text);

}  // namespace cloudless::schema

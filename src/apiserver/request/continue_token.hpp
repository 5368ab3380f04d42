// Continue tokens of chunked lists, in upstream's form: base64url of
// {"v":"meta.k8s.io/v1","rv":R,"start":KEY} (k8s.io/apiserver/pkg/storage/continue.go). Opaque to clients,
// but they may come from another server on the same store.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "apiserver/status.hpp"

namespace cloudless::apiserver {

struct ContinueToken {
  /// The revision of the first chunk; -1: go on with the present state, inconsistently.
  int64_t revision = 0;
  /// Where to go on, relative to the list's prefix.
  std::string start;
};

std::string encode(const ContinueToken& token);
/// 400 with upstream's words for what is no token or leaves the prefix.
ApiResult<ContinueToken> parse_continue_token(std::string_view text);

}  // namespace cloudless::apiserver

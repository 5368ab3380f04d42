#include "apiserver/request/continue_token.hpp"

#include "apiserver/json_fields.hpp"
#include "base/encoding.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver {

namespace {

constexpr std::string_view kVersion = "meta.k8s.io/v1";

std::unexpected<ApiStatus> refused(std::string_view why) {
  return std::unexpected(bad_request(fmt::format("continue key is not valid: {}", why)));
}

bool leaves_prefix(std::string_view start) {
  for (std::string_view part : split(start, '/')) {
    if (part == ".." || part == ".") return true;
  }
  return start.starts_with('/');
}

}  // namespace

std::string encode(const ContinueToken& token) {
  return base64url_encode(
      json::serialize(json::object{{"v", kVersion}, {"rv", token.revision}, {"start", token.start}}));
}

ApiResult<ContinueToken> parse_continue_token(std::string_view text) {
  const Result<std::string> decoded = base64url_decode(text);
  if (!decoded) return refused(decoded.error().message);
  json::error_code error;
  const json::value value = json::parse(*decoded, error);
  if (error || !value.is_object()) return refused(error ? error.message() : "no object");
  const json::object& object = value.get_object();
  if (text_at(object, {"v"}) != kVersion) {
    return refused(
        fmt::format("server does not recognize this encoded version {}", quote(text_at(object, {"v"}))));
  }
  ContinueToken token{.revision = number_at(object, {"rv"}),
                      .start = std::string(text_at(object, {"start"}))};
  if (token.revision == 0) {
    return refused("incorrect encoded start resourceVersion (version meta.k8s.io/v1)");
  }
  if (token.start.empty()) return refused("encoded start key empty (version meta.k8s.io/v1)");
  if (leaves_prefix(token.start)) return refused(token.start);
  return token;
}

}  // namespace cloudless::apiserver

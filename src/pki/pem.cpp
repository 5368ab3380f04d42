#include "pki/pem.hpp"

#include "base/encoding.hpp"
#include "base/strings.hpp"

namespace cloudless::pki {

namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----";
constexpr size_t kLineLength = 64;

std::string without_blanks(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') out += c;
  }
  return out;
}

}  // namespace

std::vector<PemBlock> parse_pem(std::string_view text) {
  std::vector<PemBlock> blocks;
  for (size_t at = text.find(kBegin); at != std::string_view::npos; at = text.find(kBegin, at)) {
    at += kBegin.size();
    const size_t label_end = text.find(kDashes, at);
    if (label_end == std::string_view::npos) break;
    const std::string_view label = text.substr(at, label_end - at);
    const size_t body = label_end + kDashes.size();
    const std::string footer = fmt::format("{}{}{}", kEnd, label, kDashes);
    const size_t footer_at = text.find(footer, body);
    if (footer_at == std::string_view::npos) continue;
    auto bytes = base64_decode(without_blanks(text.substr(body, footer_at - body)));
    if (!bytes) continue;
    blocks.push_back({std::string(label), std::move(*bytes)});
    at = footer_at + footer.size();
  }
  return blocks;
}

std::string format_pem(std::string_view label, std::string_view bytes) {
  const std::string body = base64_encode(bytes);
  std::string out = fmt::format("{}{}{}\n", kBegin, label, kDashes);
  for (size_t at = 0; at < body.size(); at += kLineLength) {
    out.append(body, at, kLineLength);
    out += '\n';
  }
  return out + fmt::format("{}{}{}\n", kEnd, label, kDashes);
}

}  // namespace cloudless::pki

#include "schema/names.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/strings.hpp"

namespace cloudless::schema {
namespace {

constexpr std::string_view kLabelRegex = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
constexpr std::string_view kSubdomainRegex =
    R"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)";
constexpr std::string_view kQualifiedRegex = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_alnum(char c) { return is_lower_alnum(c) || (c >= 'A' && c <= 'Z'); }

/// As upstream's RegexError words it.
std::string with_regex(std::string_view message, std::string_view regex,
                       std::initializer_list<std::string_view> examples) {
  std::string out(message);
  out += " (e.g. ";
  bool first = true;
  for (const auto example : examples) {
    out += fmt::format("{}'{}', ", first ? "" : " or ", example);
    first = false;
  }
  return out + fmt::format("regex used for validation is '{}')", regex);
}

std::string too_long(size_t most) { return fmt::format("must be no more than {} bytes", most); }

bool is_label(std::string_view text) {
  return !text.empty() && is_lower_alnum(text.front()) && is_lower_alnum(text.back()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_lower_alnum(c) || c == '-'; });
}

bool is_subdomain(std::string_view text) {
  const auto parts = split(text, '.');
  return std::all_of(parts.begin(), parts.end(), is_label);
}

bool is_qualified_part(std::string_view text) {
  return !text.empty() && is_alnum(text.front()) && is_alnum(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

}  // namespace

Complaints check_dns1123_label(std::string_view text) {
  Complaints out;
  if (text.size() > kMaxDns1123Label) out.push_back(too_long(kMaxDns1123Label));
  if (is_label(text)) return out;
  if (is_subdomain(text)) {
    out.emplace_back("must not contain dots");
  } else {
    out.push_back(with_regex(
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
        "must start and end with an alphanumeric character",
        kLabelRegex, {"my-name", "123-abc"}));
  }
  return out;
}

Complaints check_dns1123_subdomain(std::string_view text) {
  Complaints out;
  if (text.size() > kMaxDns1123Subdomain) out.push_back(too_long(kMaxDns1123Subdomain));
  if (!is_subdomain(text)) {
    out.push_back(with_regex(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
        "'.', and must start and end with an alphanumeric character",
        kSubdomainRegex, {"example.com"}));
  }
  return out;
}

Complaints check_dns1035_label(std::string_view text) {
  Complaints out;
  if (text.size() > kMaxDns1123Label) out.push_back(too_long(kMaxDns1123Label));
  if (!is_label(text) || (text[0] >= '0' && text[0] <= '9')) {
    out.push_back(with_regex(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
        "alphabetic character, and end with an alphanumeric character",
        "[a-z]([-a-z0-9]*[a-z0-9])?", {"my-name", "abc-123"}));
  }
  return out;
}

Complaints check_qualified_name(std::string_view text) {
  Complaints out;
  const auto parts = split(text, '/');
  std::string_view name = parts.back();
  if (parts.size() > 2) {
    return {
        "a qualified name " +
        with_regex("must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
                   "alphanumeric character",
                   kQualifiedRegex, {"MyName", "my.name", "123-abc"}) +
        " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"};
  }
  if (parts.size() == 2) {
    if (parts[0].empty()) {
      out.emplace_back("prefix part must be non-empty");
    } else {
      for (const auto& complaint : check_dns1123_subdomain(parts[0]))
        out.push_back("prefix part " + complaint);
    }
  }
  if (name.empty()) {
    out.emplace_back("name part must be non-empty");
  } else if (name.size() > kMaxLabelValue) {
    out.push_back("name part " + too_long(kMaxLabelValue));
  }
  if (!is_qualified_part(name)) {
    out.push_back(
        "name part " +
        with_regex("must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
                   "alphanumeric character",
                   kQualifiedRegex, {"MyName", "my.name", "123-abc"}));
  }
  return out;
}

Complaints check_label_value(std::string_view text) {
  Complaints out;
  if (text.size() > kMaxLabelValue) out.push_back(too_long(kMaxLabelValue));
  if (!text.empty() && !is_qualified_part(text)) {
    out.push_back(
        with_regex("a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
                   "'.', and must start and end with an alphanumeric character",
                   "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", {"MyValue", "my_value", "12345"}));
  }
  return out;
}

Complaints check_wildcard_dns1123_subdomain(std::string_view text) {
  if (text.starts_with("*.") && is_subdomain(text.substr(2)) && text.size() <= kMaxDns1123Subdomain)
    return {};
  return {with_regex(
      "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must "
      "consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
      R"(\*\.)" + std::string(kSubdomainRegex), {"*.example.com"})};
}

Complaints check_port_name(std::string_view text) {
  constexpr size_t kMaxPortName = 15;
  Complaints out;
  if (text.size() > kMaxPortName)
    out.push_back(fmt::format("must be no more than {} characters", kMaxPortName));
  if (text.empty() ||
      !std::all_of(text.begin(), text.end(), [](char c) { return is_lower_alnum(c) || c == '-'; })) {
    out.emplace_back("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (std::none_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; })) {
    out.emplace_back("must contain at least one letter (a-z)");
  }
  if (text.find("--") != std::string_view::npos) out.emplace_back("must not contain consecutive hyphens");
  if (!text.empty() && (text.front() == '-' || text.back() == '-')) {
    out.emplace_back("must not begin or end with a hyphen");
  }
  return out;
}

Complaints check_port_number(int64_t port) {
  if (port >= 1 && port <= 65535) return {};
  return {"must be between 1 and 65535, inclusive"};
}

Complaints check_config_map_key(std::string_view text) {
  Complaints out;
  if (text.size() > kMaxDns1123Subdomain) out.push_back(too_long(kMaxDns1123Subdomain));
  if (text.empty() || !std::all_of(text.begin(), text.end(),
                                   [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; })) {
    out.push_back(with_regex("a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
                             "[-._a-zA-Z0-9]+", {"key.name", "KEY_NAME", "key-name"}));
  }
  if (text == ".") {
    out.emplace_back("must not be '.'");
  } else if (text == "..") {
    out.emplace_back("must not be '..'");
  } else if (text.starts_with("..")) {
    out.emplace_back("must not start with '..'");
  }
  return out;
}

Complaints check_env_var_name(std::string_view text) {
  const bool good = !text.empty() && std::all_of(text.begin(), text.end(),
                                                 [](char c) { return c >= ' ' && c <= '~' && c != '='; });
  if (good) return {};
  return {"a valid environment variable name must consist only of printable ASCII characters other than '='"};
}

Complaints check_path_segment_name(std::string_view text) {
  if (text == "." || text == "..") return {fmt::format("may not be '{}'", text)};
  Complaints out;
  for (const char c : {'/', '%'}) {
    if (text.find(c) != std::string_view::npos) out.push_back(fmt::format("may not contain '{}'", c));
  }
  return out;
}

bool is_ipv4(std::string_view text) {
  in_addr address;
  return inet_pton(AF_INET, std::string(text).c_str(), &address) == 1;
}

bool is_ipv6(std::string_view text) {
  in6_addr address;
  return inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

Complaints check_ip(std::string_view text) {
  if (is_ipv4(text) || is_ipv6(text)) return {};
  return {"must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"};
}

Complaints check_cidr(std::string_view text) {
  const Complaints wrong{"must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"};
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return wrong;
  const auto address = text.substr(0, slash);
  const auto bits = text.substr(slash + 1);
  unsigned length = 0;
  const auto [end, error] = std::from_chars(bits.data(), bits.data() + bits.size(), length);
  if (error != std::errc() || end != bits.data() + bits.size()) return wrong;
  if (is_ipv4(address) && length <= 32) return {};
  if (is_ipv6(address) && length <= 128) return {};
  return wrong;
}

}  // namespace cloudless::schema

#include "bootstrap/token.hpp"

#include <algorithm>
#include <array>

#include "base/strings.hpp"

namespace cloudless::bootstrap {

using api::core::v1::Secret;
using runtime::Task;

namespace {

constexpr size_t kIdLength = 6;
constexpr size_t kSecretLength = 16;
constexpr std::string_view kAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kUsagePrefix = "usage-bootstrap-";
constexpr std::array<std::string_view, 2> kUsages{"authentication", "signing"};

bool is_token_text(std::string_view text, size_t length) {
  return text.size() == length && text.find_first_not_of(kAlphabet) == std::string_view::npos;
}

std::string data_of(const Secret& secret, const std::string& key) {
  const auto at = secret.data.find(key);
  return at == secret.data.end() ? std::string() : at->second;
}

std::string time_left(const BootstrapTokenSpec& token, WallTime now) {
  if (!token.expires) return "<forever>";
  const auto left = *token.expires - now;
  if (left <= Duration(0)) return "<invalid>";
  // As kubectl's ages: the largest unit.
  const auto hours = std::chrono::floor<std::chrono::hours>(left).count();
  if (hours >= 48) return fmt::format("{}d", hours / 24);
  if (hours >= 1) return fmt::format("{}h", hours);
  const auto minutes = std::chrono::floor<std::chrono::minutes>(left).count();
  return minutes >= 1 ? fmt::format("{}m", minutes)
                      : fmt::format("{}s", std::chrono::floor<std::chrono::seconds>(left).count());
}

std::string or_none(std::string text) { return text.empty() ? "<none>" : text; }

// Columns as wide as their widest cell and three blanks, as kubectl's printer pads them.
std::string pad_columns(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    for (size_t i = 0; i + 1 < row.size(); ++i) out += fmt::format("{:<{}}", row[i], widths[i] + 3);
    out += row.back() + "\n";
  }
  return out;
}

}  // namespace

BootstrapTokenId BootstrapTokenId::generate(Random& random) {
  return {random.text(kIdLength, kAlphabet), random.text(kSecretLength, kAlphabet)};
}

std::optional<BootstrapTokenId> BootstrapTokenId::parse(std::string_view text) {
  const size_t dot = text.find('.');
  if (dot == std::string_view::npos || !is_token_text(text.substr(0, dot), kIdLength) ||
      !is_token_text(text.substr(dot + 1), kSecretLength)) {
    return std::nullopt;
  }
  return BootstrapTokenId{std::string(text.substr(0, dot)), std::string(text.substr(dot + 1))};
}

bool BootstrapTokenSpec::is_for(std::string_view usage) const {
  return std::ranges::find(usages, usage) != usages.end();
}

Result<Secret> to_secret(const BootstrapTokenSpec& spec) {
  Secret secret;
  secret.metadata.name = fmt::format("{}{}", kTokenSecretPrefix, spec.token.id);
  secret.metadata.namespace_ = kTokenNamespace;
  secret.type = kTokenSecretType;
  secret.data = {{"token-id", spec.token.id}, {"token-secret", spec.token.secret}};
  if (!spec.description.empty()) secret.data["description"] = spec.description;
  if (spec.expires) secret.data["expiration"] = format_rfc3339(*spec.expires);
  for (const std::string& usage : spec.usages) {
    if (std::ranges::find(kUsages, usage) == kUsages.end())
      return fail(Code::kInvalid, "invalid bootstrap token usage string: {}, valid usage options: {}",
                  quote(usage), join(kUsages, ", "));
    secret.data[fmt::format("{}{}", kUsagePrefix, usage)] = "true";
  }
  for (const std::string& group : spec.groups) {
    if (!group.starts_with("system:bootstrappers:"))
      return fail(Code::kInvalid,
                  "bootstrap group {} is invalid (must match \\Asystem:bootstrappers:[a-z0-9:-]{{0,255}}"
                  "[a-z0-9]\\z)",
                  quote(group));
  }
  if (!spec.groups.empty()) secret.data["auth-extra-groups"] = join(spec.groups, ",");
  return secret;
}

Result<BootstrapTokenSpec> from_secret(const Secret& secret) {
  auto token = BootstrapTokenId::parse(data_of(secret, "token-id") + "." + data_of(secret, "token-secret"));
  if (!token || secret.metadata.name != fmt::format("{}{}", kTokenSecretPrefix, token->id))
    return fail(Code::kInvalid, "Secret {} holds no bootstrap token", secret.metadata.name);
  BootstrapTokenSpec spec{.token = std::move(*token), .description = data_of(secret, "description")};
  spec.usages.clear();
  spec.groups.clear();
  for (const std::string_view usage : kUsages) {
    if (data_of(secret, fmt::format("{}{}", kUsagePrefix, usage)) == "true") spec.usages.emplace_back(usage);
  }
  const std::string groups = data_of(secret, "auth-extra-groups");
  if (!groups.empty()) {
    for (const std::string_view group : split(groups, ',')) spec.groups.emplace_back(group);
  }
  const std::string expiration = data_of(secret, "expiration");
  if (!expiration.empty()) spec.expires = TRY(parse_rfc3339(expiration));
  return spec;
}

std::string token_table(std::vector<BootstrapTokenSpec> tokens, WallTime now) {
  std::ranges::sort(tokens, {}, [](const auto& token) { return token.token.id; });
  std::vector<std::vector<std::string>> rows{
      {"TOKEN", "TTL", "EXPIRES", "USAGES", "DESCRIPTION", "EXTRA GROUPS"}};
  for (const BootstrapTokenSpec& token : tokens) {
    rows.push_back({token.token.text(), time_left(token, now),
                    token.expires ? format_rfc3339(*token.expires) : "<never>",
                    or_none(join(token.usages, ",")), or_none(token.description),
                    or_none(join(token.groups, ","))});
  }
  return pad_columns(rows);
}

Task<Result<>> create_token(const client::Client& client, BootstrapTokenSpec spec) {
  const Secret secret = CO_TRY(to_secret(spec));
  CO_TRY(co_await client.create(secret));
  co_return Result<>();
}

Task<Result<std::vector<BootstrapTokenSpec>>> list_tokens(const client::Client& client) {
  client::ListOptions only_tokens;
  only_tokens.field_selector = fmt::format("type={}", kTokenSecretType);
  const auto secrets = CO_TRY(co_await client.list<Secret>(std::string(kTokenNamespace), only_tokens));
  std::vector<BootstrapTokenSpec> tokens;
  for (const Secret& secret : secrets.items) {
    if (auto token = from_secret(secret)) tokens.push_back(std::move(*token));
  }
  co_return tokens;
}

Task<Result<>> delete_token(const client::Client& client, std::string token) {
  const auto whole = BootstrapTokenId::parse(token);
  const std::string id = whole ? whole->id : token;
  if (!is_token_text(id, kIdLength))
    co_return fail(Code::kInvalid,
                   "given token or token id {} didn't match pattern [a-z0-9]{{6}} or [a-z0-9]{{6}}."
                   "[a-z0-9]{{16}}",
                   quote(id));
  co_return co_await client.remove<Secret>(std::string(kTokenNamespace),
                                           fmt::format("{}{}", kTokenSecretPrefix, id));
}

}  // namespace cloudless::bootstrap

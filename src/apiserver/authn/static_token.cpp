#include "apiserver/authn/static_token.hpp"

#include "base/strings.hpp"

namespace cloudless::apiserver::authn {

namespace {

constexpr size_t kColumns = 3;  // token, user, uid; groups may follow

// The columns of one line (RFC 4180): a column in quotes may hold commas, and a quote that is doubled.
std::vector<std::string> columns_of(std::string_view line) {
  std::vector<std::string> columns(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char letter = line[i];
    if (letter == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      columns.back() += line[++i];
    } else if (letter == '"') {
      quoted = !quoted;
    } else if (letter == ',' && !quoted) {
      columns.emplace_back();
    } else {
      columns.back() += letter;
    }
  }
  return columns;
}

UserInfo user_of(const std::vector<std::string>& columns) {
  UserInfo user{.name = columns[1], .uid = columns[2]};
  if (columns.size() == kColumns) return user;
  for (const std::string_view group : split(columns[kColumns], ',')) {
    if (!trim(group).empty()) user.groups.emplace_back(trim(group));
  }
  return user;
}

}  // namespace

Result<std::map<std::string, UserInfo>> parse_token_file(std::string_view text) {
  std::map<std::string, UserInfo> users;
  size_t number = 0;
  for (const std::string_view raw : split(text, '\n')) {
    ++number;
    const std::string_view line = trim(raw);
    if (line.empty() || line.starts_with('#')) continue;
    const std::vector<std::string> columns = columns_of(line);
    if (columns.size() < kColumns) {
      return fail(Code::kInvalid,
                  "line {}: must have at least 3 columns (token, user name, user uid), found {}", number,
                  columns.size());
    }
    if (columns.front().empty()) return fail(Code::kInvalid, "line {}: empty token", number);
    users.emplace(columns.front(), user_of(columns));
  }
  return users;
}

runtime::Task<Result<std::optional<TokenUser>>> StaticTokenAuthenticator::authenticate_token(
    std::string_view token, const std::vector<std::string>&) {
  const auto found = users_.find(std::string(token));
  if (found == users_.end()) co_return std::nullopt;
  co_return TokenUser{.user = found->second, .audiences = {}};
}

}  // namespace cloudless::apiserver::authn

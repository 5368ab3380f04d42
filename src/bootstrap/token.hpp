// Bootstrap tokens from the side of who makes them: their text, their Secrets, and `token
// create|list|delete`.
//
// A token is "<id>.<secret>", [a-z0-9]{6}.[a-z0-9]{16}. Its Secret is kube-system/bootstrap-token-<id>. The
// secret part never goes into a log.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/core_v1.hpp"
#include "base/clock.hpp"
#include "base/random.hpp"
#include "client/client.hpp"

namespace cloudless::bootstrap {

inline constexpr std::chrono::hours kDefaultTokenLifetime{24};
inline constexpr std::string_view kDefaultNodeTokenGroup = "system:bootstrappers:kubeadm:default-node-token";
inline constexpr std::string_view kTokenSecretType = "bootstrap.kubernetes.io/token";
inline constexpr std::string_view kTokenNamespace = "kube-system";
inline constexpr std::string_view kTokenSecretPrefix = "bootstrap-token-";

struct BootstrapTokenId {
  std::string id;
  std::string secret;

  static BootstrapTokenId generate(Random& random);
  /// Nothing where the text is no token.
  static std::optional<BootstrapTokenId> parse(std::string_view text);
  std::string text() const { return id + "." + secret; }
};

struct BootstrapTokenSpec {
  BootstrapTokenId token;
  std::string description;
  std::optional<WallTime> expires;  // unset: never
  std::vector<std::string> usages{"signing", "authentication"};
  std::vector<std::string> groups{std::string(kDefaultNodeTokenGroup)};

  bool is_for(std::string_view usage) const;
};

/// kInvalid for an unknown usage or a group outside system:bootstrappers:.
Result<api::core::v1::Secret> to_secret(const BootstrapTokenSpec& spec);
/// kInvalid where the Secret holds no whole token.
Result<BootstrapTokenSpec> from_secret(const api::core::v1::Secret& secret);

/// `token list` as kubeadm prints it; tokens in order of their ids.
std::string token_table(std::vector<BootstrapTokenSpec> tokens, WallTime now);

runtime::Task<Result<>> create_token(const client::Client& client, BootstrapTokenSpec spec);
/// Secrets that hold no token are left out.
runtime::Task<Result<std::vector<BootstrapTokenSpec>>> list_tokens(const client::Client& client);
/// `token`: an id or a whole token.
runtime::Task<Result<>> delete_token(const client::Client& client, std::string token);

}  // namespace cloudless::bootstrap

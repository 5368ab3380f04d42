#include "apiserver/encryption/encryption.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace cloudless::apiserver::encryption {

namespace {

constexpr std::string_view kAnyPrefix = "k8s:enc:";

std::string prefix_of(const Provider& provider) {
  return fmt::format("{}{}:v1:{}:", kAnyPrefix, name_of(provider.cipher), provider.name);
}

bool is_identity(const Provider& provider) { return provider.cipher == Cipher::kIdentity; }

// What lies at `key`: "secrets", "widgets.example.com". Custom resources stand below their group, which has a
// dot.
std::string resource_of(std::string_view key, std::string_view root) {
  if (!key.starts_with(root)) return {};
  key.remove_prefix(root.size());
  if (key.starts_with('/')) key.remove_prefix(1);
  const auto parts = split(key, '/');
  if (parts.size() < 2) return {};
  if (parts[0].find('.') != std::string_view::npos) return fmt::format("{}.{}", parts[1], parts[0]);
  if (parts[0] == "services") return parts[1] == "specs" ? "services" : "endpoints";
  return std::string(parts[0] == "minions" ? "nodes" : parts[0]);
}

bool matches(const std::string& pattern, const std::string& resource) {
  const size_t dot = resource.find('.');
  if (dot == std::string::npos) return pattern == "*.*" || pattern.substr(0, pattern.find('.')) == resource;
  return pattern == "*.*" || pattern == resource || pattern == "*" + resource.substr(dot);
}

}  // namespace

Encryption::Encryption(Configuration configuration, std::string root)
    : configuration_(std::move(configuration)), root_(std::move(root)) {}

const ResourceRule* Encryption::rule_for(std::string_view key) const {
  const std::string resource = resource_of(key, root_);
  const auto names = [&](const ResourceRule& rule) {
    return std::ranges::any_of(rule.resources,
                               [&](const auto& pattern) { return matches(pattern, resource); });
  };
  const auto at = std::ranges::find_if(configuration_.rules, names);
  return resource.empty() || at == configuration_.rules.end() ? nullptr : &*at;
}

Result<std::string> Encryption::to_storage(std::string_view key, std::string value) {
  const ResourceRule* rule = rule_for(key);
  if (!rule || is_identity(rule->providers.front())) return value;
  const Provider& provider = rule->providers.front();
  return prefix_of(provider) + TRY(seal(provider.cipher, provider.secret, key, value));
}

Result<ValueTransformer::Plain> Encryption::from_storage(std::string_view key, std::string stored) {
  const ResourceRule* rule = rule_for(key);
  if (!stored.starts_with(kAnyPrefix)) {
    const bool to_be_encrypted = rule && !is_identity(rule->providers.front());
    return Plain{std::move(stored), to_be_encrypted};
  }
  if (!rule)
    return fail(Code::kDataLoss, "the value at {} is encrypted and the configuration does not name it", key);
  for (size_t i = 0; i < rule->providers.size(); ++i) {
    const Provider& provider = rule->providers[i];
    const std::string prefix = prefix_of(provider);
    if (is_identity(provider) || !stored.starts_with(prefix)) continue;
    auto plain =
        open_sealed(provider.cipher, provider.secret, key, std::string_view(stored).substr(prefix.size()));
    if (!plain) return wrap(plain.error(), "decrypt the value at {} with key {}", key, quote(provider.name));
    return Plain{std::move(*plain), i != 0};
  }
  return fail(Code::kDataLoss,
              "no matching key was found for the value at {}: put the key that wrote it back into the "
              "encryption configuration",
              key);
}

}  // namespace cloudless::apiserver::encryption

#include "apiserver/encryption/encryption.hpp"
#include "apiserver/json_fields.hpp"
#include "base/encoding.hpp"
#include "base/files.hpp"
#include "base/strings.hpp"
#include "schema/yaml.hpp"

namespace cloudless::apiserver::encryption {

namespace {

constexpr mode_t kSecretMode = 0600;
constexpr size_t kSecretBytes = 32;

Result<Provider> read_key(Cipher cipher, const json::object& key) {
  Provider provider{.cipher = cipher, .name = std::string(text_at(key, {"name"})), .secret = {}};
  if (provider.name.empty() || provider.name.find(':') != std::string::npos)
    return fail(Code::kInvalid, "keys.name: Required value: a name without ':'");
  auto secret = base64_decode(text_at(key, {"secret"}));
  if (!secret) return fail(Code::kInvalid, "key {}: secret must be base64 encoded", quote(provider.name));
  if (!is_key_size(cipher, secret->size()))
    return fail(Code::kInvalid, "key {}: secret is not of the expected length, got {}, expected one of {}",
                quote(provider.name), secret->size(), cipher == Cipher::kSecretbox ? "[32]" : "[16 24 32]");
  provider.secret = std::move(*secret);
  return provider;
}

Result<> read_provider(const json::object& provider, std::vector<Provider>& out) {
  if (provider.contains("identity")) {
    out.push_back({.cipher = Cipher::kIdentity, .name = {}, .secret = {}});
    return {};
  }
  for (const Cipher cipher : {Cipher::kAesGcm, Cipher::kAesCbc, Cipher::kSecretbox}) {
    const json::object* settings = object_at(provider, {name_of(cipher)});
    if (!settings) continue;
    const json::array& keys = array_at(*settings, {"keys"});
    if (keys.empty()) return fail(Code::kInvalid, "providers.{}.keys: Required value", name_of(cipher));
    for (const json::value& key : keys) {
      if (!key.is_object())
        return fail(Code::kInvalid, "providers.{}.keys: a key is an object", name_of(cipher));
      out.push_back(TRY(read_key(cipher, key.get_object())));
    }
    return {};
  }
  return fail(Code::kUnimplemented,
              "the provider {} is not supported: aesgcm, aescbc, secretbox and identity are",
              provider.empty() ? "without a name" : quote(provider.begin()->key()));
}

Result<ResourceRule> read_rule(const json::object& item) {
  ResourceRule rule;
  for (const json::value& resource : array_at(item, {"resources"})) {
    if (resource.is_string()) rule.resources.emplace_back(resource.get_string());
  }
  for (const json::value& provider : array_at(item, {"providers"})) {
    if (provider.is_object()) TRY(read_provider(provider.get_object(), rule.providers));
  }
  if (rule.resources.empty()) return fail(Code::kInvalid, "resources.resources: Required value");
  if (rule.providers.empty()) return fail(Code::kInvalid, "resources.providers: Required value");
  return rule;
}

}  // namespace

Result<Configuration> parse_configuration(std::string_view text) {
  const json::value parsed = TRY(schema::parse_yaml(text));
  const json::object* object = parsed.if_object();
  if (!object || text_at(*object, {"kind"}) != "EncryptionConfiguration" ||
      text_at(*object, {"apiVersion"}) != "apiserver.config.k8s.io/v1") {
    return fail(Code::kInvalid, "not an EncryptionConfiguration of apiserver.config.k8s.io/v1");
  }
  Configuration configuration;
  for (const json::value& item : array_at(*object, {"resources"})) {
    if (!item.is_object()) return fail(Code::kInvalid, "resources: an item is an object");
    configuration.rules.push_back(TRY(read_rule(item.get_object())));
  }
  if (configuration.rules.empty()) return fail(Code::kInvalid, "resources: Required value");
  return configuration;
}

std::string make_configuration(std::string_view key_name, std::string_view secret) {
  return fmt::format(
      "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources:\n  - "
      "secrets\n"
      "  providers:\n  - aesgcm:\n      keys:\n      - name: {}\n        secret: {}\n  - identity: {{}}\n",
      key_name, base64_encode(secret));
}

Result<Configuration> load_or_make_configuration(const std::string& path, Random& random) {
  auto text = read_file(path);
  if (!text && text.error().code == Code::kNotFound) {
    text = make_configuration("key1", random.bytes(kSecretBytes));
    TRY(write_file(path, *text, kSecretMode));
  }
  if (!text) return std::unexpected(text.error());
  auto configuration = parse_configuration(*text);
  if (!configuration) return wrap(configuration.error(), "read {}", path);
  return configuration;
}

}  // namespace cloudless::apiserver::encryption

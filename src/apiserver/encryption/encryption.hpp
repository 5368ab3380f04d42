// Encryption at rest: values of chosen resources (Secrets, by default) are kept encrypted in the store. The
// store's own name of a value is authenticated with it by AES-GCM, so that no value can be put in another's
// place.
//
// A stored value is upstream's byte for byte, so that a store may move between kube-apiserver and this
// program:
//
//     k8s:enc:<cipher>:v1:<key name>:  what the cipher makes of it (cipher.hpp)
//
// Reading takes any key that the configuration lists; writing takes the first. A value of another key than
// the first is stale: the next update rewrites it. That is how keys rotate. A value without a prefix is
// plain: written before encryption was on.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apiserver/encryption/cipher.hpp"
#include "apiserver/pipeline.hpp"
#include "base/random.hpp"
#include "base/result.hpp"

namespace cloudless::apiserver::encryption {

/// A key, or `identity`, which keeps values as they are.
struct Provider {
  Cipher cipher = Cipher::kAesGcm;
  std::string name;  // of the key; empty for identity
  std::string secret;
};

struct ResourceRule {
  /// "secrets", "widgets.example.com", "*.example.com", "*.*". Built-in resources lie in the store without
  /// their group: for them the group of a pattern is not compared.
  std::vector<std::string> resources;
  std::vector<Provider> providers;  // the first writes
};

struct Configuration {
  std::vector<ResourceRule> rules;  // the first that names a resource counts
};

/// apiserver.config.k8s.io/v1 EncryptionConfiguration as YAML or JSON, with providers aesgcm, aescbc,
/// secretbox and identity. kms is refused by name.
Result<Configuration> parse_configuration(std::string_view text);

/// The text of a configuration with one key for Secrets, and identity behind it for what is there already.
/// Holds the key: for a file of mode 0600 alone.
std::string make_configuration(std::string_view key_name, std::string_view secret);

/// The configuration at `path`, made with a random 32-byte key where there is none. Blocking.
Result<Configuration> load_or_make_configuration(const std::string& path, Random& random);

class Encryption final : public ValueTransformer {
 public:
  /// `root`: what all keys of the store begin with ("/registry").
  Encryption(Configuration configuration, std::string root);

  Result<std::string> to_storage(std::string_view key, std::string value) override;
  Result<Plain> from_storage(std::string_view key, std::string stored) override;

 private:
  const ResourceRule* rule_for(std::string_view key) const;

  const Configuration configuration_;
  const std::string root_;
};

}  // namespace cloudless::apiserver::encryption

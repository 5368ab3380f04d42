// Service account tokens: JWTs that the API server signs for pods and people, bound to objects whose deletion
// ends them (KEP-1205, KEP-2799; pkg/serviceaccount of kubernetes/kubernetes).
//
// A token holds while its signature, issuer, audience and time hold and its service account, and the pod,
// secret or node that it is bound to, exist with the uids in it. Tokens of
// kubernetes.io/service-account-token Secrets (issuer "kubernetes/serviceaccount", no expiry) hold while
// their Secret has them and is not marked kubernetes.io/legacy-token-invalid-since; a label tells the day of
// their last use.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apiserver/authn/token.hpp"
#include "base/clock.hpp"
#include "base/random.hpp"
#include "pki/key.hpp"

namespace cloudless::apiserver::authn {

inline constexpr std::string_view kLegacyIssuer = "kubernetes/serviceaccount";
/// Clocks may differ by this much.
inline constexpr std::chrono::minutes kTokenLeeway{1};
/// How long a token outlives the deletion mark of what it is bound to.
inline constexpr std::chrono::seconds kDeletionGrace{60};
inline constexpr std::chrono::minutes kMinTokenLifetime{10};
inline constexpr std::chrono::seconds kDefaultTokenLifetime{3600};
/// The lifetime that the kubelet asks for on behalf of kube-api-access volumes. Such tokens live for
/// kExtendedTokenLifetime, for clients that read the file once; after the asked time their use is a warning.
inline constexpr std::chrono::seconds kWarnOnlyTokenLifetime{3607};
inline constexpr std::chrono::hours kExtendedTokenLifetime{24 * 365};

struct ServiceAccountOptions {
  /// The first signs; all are accepted. kubeadm's is https://kubernetes.default.svc.cluster.local.
  std::vector<std::string> issuers;
  std::vector<std::string> api_audiences;  // empty: the issuers
  /// Keys that verify; the signing key's public half is among them.
  std::vector<pki::PublicKey> keys;
  bool extend_expiration = true;
  /// The longest life that a token may ask for; zero: no limit. Longer is cut short.
  Duration max_expiration{0};

  const std::vector<std::string>& audiences() const {
    return api_audiences.empty() ? issuers : api_audiences;
  }
};

/// An object that a token is bound to.
struct BoundObject {
  std::string name;
  std::string uid;
};

/// What a token says. `secret` also for tokens of Secrets.
struct ServiceAccountClaims {
  std::string issuer;
  std::string subject;
  std::vector<std::string> audiences;
  std::string id;  // jti
  WallTime issued_at;
  WallTime not_before;
  std::optional<WallTime> expires;
  std::optional<WallTime> warn_after;
  std::string namespace_;
  BoundObject account;
  std::optional<BoundObject> pod;
  std::optional<BoundObject> secret;
  std::optional<BoundObject> node;
};

std::string encode_claims(const ServiceAccountClaims& claims);
/// kInvalid for a payload that is no JSON object or lacks what every token has.
Result<ServiceAccountClaims> decode_claims(std::string_view payload);
/// Whether the token's time is now.
Result<> check_time(const ServiceAccountClaims& claims, WallTime now);

class ServiceAccountAuthenticator final : public TokenAuthenticator {
 public:
  ServiceAccountAuthenticator(ServiceAccountOptions options, Objects& objects, const Clock& clock)
      : options_(std::move(options)), objects_(objects), clock_(clock) {}
  runtime::Task<Result<std::optional<TokenUser>>> authenticate_token(
      std::string_view token, const std::vector<std::string>& audiences) override;

 private:
  runtime::Task<Result<UserInfo>> check_objects(const ServiceAccountClaims& claims, std::string_view token);

  const ServiceAccountOptions options_;
  Objects& objects_;
  const Clock& clock_;
};

/// serviceaccounts/token: signs what a TokenRequest asks for.
class TokenIssuer final : public VirtualResource {
 public:
  TokenIssuer(ServiceAccountOptions options, pki::PrivateKey signing_key, Objects& objects,
              const Clock& clock, Random& random)
      : options_(std::move(options)),
        key_(std::move(signing_key)),
        objects_(objects),
        clock_(clock),
        random_(random) {}
  runtime::Task<ApiResult<boost::json::object>> create(const CreateContext& context,
                                                       boost::json::object object) override;

 private:
  const ServiceAccountOptions options_;
  const pki::PrivateKey key_;
  Objects& objects_;
  const Clock& clock_;
  Random& random_;
};

/// The token that belongs into a kubernetes.io/service-account-token Secret.
Result<std::string> legacy_token(const pki::PrivateKey& key, std::string_view namespace_,
                                 std::string_view secret_name, const BoundObject& account);

/// /openid/v1/jwks: the keys as a JSON Web Key Set (media type application/jwk-set+json).
std::string jwks_document(const std::vector<pki::PublicKey>& keys);
/// /.well-known/openid-configuration of OIDC discovery; nothing where the issuer is no https URL.
std::optional<std::string> openid_configuration(const ServiceAccountOptions& options);

}  // namespace cloudless::apiserver::authn

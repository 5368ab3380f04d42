// Identity: everything that knows who asks and what they may, put together: authenticators, impersonation,
// authorizers, admission, reviews, and the documents of the token issuer. It uses the server's objects, and
// the server uses it:
//
//     ApiServer server(...);
//     Identity identity(options, server.objects(), clock, random, log);
//     server.set_pipeline(identity.pipeline());
//     co_await server.start();
//     co_await identity.bootstrap();     // default roles, bindings and priority classes
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apiserver/admission/chain.hpp"
#include "apiserver/authn/request_header.hpp"
#include "apiserver/server.hpp"
#include "pki/key.hpp"

namespace cloudless::apiserver {

enum class Anonymous { kRefused, kAllowed };
enum class BootstrapTokens { kRefused, kAccepted };
/// Upstream's --authorization-mode. system:masters may do everything in each of them.
enum class AuthorizationMode { kAlwaysAllow, kAlwaysDeny, kNode, kRbac };

struct IdentityOptions {
  /// The first signs; all are accepted.
  std::vector<std::string> issuers{"https://kubernetes.default.svc.cluster.local"};
  std::vector<std::string> api_audiences;  // empty: the issuers
  /// sa.key. Required.
  std::optional<pki::PrivateKey> signing_key;
  /// Further keys that service account tokens may be signed with (--service-account-key-file).
  std::vector<pki::PublicKey> verification_keys;
  /// Whether requests without a credential are system:anonymous, for RBAC to judge, as kubeadm leaves it.
  Anonymous anonymous = Anonymous::kAllowed;
  BootstrapTokens bootstrap_tokens = BootstrapTokens::kAccepted;
  /// Users by tokens that never expire (--token-auth-file).
  std::map<std::string, UserInfo> static_tokens;
  /// Proxies that speak for their users. Where there are any, `client_ca` tells users' certificates from
  /// theirs, as the listener verifies both.
  authn::RequestHeaderOptions request_header;
  std::vector<pki::Certificate> client_ca;
  /// Asked in this order.
  std::vector<AuthorizationMode> authorization{AuthorizationMode::kNode, AuthorizationMode::kRbac};
  admission::ChainOptions admission;
  /// The longest life that a service account token may ask for; zero: no limit.
  Duration max_token_life{0};
  /// Whether tokens for pods outlive what they ask for (authn/service_account.hpp).
  bool extend_token_life = true;
};

class Identity {
 public:
  /// All references outlive it.
  Identity(IdentityOptions options, Objects& objects, const Clock& clock, Random& random, Logger log);
  ~Identity();

  /// Everything but `auditor` and `nodes`. It shares what it points to with this object, which outlives the
  /// server's last request.
  Pipeline pipeline() const;
  /// After the server has started: makes what is missing of RBAC's defaults and the system's priority
  /// classes.
  runtime::Task<Result<>> bootstrap();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cloudless::apiserver

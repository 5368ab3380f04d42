#include "apiserver/identity.hpp"

#include <boost/json.hpp>

#include <cassert>

#include "apiserver/admission/chain.hpp"
#include "apiserver/admission/priority.hpp"
#include "apiserver/authn/bootstrap_token.hpp"
#include "apiserver/authn/certificate.hpp"
#include "apiserver/authn/impersonation.hpp"
#include "apiserver/authn/service_account.hpp"
#include "apiserver/authn/static_token.hpp"
#include "apiserver/authz/access_review.hpp"
#include "apiserver/authz/bootstrap_policy.hpp"
#include "apiserver/authz/node_authorizer.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

constexpr int kOk = 200;

Task<void> serve_document(SharedBytes body, std::string media_type, net::ResponseWriter& response) {
  net::Headers headers{{"Content-Type", media_type}, {"Cache-Control", "public, max-age=3600"}};
  // A peer that has gone needs no answer.
  (void)co_await response.respond(kOk, std::move(headers), {body});
}

net::Handler document(std::string body, std::string media_type) {
  return [bytes = share(std::move(body)), media_type = std::move(media_type)](net::Request,
                                                                              net::ResponseWriter& response) {
    return serve_document(bytes, media_type, response);
  };
}

authn::ServiceAccountOptions token_options(const IdentityOptions& options) {
  authn::ServiceAccountOptions out{.issuers = options.issuers,
                                   .api_audiences = options.api_audiences,
                                   .extend_expiration = options.extend_token_life,
                                   .max_expiration = options.max_token_life};
  out.keys.push_back(options.signing_key->public_key());
  out.keys.insert(out.keys.end(), options.verification_keys.begin(), options.verification_keys.end());
  return out;
}

std::vector<std::shared_ptr<authn::TokenAuthenticator>> token_kinds(
    const IdentityOptions& options, const authn::ServiceAccountOptions& accounts, Objects& objects,
    const Clock& clock) {
  std::vector<std::shared_ptr<authn::TokenAuthenticator>> kinds{
      std::make_shared<authn::ServiceAccountAuthenticator>(accounts, objects, clock)};
  if (options.bootstrap_tokens == BootstrapTokens::kAccepted)
    kinds.push_back(std::make_shared<authn::BootstrapTokenAuthenticator>(objects, clock));
  if (!options.static_tokens.empty())
    kinds.push_back(std::make_shared<authn::StaticTokenAuthenticator>(options.static_tokens));
  return kinds;
}

std::vector<std::shared_ptr<Authorizer>> authorizers_of(const IdentityOptions& options, Objects& objects,
                                                        authz::RbacIndexCache& rbac) {
  std::vector<std::shared_ptr<Authorizer>> out{std::make_shared<authz::PrivilegedGroupAuthorizer>()};
  for (const AuthorizationMode mode : options.authorization) {
    switch (mode) {
      case AuthorizationMode::kAlwaysAllow:
        out.push_back(std::make_shared<authz::AlwaysAuthorizer>(Decision::Kind::kAllow));
        break;
      case AuthorizationMode::kAlwaysDeny:
        out.push_back(std::make_shared<authz::AlwaysAuthorizer>(Decision::Kind::kNoOpinion));
        break;
      case AuthorizationMode::kNode:
        out.push_back(std::make_shared<authz::NodeAuthorizer>(objects, authz::node_rules()));
        break;
      case AuthorizationMode::kRbac:
        out.push_back(std::make_shared<authz::RbacAuthorizer>(rbac));
        break;
    }
  }
  return out;
}

// Whoever knows the caller says who it is. Where nobody does, a credential that was refused ends the request:
// it is not anonymous (union.New and union.NewFailOnError of k8s.io/apiserver).
class AnyAuthenticator final : public Authenticator {
 public:
  explicit AnyAuthenticator(std::vector<std::shared_ptr<Authenticator>> kinds) : kinds_(std::move(kinds)) {}
  Task<Result<std::optional<UserInfo>>> authenticate(const net::Request& request) override {
    std::optional<Error> refusal;
    for (const auto& kind : kinds_) {
      Result<std::optional<UserInfo>> user = co_await kind->authenticate(request);
      if (user && *user) co_return user;
      if (!user && !refusal) refusal = user.error();
    }
    if (refusal) co_return std::unexpected(*refusal);
    co_return std::nullopt;
  }

 private:
  const std::vector<std::shared_ptr<Authenticator>> kinds_;
};

// A virtual resource behind those admission plugins that look at its creation.
class AdmittedResource final : public VirtualResource {
 public:
  AdmittedResource(std::shared_ptr<VirtualResource> inner,
                   std::vector<std::shared_ptr<AdmissionPlugin>> plugins, GroupResource resource,
                   std::string subresource)
      : inner_(std::move(inner)),
        plugins_(std::move(plugins)),
        resource_(std::move(resource)),
        subresource_(std::move(subresource)) {}

  Task<ApiResult<boost::json::object>> create(const CreateContext& context,
                                              boost::json::object object) override {
    std::vector<std::string> warnings;
    std::map<std::string, std::string> annotations;
    AdmissionRequest request{.operation = Operation::kCreate,
                             .group = resource_.group,
                             .version = "v1",
                             .resource = resource_.resource,
                             .subresource = subresource_,
                             .namespace_ = context.namespace_,
                             .name = context.name,
                             .user = context.user,
                             .dry_run = context.dry_run,
                             .object = &object,
                             .warnings = warnings,
                             .audit_annotations = annotations};
    for (const auto& plugin : plugins_) {
      if (plugin->handles(Operation::kCreate)) CO_TRY(co_await plugin->admit(request));
    }
    co_return co_await inner_->create(context, std::move(object));
  }

 private:
  const std::shared_ptr<VirtualResource> inner_;
  const std::vector<std::shared_ptr<AdmissionPlugin>> plugins_;
  const GroupResource resource_;
  const std::string subresource_;
};

}  // namespace

struct Identity::State {
  State(IdentityOptions given, Objects& server_objects, const Clock& server_clock, Random& server_random,
        Logger logger)
      : options(std::move(given)),
        objects(server_objects),
        clock(server_clock),
        random(server_random),
        log(std::move(logger)),
        accounts(token_options(options)),
        tokens(std::make_shared<authn::TokenChain>(token_kinds(options, accounts, objects, clock))),
        rbac(objects),
        authorizers(authorizers_of(options, objects, rbac)),
        authorizer(std::make_shared<authz::AuthorizerChain>(authorizers)) {}

  const IdentityOptions options;
  Objects& objects;
  const Clock& clock;
  Random& random;
  const Logger log;
  const authn::ServiceAccountOptions accounts;
  const std::shared_ptr<authn::TokenAuthenticator> tokens;
  authz::RbacIndexCache rbac;
  const std::vector<std::shared_ptr<Authorizer>> authorizers;
  const std::shared_ptr<authz::AuthorizerChain> authorizer;
};

Identity::Identity(IdentityOptions options, Objects& objects, const Clock& clock, Random& random,
                   Logger log) {
  assert(options.signing_key && !options.issuers.empty());
  state_ = std::make_unique<State>(std::move(options), objects, clock, random, std::move(log));
}

Identity::~Identity() = default;

Pipeline Identity::pipeline() const {
  State& state = *state_;
  using About = authz::AccessReview::About;
  Pipeline out;
  std::vector<std::shared_ptr<Authenticator>> kinds = {std::make_shared<authn::InProcessAuthenticator>()};
  const authn::RequestHeaderOptions& proxies = state.options.request_header;
  if (!proxies.client_ca.empty())
    kinds.push_back(std::make_shared<authn::RequestHeaderAuthenticator>(proxies, state.clock));
  // Where proxies are believed the listener trusts their CA too, whose certificates are nobody's own.
  const std::vector<pki::Certificate>& users = state.options.client_ca;
  if (proxies.client_ca.empty()) {
    kinds.push_back(std::make_shared<authn::CertificateAuthenticator>(state.clock));
  } else if (!users.empty()) {
    kinds.push_back(std::make_shared<authn::CertificateAuthenticator>(state.clock, users));
  }
  kinds.push_back(std::make_shared<authn::BearerAuthenticator>(state.tokens, state.accounts.audiences()));
  out.authenticators = {std::make_shared<AnyAuthenticator>(std::move(kinds))};
  if (state.options.anonymous == Anonymous::kAllowed)
    out.authenticators.push_back(std::make_shared<authn::AnonymousAuthenticator>());
  out.impersonator = std::make_shared<authn::HeaderImpersonator>(*state.authorizer);
  out.authorizers = state.authorizers;
  out.admission = admission::default_chain({.objects = state.objects,
                                            .authorizer = *state.authorizer,
                                            .rbac = state.rbac,
                                            .clock = state.clock,
                                            .random = state.random},
                                           state.options.admission);
  const auto review = [&](About about) {
    return std::make_shared<authz::AccessReview>(about, *state.authorizer);
  };
  out.virtual_resources = {
      {"authentication.k8s.io/tokenreviews",
       std::make_shared<authn::TokenReview>(state.tokens, state.accounts.audiences())},
      {"authentication.k8s.io/selfsubjectreviews", std::make_shared<authn::SelfSubjectReview>(state.clock)},
      {"authorization.k8s.io/subjectaccessreviews", review(About::kSubject)},
      {"authorization.k8s.io/selfsubjectaccessreviews", review(About::kSelf)},
      {"authorization.k8s.io/localsubjectaccessreviews", review(About::kSubjectInNamespace)},
      {"authorization.k8s.io/selfsubjectrulesreviews", std::make_shared<authz::SelfRulesReview>(state.rbac)},
      {"/serviceaccounts/token",
       std::make_shared<AdmittedResource>(
           std::make_shared<authn::TokenIssuer>(state.accounts, *state.options.signing_key, state.objects,
                                                state.clock, state.random),
           out.admission, GroupResource{"", "serviceaccounts"}, "token")},
  };
  out.paths["/openid/v1/jwks"] =
      document(authn::jwks_document(state.accounts.keys), "application/jwk-set+json");
  if (const auto configuration = authn::openid_configuration(state.accounts))
    out.paths["/.well-known/openid-configuration"] = document(*configuration, "application/json");
  return out;
}

Task<Result<>> Identity::bootstrap() {
  const auto done = co_await authz::ensure_bootstrap_policy(state_->objects, state_->log);
  if (!done) co_return fail(Code::kUnavailable, "make the default roles: {}", done.error().message);
  for (boost::json::object& item : admission::system_priority_classes()) {
    const auto created =
        co_await state_->objects.create({"scheduling.k8s.io", "priorityclasses"}, std::move(item));
    // There since an earlier start.
    if (!created && created.error().code != 409)
      co_return fail(Code::kUnavailable, "make the system's priority classes: {}", created.error().message);
  }
  co_return Result<>();
}

}  // namespace cloudless::apiserver

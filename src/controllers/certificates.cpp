#include "controllers/certificates.hpp"

#include <algorithm>

#include "api/authorization_v1.hpp"
#include "base/ranges.hpp"
#include "controllers/support/conditions.hpp"

namespace cloudless::controllers {

using api::authorization::v1::SubjectAccessReview;
using api::certificates::v1::CertificateSigningRequestCondition;
using api::core::v1::Node;

namespace {

constexpr const char* kNodeUser = "system:node:";
constexpr const char* kNodeGroup = "system:nodes";
constexpr Duration kDecidedLife = std::chrono::hours(1);
constexpr Duration kPendingLife = std::chrono::hours(24);
constexpr Duration kLeastDuration = std::chrono::minutes(10);

bool has_only(const std::vector<std::string>& usages, const std::set<std::string>& required,
              const std::set<std::string>& optional) {
  const std::set<std::string> given(usages.begin(), usages.end());
  return std::ranges::includes(given, required) && std::ranges::all_of(given, [&](const std::string& usage) {
           return required.contains(usage) || optional.contains(usage);
         });
}

bool names_a_node(const pki::Subject& subject) {
  return subject.organizations == std::vector<std::string>{kNodeGroup} &&
         subject.common_name.starts_with(kNodeUser) &&
         subject.common_name.size() > std::string_view(kNodeUser).size();
}

bool is_client_request(const CertificateSigningRequest& request, const pki::CertificateRequest& parsed) {
  return names_a_node(parsed.subject()) && parsed.alt_names().empty() &&
         has_only(request.spec.usages, {"digital signature", "client auth"}, {"key encipherment"});
}

bool is_serving_request(const CertificateSigningRequest& request, const pki::CertificateRequest& parsed) {
  const pki::AltNames names = parsed.alt_names();
  const bool has_names = !names.dns.empty() || !names.ips.empty();
  return names_a_node(parsed.subject()) && has_names && names.emails.empty() && names.uris.empty() &&
         has_only(request.spec.usages, {"digital signature", "server auth"}, {"key encipherment"});
}

// What each signer signs (k8s.io/api/certificates, well-known signer names).
std::string refusal_of(const CertificateSigningRequest& request, const pki::CertificateRequest& parsed) {
  if (request.spec.signerName == kNodeClientSigner && !is_client_request(request, parsed)) {
    return "the request is not one for a node's client certificate";
  }
  if (request.spec.signerName == kNodeServingSigner) {
    if (!is_serving_request(request, parsed))
      return "the request is not one for a node's serving certificate";
    if (parsed.subject().common_name != request.spec.username)
      return "the node asks for another node's certificate";
  }
  if (request.spec.signerName == kApiClientSigner &&
      !has_only(request.spec.usages, {"client auth"}, {"digital signature", "key encipherment"})) {
    return "usages of a client certificate must be client auth, digital signature and key encipherment";
  }
  return {};
}

CertificateSigningRequestCondition condition_of(const char* type, const char* reason, std::string message,
                                                WallTime now) {
  CertificateSigningRequestCondition condition;
  condition.type = type;
  condition.status = "True";
  condition.reason = reason;
  condition.message = std::move(message);
  condition.lastUpdateTime = now;
  condition.lastTransitionTime = now;
  return condition;
}

// Upstream asks whether the requester may create certificatesigningrequests/nodeclient or /selfnodeclient.
runtime::Task<Result<bool>> is_allowed(const client::Client& client, const CertificateSigningRequest& request,
                                       std::string subresource) {
  SubjectAccessReview review;
  review.spec.user = request.spec.username;
  review.spec.uid = request.spec.uid;
  review.spec.groups = request.spec.groups;
  for (const auto& [name, values] : request.spec.extra) review.spec.extra[name] = values;
  auto& attributes = review.spec.resourceAttributes.emplace();
  attributes.group = "certificates.k8s.io";
  attributes.resource = "certificatesigningrequests";
  attributes.verb = "create";
  attributes.version = "*";
  attributes.subresource = std::move(subresource);
  const SubjectAccessReview answer = CO_TRY(co_await client.create(review));
  co_return answer.status.allowed;
}

runtime::Task<Result<Plan>> approve(const client::Client& client,
                                    std::shared_ptr<const CertificateSigningRequest> request,
                                    std::set<std::string> addresses, PlanContext context) {
  const auto parsed = pki::CertificateRequest::from_pem(request->spec.request);
  if (!parsed) co_return Plan();
  const NodeRequest kind = classify(*request, *parsed, addresses);
  if (kind == NodeRequest::kNone) co_return Plan();
  if (kind != NodeRequest::kServing) {
    const char* subresource = kind == NodeRequest::kRenewal ? "selfnodeclient" : "nodeclient";
    if (!CO_TRY(co_await is_allowed(client, *request, subresource))) co_return Plan();
  }
  co_return plan_approval(*request, kind, context);
}

runtime::Task<Result<Plan>> nothing() { co_return Plan(); }

}  // namespace

bool is_approved(const CertificateSigningRequest& request) {
  return is_true(request.status.conditions, "Approved");
}
bool is_denied(const CertificateSigningRequest& request) {
  return is_true(request.status.conditions, "Denied") || is_true(request.status.conditions, "Failed");
}

NodeRequest classify(const CertificateSigningRequest& request, const pki::CertificateRequest& parsed,
                     const std::set<std::string>& addresses) {
  if (request.spec.signerName == kNodeClientSigner && is_client_request(request, parsed)) {
    const bool self = parsed.subject().common_name == request.spec.username;
    return self ? NodeRequest::kRenewal : NodeRequest::kBootstrap;
  }
  if (request.spec.signerName != kNodeServingSigner || !is_serving_request(request, parsed))
    return NodeRequest::kNone;
  const pki::AltNames names = parsed.alt_names();
  const auto is_own = [&addresses](const std::string& name) { return addresses.contains(name); };
  const bool own = std::ranges::all_of(names.dns, is_own) && std::ranges::all_of(names.ips, is_own);
  const bool self =
      parsed.subject().common_name == request.spec.username && contains(request.spec.groups, kNodeGroup);
  return own && self ? NodeRequest::kServing : NodeRequest::kNone;
}

std::set<std::string> addresses_of_user(const client::ObjectCache<Node>& nodes, const std::string& user) {
  std::set<std::string> addresses;
  if (!user.starts_with(kNodeUser)) return addresses;
  const auto node = nodes.get(user.substr(std::string_view(kNodeUser).size()));
  if (!node) return addresses;
  addresses.insert(node->metadata.name);
  for (const auto& address : node->status.addresses) addresses.insert(address.address);
  return addresses;
}

Plan plan_approval(const CertificateSigningRequest& request, NodeRequest kind, const PlanContext& context) {
  Plan plan;
  const char* message = kind == NodeRequest::kRenewal
                            ? "Auto approving self kubelet client certificate after SubjectAccessReview."
                        : kind == NodeRequest::kServing
                            ? "Auto approving kubelet serving certificate for the node's own addresses."
                            : "Auto approving kubelet client certificate after SubjectAccessReview.";
  CertificateSigningRequest approved = request;
  approved.status.conditions.push_back(condition_of("Approved", "AutoApproved", message, context.now));
  plan.actions.push_back(client::update(approved, "approval").accepting_done());
  return plan;
}

Plan plan_signing(const CertificateSigningRequest& request, const pki::Ca& ca, Duration max_duration,
                  const PlanContext& context) {
  Plan plan;
  CertificateSigningRequest signed_request = request;
  const auto parsed = pki::CertificateRequest::from_pem(request.spec.request);
  const std::string refusal = parsed ? refusal_of(request, *parsed) : parsed.error().message;
  const Duration asked = request.spec.expirationSeconds
                             ? Duration(std::chrono::seconds(*request.spec.expirationSeconds))
                             : max_duration;
  const Duration duration = std::clamp(asked, kLeastDuration, max_duration);
  Result<pki::Certificate> certificate = fail(Code::kInvalid, "{}", refusal);
  if (refusal.empty()) certificate = pki::sign_csr(ca, *parsed, request.spec.usages, context.now, duration);
  if (certificate) {
    signed_request.status.certificate = certificate->to_pem();
  } else {
    signed_request.status.conditions.push_back(
        condition_of("Failed", "SignerValidationFailure", certificate.error().message, context.now));
  }
  plan.actions.push_back(client::update_status(signed_request).accepting_done());
  return plan;
}

Plan plan_csr_cleaning(const CertificateSigningRequest& request, const PlanContext& context) {
  Plan plan;
  const bool decided = is_approved(request) || is_denied(request);
  WallTime since = request.metadata.creationTimestamp.value_or(context.now);
  for (const auto& condition : request.status.conditions) {
    if (condition.lastUpdateTime) since = std::max(since, *condition.lastUpdateTime);
  }
  const Duration left = since + (decided ? kDecidedLife : kPendingLife) - context.now;
  if (left <= Duration(0)) {
    plan.actions.push_back(client::remove(request));
  } else {
    plan.look_again(left);
  }
  return plan;
}

ControllerPtr make_csr_approving_controller(const Deps& deps) {
  auto& requests = deps.informers.of<CertificateSigningRequest>();
  auto& nodes = deps.informers.of<Node>();
  auto controller = std::make_unique<Controller>(
      deps, Controller::Options{.name = "certificatesigningrequest-approving-controller"},
      [&requests, &nodes, &client = deps.client](const std::string& key, const PlanContext& context) {
        auto request = requests.cache().get(key);
        if (!request || is_approved(*request) || is_denied(*request)) return nothing();
        auto addresses = addresses_of_user(nodes.cache(), request->spec.username);
        return approve(client, std::move(request), std::move(addresses), context);
      });
  controller->reconciler().watch(requests);
  // A node may ask for its serving certificate before its addresses are known.
  controller->reconciler().watch(nodes, [&requests](const auto& before, const auto& now) {
    std::vector<std::string> keys;
    if (!now || (before && before->status.addresses == now->status.addresses)) return keys;
    for (const auto& [key, request] : requests.cache().all()) {
      if (request->spec.username == kNodeUser + now->metadata.name) keys.push_back(key);
    }
    return keys;
  });
  return controller;
}

ControllerPtr make_csr_signing_controller(const Deps& deps, const pki::Ca& ca, Duration max_duration) {
  auto& requests = deps.informers.of<CertificateSigningRequest>();
  auto controller = std::make_unique<Controller>(
      deps, Controller::Options{.name = "certificatesigningrequest-signing-controller"},
      [&requests, &ca, max_duration](const std::string& key, const PlanContext& context) {
        const auto request = requests.cache().get(key);
        constexpr std::string_view kOurs[] = {kApiClientSigner, kNodeClientSigner, kNodeServingSigner};
        const bool to_sign = request && is_approved(*request) && !is_denied(*request) &&
                             request->status.certificate.empty() &&
                             contains(kOurs, std::string_view(request->spec.signerName));
        return to_sign ? plan_signing(*request, ca, max_duration, context) : Plan();
      });
  controller->reconciler().watch(requests);
  return controller;
}

ControllerPtr make_csr_cleaner_controller(const Deps& deps) {
  auto& requests = deps.informers.of<CertificateSigningRequest>();
  auto controller = std::make_unique<Controller>(
      deps, Controller::Options{.name = "certificatesigningrequest-cleaner-controller", .workers = 1},
      [&requests](const std::string& key, const PlanContext& context) {
        const auto request = requests.cache().get(key);
        return request ? plan_csr_cleaning(*request, context) : Plan();
      });
  controller->reconciler().watch(requests);
  return controller;
}

}  // namespace cloudless::controllers

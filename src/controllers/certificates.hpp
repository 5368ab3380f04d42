// CertificateSigningRequests of nodes (upstream: pkg/controller/certificates): approves those by which a node
// agent gets its client and serving certificate, signs what is approved, and clears away what is old.
#pragma once

#include <set>
#include <string>

#include "api/certificates_v1.hpp"
#include "api/core_v1.hpp"
#include "client/object_cache.hpp"
#include "controllers/controller.hpp"
#include "pki/certificate.hpp"

namespace cloudless::controllers {

using api::certificates::v1::CertificateSigningRequest;

inline constexpr const char* kApiClientSigner = "kubernetes.io/kube-apiserver-client";
inline constexpr const char* kNodeClientSigner = "kubernetes.io/kube-apiserver-client-kubelet";
inline constexpr const char* kNodeServingSigner = "kubernetes.io/kubelet-serving";

bool is_approved(const CertificateSigningRequest& request);
bool is_denied(const CertificateSigningRequest& request);

/// What a request for a node's certificate is.
enum class NodeRequest {
  kNone,       // not a node's, or malformed for its signer
  kBootstrap,  // a client certificate for a node, asked for by another
  kRenewal,    // a client certificate that the node asks for itself
  kServing,    // a serving certificate that the node asks for, for addresses of its own
};
/// `addresses`: the names and addresses of the node that asks, for kServing.
NodeRequest classify(const CertificateSigningRequest& request, const pki::CertificateRequest& parsed,
                     const std::set<std::string>& addresses);
/// The addresses of the node that a user name of the form "system:node:NAME" means.
std::set<std::string> addresses_of_user(const client::ObjectCache<api::core::v1::Node>& nodes,
                                        const std::string& user);

/// Approves; `may` says whether the requester is allowed to have this kind approved (a SubjectAccessReview).
Plan plan_approval(const CertificateSigningRequest& request, NodeRequest kind, const PlanContext& context);
ControllerPtr make_csr_approving_controller(const Deps& deps);

/// Signs an approved request of one of the signers above, or says on it why it cannot.
Plan plan_signing(const CertificateSigningRequest& request, const pki::Ca& ca, Duration max_duration,
                  const PlanContext& context);
/// `ca` outlives the controller.
ControllerPtr make_csr_signing_controller(const Deps& deps, const pki::Ca& ca,
                                          Duration max_duration = std::chrono::hours(24 * 365));

/// Deletes requests an hour after their decision, and undecided ones after a day.
Plan plan_csr_cleaning(const CertificateSigningRequest& request, const PlanContext& context);
ControllerPtr make_csr_cleaner_controller(const Deps& deps);

}  // namespace cloudless::controllers

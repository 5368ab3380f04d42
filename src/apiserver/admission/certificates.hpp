// Who may approve and sign CertificateSigningRequests, and what nobody may ask for
// (plugin/pkg/admission/certificates).
#pragma once

#include "apiserver/admission/plugin.hpp"

namespace cloudless::apiserver::admission {

/// CertificateApproval and CertificateSigning: the verb "approve" or "sign" on the request's signer.
class CertificatePermission final : public Plugin {
 public:
  enum class Step { kApproval, kSigning };
  CertificatePermission(Step step, Authorizer& authorizer)
      : Plugin(step == Step::kApproval ? "CertificateApproval" : "CertificateSigning", {Operation::kUpdate}),
        step_(step),
        authorizer_(authorizer) {}
  runtime::Task<ApiResult<>> validate(const AdmissionRequest& request) override;

 private:
  const Step step_;
  Authorizer& authorizer_;
};

/// CertificateSubjectRestriction: no client certificate is in system:masters, which RBAC cannot take back.
class CertificateSubjectRestriction final : public Plugin {
 public:
  CertificateSubjectRestriction() : Plugin("CertificateSubjectRestriction", {Operation::kCreate}) {}
  runtime::Task<ApiResult<>> validate(const AdmissionRequest& request) override;
};

}  // namespace cloudless::apiserver::admission

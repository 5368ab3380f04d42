#include "apiserver/admission/certificates.hpp"

#include <algorithm>

#include "apiserver/json_fields.hpp"
#include "base/encoding.hpp"
#include "base/strings.hpp"
#include "pki/certificate.hpp"

namespace cloudless::apiserver::admission {

using runtime::Task;

namespace {

constexpr std::string_view kGroup = "certificates.k8s.io";
constexpr std::string_view kRequests = "certificatesigningrequests";
constexpr std::string_view kClientSigner = "kubernetes.io/kube-apiserver-client";

bool changes_status(const AdmissionRequest& request) {
  return !same_at(*request.old_object, *request.object, {"status", "certificate"}) ||
         !same_at(*request.old_object, *request.object, {"status", "conditions"});
}

}  // namespace

Task<ApiResult<>> CertificatePermission::validate(const AdmissionRequest& request) {
  const bool approval = step_ == Step::kApproval;
  if (request.group != kGroup || request.resource != kRequests ||
      request.subresource != (approval ? "approval" : "status") || (!approval && !changes_status(request))) {
    co_return ApiResult<>();
  }
  const std::string signer(text_at(*request.old_object, {"spec", "signerName"}));
  const std::string domain = signer.substr(0, signer.find('/')) + "/*";
  for (const std::string& name : {signer, domain}) {
    const Attributes attributes{.user = request.user,
                                .verb = approval ? "approve" : "sign",
                                .is_resource_request = true,
                                .group = std::string(kGroup),
                                .version = "*",
                                .resource = "signers",
                                .name = name};
    if ((co_await authorizer_.authorize(attributes)).allowed()) co_return ApiResult<>();
  }
  co_return refuse(request, fmt::format("user not permitted to {} requests with signerName {}",
                                        approval ? "approve" : "sign", quote(signer)));
}

Task<ApiResult<>> CertificateSubjectRestriction::validate(const AdmissionRequest& request) {
  if (!is_on(request, kGroup, kRequests) || text_at(*request.object, {"spec", "signerName"}) != kClientSigner)
    co_return ApiResult<>();
  const auto pem = base64_decode(text_at(*request.object, {"spec", "request"}));
  const auto csr = pem ? pki::CertificateRequest::from_pem(*pem) : std::unexpected(pem.error());
  if (!csr) co_return refuse(request, "failed to parse CSR: " + csr.error().message);
  const auto groups = csr->subject().organizations;
  if (std::ranges::find(groups, kGroupMasters) != groups.end())
    co_return refuse(
        request, fmt::format("use of {} signer with {} group is not allowed", kClientSigner, kGroupMasters));
  co_return ApiResult<>();
}

}  // namespace cloudless::apiserver::admission

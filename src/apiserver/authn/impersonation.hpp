// Impersonation: the Impersonate-User, -Group, -Uid and -Extra-* headers, each permitted by its own check of
// the verb "impersonate" (k8s.io/apiserver/pkg/endpoints/filters/impersonation.go).
#pragma once

#include "apiserver/pipeline.hpp"

namespace cloudless::apiserver::authn {

class HeaderImpersonator final : public Impersonator {
 public:
  explicit HeaderImpersonator(Authorizer& authorizer) : authorizer_(authorizer) {}
  runtime::Task<ApiResult<UserInfo>> impersonate(const net::Headers& headers, const UserInfo& user) override;

 private:
  Authorizer& authorizer_;
};

}  // namespace cloudless::apiserver::authn

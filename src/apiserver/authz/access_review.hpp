// authorization.k8s.io/v1: may somebody do something, and what may I do? Created, answered, never stored.
#pragma once

#include "apiserver/authz/rbac.hpp"
#include "apiserver/pipeline.hpp"

namespace cloudless::apiserver::authz {

/// SubjectAccessReview, SelfSubjectAccessReview and LocalSubjectAccessReview: whom they ask about is the
/// difference.
class AccessReview final : public VirtualResource {
 public:
  enum class About { kSubject, kSelf, kSubjectInNamespace };
  AccessReview(About about, Authorizer& authorizer) : about_(about), authorizer_(authorizer) {}
  runtime::Task<ApiResult<boost::json::object>> create(const CreateContext& context,
                                                       boost::json::object object) override;

 private:
  const About about_;
  Authorizer& authorizer_;
};

/// SelfSubjectRulesReview: the caller's rules in a namespace, as `kubectl auth can-i --list` shows them.
class SelfRulesReview final : public VirtualResource {
 public:
  explicit SelfRulesReview(RbacIndexCache& cache) : cache_(cache) {}
  runtime::Task<ApiResult<boost::json::object>> create(const CreateContext& context,
                                                       boost::json::object object) override;

 private:
  RbacIndexCache& cache_;
};

}  // namespace cloudless::apiserver::authz

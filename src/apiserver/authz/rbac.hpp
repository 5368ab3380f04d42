// Role based access control over the Roles and bindings of this server (plugin/pkg/auth/authorizer/rbac).
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "apiserver/authz/rbac_index.hpp"
#include "apiserver/pipeline.hpp"

namespace cloudless::apiserver::authz {

/// The index of the newest roles and bindings. Thread-safe.
class RbacIndexCache {
 public:
  explicit RbacIndexCache(Objects& objects) : objects_(objects) {}
  runtime::Task<ApiResult<std::shared_ptr<const RbacIndex>>> index();

 private:
  using Revisions = std::vector<uint64_t>;
  runtime::Task<ApiResult<Revisions>> revisions();

  Objects& objects_;
  std::mutex mutex_;
  Revisions revisions_;                     // of what index_ was made from; with mutex_
  std::shared_ptr<const RbacIndex> index_;  // with mutex_
};

class RbacAuthorizer final : public Authorizer {
 public:
  explicit RbacAuthorizer(RbacIndexCache& cache) : cache_(cache) {}
  runtime::Task<Decision> authorize(const Attributes& attributes) override;

 private:
  RbacIndexCache& cache_;
};

/// Allows system:masters everything, before any role exists.
class PrivilegedGroupAuthorizer final : public Authorizer {
 public:
  runtime::Task<Decision> authorize(const Attributes& attributes) override;
};

/// The same answer to everybody: upstream's AlwaysAllow and AlwaysDeny.
class AlwaysAuthorizer final : public Authorizer {
 public:
  explicit AlwaysAuthorizer(Decision::Kind kind) : kind_(kind) {}
  runtime::Task<Decision> authorize(const Attributes& attributes) override;

 private:
  const Decision::Kind kind_;
};

/// Asks each in turn until one allows or denies.
class AuthorizerChain final : public Authorizer {
 public:
  explicit AuthorizerChain(std::vector<std::shared_ptr<Authorizer>> authorizers)
      : authorizers_(std::move(authorizers)) {}
  runtime::Task<Decision> authorize(const Attributes& attributes) override;

 private:
  std::vector<std::shared_ptr<Authorizer>> authorizers_;
};

/// Refuses writes of roles and bindings that would give what the writer does not have (escalation), unless
/// the verbs "escalate" or "bind" permit it (pkg/registry/rbac/*/policybased).
class RbacEscalationCheck final : public AdmissionPlugin {
 public:
  RbacEscalationCheck(RbacIndexCache& cache, Authorizer& authorizer)
      : cache_(cache), authorizer_(authorizer) {}
  std::string_view name() const override { return "RBACEscalationCheck"; }
  bool handles(Operation operation) const override {
    return operation == Operation::kCreate || operation == Operation::kUpdate;
  }
  runtime::Task<ApiResult<>> admit(AdmissionRequest& request) override;
  runtime::Task<ApiResult<>> validate(const AdmissionRequest& request) override;

 private:
  runtime::Task<ApiResult<>> validate_role(const AdmissionRequest& request);
  runtime::Task<ApiResult<>> validate_binding(const AdmissionRequest& request);
  runtime::Task<ApiResult<>> check_rules(const AdmissionRequest& request,
                                         const std::vector<PolicyRule>& rules);
  runtime::Task<bool> permitted(const AdmissionRequest& request, std::string verb, std::string resource,
                                std::string name);

  RbacIndexCache& cache_;
  Authorizer& authorizer_;
};

}  // namespace cloudless::apiserver::authz

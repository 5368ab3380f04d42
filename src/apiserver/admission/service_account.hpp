// ServiceAccount: a pod runs as a service account that exists, and finds its token, the cluster's CA and its
// namespace in /var/run/secrets/kubernetes.io/serviceaccount (plugin/pkg/admission/serviceaccount).
#pragma once

#include "apiserver/admission/plugin.hpp"
#include "base/random.hpp"

namespace cloudless::apiserver::admission {

/// The account "default" of a new namespace is made by a controller: a pod that comes first waits this long
/// for it.
inline constexpr int kServiceAccountAttempts = 20;
inline constexpr std::chrono::milliseconds kServiceAccountRetry{100};

class ServiceAccount final : public Plugin {
 public:
  ServiceAccount(Objects& objects, Random& random)
      : Plugin("ServiceAccount", {Operation::kCreate}), objects_(objects), random_(random) {}
  runtime::Task<ApiResult<>> admit(AdmissionRequest& request) override;

 private:
  runtime::Task<ApiResult<ObjectPtr>> find_account(std::string namespace_, std::string name);

  Objects& objects_;
  Random& random_;
};

}  // namespace cloudless::apiserver::admission

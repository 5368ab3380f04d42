// ApiObjects: config maps, secrets, tokens and Services from the API server.
#pragma once

#include "client/informer.hpp"
#include "kubelet/volumes/volumes.hpp"

namespace cloudless::kubelet {

class ApiObjects final : public ObjectSource {
 public:
  /// Both may be null: then there is no API, and every read fails with kUnavailable.
  ApiObjects(const client::Client* client, const client::Informer<core::Service>* services)
      : client_(client), services_(services) {}

  runtime::Task<Result<core::ConfigMap>> config_map(std::string ns, std::string name) override;
  runtime::Task<Result<core::Secret>> secret(std::string ns, std::string name) override;
  runtime::Task<Result<IssuedToken>> token(const core::Pod& pod, std::string audience,
                                           int64_t expiration_seconds) override;
  Result<std::vector<std::shared_ptr<const core::Service>>> services() override;

 private:
  const client::Client* client_;
  const client::Informer<core::Service>* services_;
};

}  // namespace cloudless::kubelet

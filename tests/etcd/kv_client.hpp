// A client of the gRPC library's, for tests that want an outcome rather than messages.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "etcd/rpc.grpc.pb.h"

namespace cloudless::etcd::testing {

class KvClient {
 public:
  static constexpr std::chrono::seconds kPatience{20};

  /// "127.0.0.1:2379" or "unix:/path".
  explicit KvClient(const std::string& endpoint, std::chrono::seconds patience = kPatience)
      : patience_(patience), kv_(etcdserverpb::KV::NewStub(make_channel(endpoint))) {}

  grpc::Status put(const std::string& key, const std::string& value) { return put_all({{key, value}}); }
  /// In one transaction; `revision` is that of the answer.
  grpc::Status put_all(const std::map<std::string, std::string>& values, int64_t* revision = nullptr) {
    etcdserverpb::TxnRequest request;
    for (const auto& [key, value] : values) {
      auto& put = *request.add_success()->mutable_request_put();
      put.set_key(key);
      put.set_value(value);
    }
    etcdserverpb::TxnResponse response;
    grpc::ClientContext context;
    const grpc::Status status = kv_->Txn(within_patience(context), request, &response);
    if (revision && status.ok()) *revision = response.header().revision();
    return status;
  }
  /// The value, or the error.
  std::string get(const std::string& key, bool serializable = false) {
    etcdserverpb::RangeRequest request;
    request.set_key(key);
    request.set_serializable(serializable);
    etcdserverpb::RangeResponse response;
    grpc::ClientContext context;
    const grpc::Status status = kv_->Range(within_patience(context), request, &response);
    if (!status.ok()) return "error: " + status.error_message();
    return response.kvs_size() == 1 ? response.kvs(0).value() : "(none)";
  }
  /// All there is, or nothing where it cannot be read.
  std::optional<etcdserverpb::RangeResponse> all() {
    etcdserverpb::RangeRequest request;
    request.set_key(std::string(1, '\0'));
    request.set_range_end(std::string(1, '\0'));
    etcdserverpb::RangeResponse response;
    grpc::ClientContext context;
    if (!kv_->Range(within_patience(context), request, &response).ok()) return std::nullopt;
    return response;
  }
  grpc::Status compact(int64_t revision) {
    etcdserverpb::CompactionRequest request;
    request.set_revision(revision);
    request.set_physical(true);
    etcdserverpb::CompactionResponse response;
    grpc::ClientContext context;
    return kv_->Compact(within_patience(context), request, &response);
  }

 private:
  static std::shared_ptr<grpc::Channel> make_channel(const std::string& endpoint) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    // Otherwise a client of a server that was restarted inherits the connection's waits.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(endpoint, grpc::InsecureChannelCredentials(), arguments);
  }
  grpc::ClientContext* within_patience(grpc::ClientContext& context) const {
    context.set_deadline(std::chrono::system_clock::now() + patience_);
    return &context;
  }

  const std::chrono::seconds patience_;
  std::unique_ptr<etcdserverpb::KV::Stub> kv_;
};

}  // namespace cloudless::etcd::testing

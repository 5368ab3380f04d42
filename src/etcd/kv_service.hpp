// etcdserverpb.KV: ranges, puts, deletions, transactions, compaction. For .cpp files alone.
#pragma once

#include "etcd/call.hpp"
#include "etcd/rpc.grpc.pb.h"

namespace cloudless::etcd {

class KvService final : public etcdserverpb::KV::CallbackService {
 public:
  explicit KvService(Backend& backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* Range(grpc::CallbackServerContext* context,
                                  const etcdserverpb::RangeRequest* request,
                                  etcdserverpb::RangeResponse* response) override;
  grpc::ServerWriteReactor<etcdserverpb::RangeStreamResponse>* RangeStream(
      grpc::CallbackServerContext* context, const etcdserverpb::RangeRequest* request) override;
  grpc::ServerUnaryReactor* Put(grpc::CallbackServerContext* context, const etcdserverpb::PutRequest* request,
                                etcdserverpb::PutResponse* response) override;
  grpc::ServerUnaryReactor* DeleteRange(grpc::CallbackServerContext* context,
                                        const etcdserverpb::DeleteRangeRequest* request,
                                        etcdserverpb::DeleteRangeResponse* response) override;
  grpc::ServerUnaryReactor* Txn(grpc::CallbackServerContext* context, const etcdserverpb::TxnRequest* request,
                                etcdserverpb::TxnResponse* response) override;
  grpc::ServerUnaryReactor* Compact(grpc::CallbackServerContext* context,
                                    const etcdserverpb::CompactionRequest* request,
                                    etcdserverpb::CompactionResponse* response) override;

 private:
  Backend& backend_;
  Method range_{backend_, "KV", "Range"};
  Method put_{backend_, "KV", "Put"};
  Method delete_range_{backend_, "KV", "DeleteRange"};
  Method txn_{backend_, "KV", "Txn"};
  Method compact_{backend_, "KV", "Compact"};
};

}  // namespace cloudless::etcd

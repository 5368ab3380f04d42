#include "etcd/kv_service.hpp"

#include "etcd/convert.hpp"
#include "etcd/range_stream.hpp"
#include "etcd/server_stream.hpp"

namespace cloudless::etcd {

using runtime::Task;

namespace {

template <class Response, class StoreResponse>
Result<> respond(const Backend& backend, Response& out, const Result<StoreResponse>& response) {
  if (!response) return std::unexpected(response.error());
  fill(out, *response);
  backend.identity.fill(*out.mutable_header());
  return {};
}

Task<Result<>> range(Backend& backend, const pb::RangeRequest& request, pb::RangeResponse& out) {
  co_return respond(backend, out, co_await backend.store.range(to_store(request)));
}

Task<Result<>> put(Backend& backend, const pb::PutRequest& request, pb::PutResponse& out) {
  co_return respond(backend, out, co_await backend.store.put(to_store(request)));
}

Task<Result<>> delete_range(Backend& backend, const pb::DeleteRangeRequest& request,
                            pb::DeleteRangeResponse& out) {
  co_return respond(backend, out, co_await backend.store.delete_range(to_store(request)));
}

Task<Result<>> txn(Backend& backend, const pb::TxnRequest& request, pb::TxnResponse& out) {
  co_return respond(backend, out, co_await backend.store.txn(CO_TRY(to_store(request))));
}

Task<Result<>> compact(Backend& backend, const pb::CompactionRequest& request, pb::CompactionResponse& out) {
  const store::Revision revision =
      CO_TRY(co_await backend.store.compact(request.revision(), request.physical()));
  out.mutable_header()->set_revision(revision);
  backend.identity.fill(*out.mutable_header());
  co_return {};
}

}  // namespace

grpc::ServerUnaryReactor* KvService::Range(grpc::CallbackServerContext* context,
                                           const pb::RangeRequest* request, pb::RangeResponse* response) {
  return range_.answer(context, range(backend_, *request, *response));
}

grpc::ServerWriteReactor<pb::RangeStreamResponse>* KvService::RangeStream(grpc::CallbackServerContext*,
                                                                          const pb::RangeRequest* request) {
  using Stream = ServerStream<pb::RangeStreamResponse>;
  return new Stream(backend_.scope, [this, wanted = to_store(*request)](Stream& stream) {
    return stream_range(backend_, wanted,
                        [&stream](const pb::RangeStreamResponse& part) { return stream.send(part); });
  });
}

grpc::ServerUnaryReactor* KvService::Put(grpc::CallbackServerContext* context, const pb::PutRequest* request,
                                         pb::PutResponse* response) {
  return put_.answer(context, put(backend_, *request, *response));
}

grpc::ServerUnaryReactor* KvService::DeleteRange(grpc::CallbackServerContext* context,
                                                 const pb::DeleteRangeRequest* request,
                                                 pb::DeleteRangeResponse* response) {
  return delete_range_.answer(context, delete_range(backend_, *request, *response));
}

grpc::ServerUnaryReactor* KvService::Txn(grpc::CallbackServerContext* context, const pb::TxnRequest* request,
                                         pb::TxnResponse* response) {
  return txn_.answer(context, txn(backend_, *request, *response));
}

grpc::ServerUnaryReactor* KvService::Compact(grpc::CallbackServerContext* context,
                                             const pb::CompactionRequest* request,
                                             pb::CompactionResponse* response) {
  return compact_.answer(context, compact(backend_, *request, *response));
}

}  // namespace cloudless::etcd

#include "etcd/kv_service.hpp"

#include "etcd/convert.hpp"
#include "etcd/range_stream.hpp"

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

Task<Result<>> range(Backend& backend, pb::RangeRequest& request, pb::RangeResponse& out) {
  co_return respond(backend, out, co_await backend.store.range(to_store(request)));
}

Task<Result<>> put(Backend& backend, pb::PutRequest& request, pb::PutResponse& out) {
  co_return respond(backend, out, co_await backend.store.put(to_store(std::move(request))));
}

Task<Result<>> delete_range(Backend& backend, pb::DeleteRangeRequest& request, pb::DeleteRangeResponse& out) {
  co_return respond(backend, out, co_await backend.store.delete_range(to_store(request)));
}

Task<Result<>> txn(Backend& backend, pb::TxnRequest& request, pb::TxnResponse& out) {
  co_return respond(backend, out, co_await backend.store.txn(CO_TRY(to_store(std::move(request)))));
}

Task<Result<>> compact(Backend& backend, pb::CompactionRequest& request, pb::CompactionResponse& out) {
  const store::Revision revision =
      CO_TRY(co_await backend.store.compact(request.revision(), request.physical()));
  out.mutable_header()->set_revision(revision);
  backend.identity.fill(*out.mutable_header());
  co_return {};
}

using RangeStream = RequestStream<pb::RangeRequest>;

Task<Result<>> range_stream(Backend& backend, pb::RangeRequest& request, RangeStream& stream) {
  co_return co_await stream_range(backend, to_store(request), [&stream](const pb::RangeStreamResponse& part) {
    return stream.send(part);
  });
}

}  // namespace

void add_kv_methods(grpc::Methods& methods, Backend& backend) {
  add_unary(methods, backend, "etcdserverpb.KV", "Range", range);
  add_unary(methods, backend, "etcdserverpb.KV", "Put", put);
  add_unary(methods, backend, "etcdserverpb.KV", "DeleteRange", delete_range);
  add_unary(methods, backend, "etcdserverpb.KV", "Txn", txn);
  add_unary(methods, backend, "etcdserverpb.KV", "Compact", compact);
  add_server_stream<pb::RangeRequest>(methods, "etcdserverpb.KV", "RangeStream",
                                      [&backend](pb::RangeRequest& request, RangeStream& stream) {
                                        return range_stream(backend, request, stream);
                                      });
}

}  // namespace cloudless::etcd

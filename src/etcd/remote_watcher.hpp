// RemoteWatcher: a watch on a remote cluster, on a stream of its own. When the stream breaks, it goes on from
// the revision after the last one delivered. For .cpp files alone.
#pragma once

#include "etcd/remote_cluster.hpp"
#include "etcd/stream_operation.hpp"

namespace cloudless::etcd {

/// One stream, which frees itself when gRPC and its watcher have left it.
class WatchClient final
    : public grpc::ClientBidiReactor<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>,
      public std::enable_shared_from_this<WatchClient> {
 public:
  /// Begins the stream and asks for the watch.
  void open(etcdserverpb::Watch::Stub& stub, etcdserverpb::WatchCreateRequest create);
  /// The next response; nothing once the stream has ended. A cancelled task leaves; the next call gets what
  /// it waited for.
  runtime::Task<Result<std::optional<etcdserverpb::WatchResponse>>> receive();
  void request_progress();
  void cancel() { context_.TryCancel(); }

  void OnReadDone(bool ok) override { read_.end(ok); }
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  grpc::ClientContext context_;
  etcdserverpb::WatchRequest create_;
  etcdserverpb::WatchRequest progress_;
  etcdserverpb::WatchResponse response_;
  StreamOperation read_;
  std::optional<runtime::Completion<bool>> reading_;
  std::mutex mutex_;
  bool writing_ = true;
  bool progress_wanted_ = false;
  bool ended_ = false;
  std::shared_ptr<WatchClient> self_;  // while gRPC uses it
};

class RemoteWatcher final : public store::Watcher {
 public:
  RemoteWatcher(Cluster& cluster, store::WatchRequest request)
      : cluster_(cluster), request_(std::move(request)) {}
  ~RemoteWatcher() override;

  /// Returns once the cluster has taken the watch, so that nothing after it is missed.
  runtime::Task<Result<>> start();
  runtime::Task<Result<store::WatchBatch>> next() override;
  void request_progress() override;
  void cancel() override;
  store::Revision compact_revision() const override { return compact_revision_; }

 private:
  runtime::Task<Result<etcdserverpb::WatchResponse>> receive();
  void reopen();
  Error error_of(const etcdserverpb::WatchResponse& response);

  Cluster& cluster_;
  store::WatchRequest request_;  // start_revision is where to go on
  std::atomic<store::Revision> compact_revision_{0};
  std::optional<Error> failed_;
  std::mutex mutex_;
  bool cancelled_ = false;
  std::shared_ptr<WatchClient> client_;
};

}  // namespace cloudless::etcd

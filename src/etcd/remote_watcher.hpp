// RemoteWatcher: a watch on a remote cluster, on a stream of its own. When the stream breaks, it goes on from
// the revision after the last one delivered. Its tasks run on the loop that started it. For .cpp files alone.
#pragma once

#include "etcd/remote_cluster.hpp"
#include "store/store.hpp"

namespace cloudless::etcd {

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
  // On the loop's thread; shared with jobs that other threads post there.
  struct Shared {
    runtime::CancelState cancelled;
    std::unique_ptr<grpc::ClientStream> stream;
    bool progress_wanted = false;  // asked for and not answered yet
    void request_progress();
  };

  runtime::Task<Result<>> open();
  runtime::Task<Result<etcdserverpb::WatchResponse>> receive();
  runtime::Task<Result<etcdserverpb::WatchResponse>> receive_unless_cancelled();
  Error error_of(const etcdserverpb::WatchResponse& response);

  Cluster& cluster_;
  store::WatchRequest request_;  // start_revision is where to go on
  std::atomic<store::Revision> compact_revision_{0};
  std::optional<Error> failed_;
  runtime::Executor* executor_ = nullptr;
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

}  // namespace cloudless::etcd

// Informers: one shared informer per resource for all users in a process, made at first use and run until
// stop().
#pragma once

#include <map>
#include <memory>

#include "client/informer.hpp"

namespace cloudless::client {

class Informers {
 public:
  /// Everything given outlives this.
  Informers(const Client& client, runtime::Executor& executor, Random& random, Logger log)
      : client_(client), scope_(executor, log), random_(random), log_(std::move(log)) {}

  /// Ends all informers. Their caches stay readable.
  runtime::Task<void> stop() {
    scope_.cancel();
    co_await scope_.join();
  }

  /// The informer of a generated type, all namespaces. It starts with the executor's next job, so handlers
  /// added right away miss nothing.
  template <class T>
  Informer<T>& of() {
    return of<T>(resource_of<T>());
  }
  /// The informer of a resource known at run time, with T = Dynamic or a struct of the caller that
  /// codec.hpp's functions are overloaded for. One T per resource.
  template <class T>
  Informer<T>& of(const Resource& resource) {
    auto& slot = informers_[resource];
    if (!slot) {
      auto informer = std::make_unique<Informer<T>>(client_, resource, InformerOptions(), random_, log_);
      slot = std::move(informer);
      scope_.spawn(slot->run());
    }
    return static_cast<Informer<T>&>(*slot);
  }

  /// Null where nobody uses that resource.
  InformerBase* find(const Resource& resource) const {
    const auto found = informers_.find(resource);
    return found == informers_.end() ? nullptr : found->second.get();
  }
  /// Returns once all informers made so far are synced; kCancelled where the task is.
  runtime::Task<Result<>> wait_synced();

  const Client& client() const { return client_; }

 private:
  const Client& client_;
  runtime::TaskScope scope_;
  Random& random_;
  Logger log_;
  std::map<Resource, std::unique_ptr<InformerBase>> informers_;
};

}  // namespace cloudless::client

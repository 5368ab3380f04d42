// Compactor: forgets old revisions every few minutes, as kube-apiserver does for etcd
// (k8s.io/apiserver/pkg/storage/etcd3/compact.go). What was current one interval ago can still be read, so
// that chunked lists come to their end.
#pragma once

#include "base/log.hpp"
#include "runtime/scope.hpp"
#include "store/store.hpp"

namespace cloudless::apiserver {

class Compactor {
 public:
  /// `interval`: how long revisions are kept at least.
  Compactor(store::Store& store, Duration interval, runtime::Executor& executor, Logger log);
  void start();
  runtime::Task<void> stop();

 private:
  runtime::Task<void> run();

  store::Store& store_;
  const Duration interval_;
  const Logger log_;
  runtime::TaskScope scope_;
};

}  // namespace cloudless::apiserver

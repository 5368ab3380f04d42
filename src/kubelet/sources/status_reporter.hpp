// StatusReporter: writes pods' statuses to the API, the newest of each, one after another, until they are
// taken; and removes the pods that have ended for good (pkg/kubelet/status).
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>

#include "base/log.hpp"
#include "client/client.hpp"
#include "kubelet/pod/pod_runtime.hpp"
#include "runtime/channel.hpp"

namespace cloudless::kubelet {

class StatusReporter {
 public:
  static constexpr Duration kFirstRetry = std::chrono::milliseconds(200);
  static constexpr Duration kMaxRetry = std::chrono::seconds(10);
  static constexpr int kMaxConflicts = 5;

  using Lookup =
      std::function<std::shared_ptr<const core::Pod>(const std::string& ns, const std::string& name)>;
  /// `newest`: the pod as the API last had it, or null.
  StatusReporter(const client::Client& client, Lookup newest, Logger log);

  void report(const core::Pod& pod, const core::PodStatus& status);
  /// The pod has ended: its last status is written, then the object is deleted.
  void remove(const core::Pod& pod);

  /// Works until cancelled.
  runtime::Task<void> run();

 private:
  struct Entry {
    std::string ns;
    std::string name;
    std::string uid;
    std::optional<core::PodStatus> status;
    bool remove = false;
  };
  Entry& entry_of(const core::Pod& pod);
  runtime::Task<Result<>> write(Entry entry);
  runtime::Task<Result<>> write_status(const Entry& entry);

  const client::Client& client_;
  Lookup newest_;
  Logger log_;
  std::map<std::string, Entry> entries_;  // by uid; bounded by the node's pods
  runtime::Signal wake_;
};

}  // namespace cloudless::kubelet

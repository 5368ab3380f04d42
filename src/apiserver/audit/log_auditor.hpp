// LogAuditor: the audit log as lines of JSON in a file, rotated by size, written by a worker so that no
// request waits. What does not fit into the queue is dropped and counted (apiserver_audit_error_total).
#pragma once

#include <memory>
#include <string>

#include "apiserver/audit/policy.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"

namespace cloudless::apiserver::audit {

/// Events that wait to be written.
inline constexpr size_t kAuditQueue = 10'000;

struct LogOptions {
  std::string path;  // "-": standard output
  size_t max_bytes = 100 * 1024 * 1024;
  int max_backups = 10;  // path.1 is the newest
  /// Older backups are removed when the file is rotated; zero: none for their age.
  std::chrono::hours max_age{0};
};

class LogAuditor final : public Auditor {
 public:
  LogAuditor(Policy policy, LogOptions options, metrics::Registry& metrics, Logger log);
  /// Writes what is queued.
  ~LogAuditor() override;

  Level level(const Attributes& attributes) const override;
  void record(Level level, AuditRecord record) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cloudless::apiserver::audit

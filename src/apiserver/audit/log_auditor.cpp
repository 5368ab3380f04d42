#include "apiserver/audit/log_auditor.hpp"

#include <cstdio>
#include <filesystem>

#include "runtime/worker_pool.hpp"

namespace cloudless::apiserver::audit {

namespace {

// The file itself; only the one worker touches it.
class LogFile {
 public:
  explicit LogFile(LogOptions options) : options_(std::move(options)) {}
  ~LogFile() { close(); }

  bool write(std::string line) {
    line += '\n';
    if (file_ && size_ + line.size() > options_.max_bytes) rotate();
    if (!file_ && !open()) return false;
    size_ += line.size();
    return std::fwrite(line.data(), 1, line.size(), file_) == line.size() && std::fflush(file_) == 0;
  }

 private:
  bool open() {
    if (options_.path == "-") {
      file_ = stdout;
      return true;
    }
    file_ = std::fopen(options_.path.c_str(), "ae");
    std::error_code error;
    const auto size = std::filesystem::file_size(options_.path, error);
    size_ = error ? 0 : size;
    return file_ != nullptr;
  }

  void close() {
    if (file_ && file_ != stdout) std::fclose(file_);
    file_ = nullptr;
  }

  std::string backup(int number) const { return options_.path + "." + std::to_string(number); }

  void rotate() {
    if (file_ == stdout) return;
    close();
    std::error_code ignored;  // a missing backup is no error
    std::filesystem::remove(backup(options_.max_backups), ignored);
    for (int i = options_.max_backups - 1; i > 0; --i)
      std::filesystem::rename(backup(i), backup(i + 1), ignored);
    std::filesystem::rename(options_.path, backup(1), ignored);
    if (options_.max_age > options_.max_age.zero()) remove_old();
  }

  void remove_old() {
    const auto oldest = std::filesystem::file_time_type::clock::now() - options_.max_age;
    for (int i = 1; i <= options_.max_backups; ++i) {
      std::error_code error;
      const auto written = std::filesystem::last_write_time(backup(i), error);
      if (!error && written < oldest) std::filesystem::remove(backup(i), error);
    }
  }

  const LogOptions options_;
  std::FILE* file_ = nullptr;
  size_t size_ = 0;
};

}  // namespace

struct LogAuditor::State {
  State(Policy audit_policy, LogOptions options, metrics::Registry& metrics, Logger logger)
      : policy(std::move(audit_policy)),
        file(std::move(options)),
        events(metrics.counter("apiserver_audit_event_total", "Audit events that were made.").with()),
        errors(
            metrics
                .counter("apiserver_audit_error_total", "Audit events that could not be written.", {"plugin"})
                .with({"log"})),
        log(std::move(logger)),
        worker("audit", 1, kAuditQueue) {}

  const Policy policy;
  LogFile file;
  metrics::Counter& events;
  metrics::Counter& errors;
  const Logger log;
  runtime::WorkerPool worker;  // last: its jobs use what stands above
};

LogAuditor::LogAuditor(Policy policy, LogOptions options, metrics::Registry& metrics, Logger log)
    : state_(std::make_unique<State>(std::move(policy), std::move(options), metrics, std::move(log))) {}

LogAuditor::~LogAuditor() = default;

Auditor::Level LogAuditor::level(const Attributes& attributes) const {
  return level_of(state_->policy, attributes);
}

void LogAuditor::record(Level level, AuditRecord record) {
  if (level == Level::kNone) return;
  state_->events.add();
  State* state = state_.get();
  const bool queued = state->worker.try_submit([state, level, record = std::move(record)] {
    if (state->file.write(encode_event(level, record, state->policy))) return;
    state->errors.add();
    state->log.error("cannot write the audit log");
  });
  if (!queued) state->errors.add();
}

}  // namespace cloudless::apiserver::audit

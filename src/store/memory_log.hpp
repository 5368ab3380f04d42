// MemoryLog: a Log that lives as long as its object. For tests, and for `memory://`.
#pragma once

#include <mutex>

#include "store/log.hpp"

namespace cloudless::store {

class MemoryLog final : public Log {
 public:
  Result<> replay(Revision after, const Replay& replay) override;
  Result<Revision> head() override;
  Result<Meta> meta() override;
  Result<> append(const LogBatch& batch) override;
  Result<> sync() override { return {}; }
  Result<std::string> read(Revision revision) override;
  Result<> prune(std::span<const Prune> prunes) override;
  Result<bool> reclaim() override { return false; }
  Result<> restore(Revision head, std::span<const LogEntry> entries,
                   std::span<const MetaChange> meta) override;
  LogStatus status() override;

 private:
  void apply(std::span<const MetaChange> changes);

  std::mutex mutex_;
  std::map<Revision, std::string> entries_;
  Meta meta_;
  Revision head_ = kEmptyHead;
  int64_t size_bytes_ = 0;
};

}  // namespace cloudless::store

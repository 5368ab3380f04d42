// Journal: one file of what was appended lately, in front of the database. A strict append costs one write
// and one fdatasync here, of as many bytes as it has; the database takes it in later, with thousands of
// others.
//
//     header: "CLJOURN1" generation(8) crc32c(4) zeros(12)                                        32 bytes
//     frame:  crc32c(4) length(4) kind(1) payload(length)
//             kind 1, entry: revision(8) record
//             kind 2, fact:  1 key(bytes) value | 0 key(bytes)
//             kind 3, mark:  a number (8)
//             kind 4, sync:  "CLSYNC01" generation(8) offset(8) crc32c(4, of those)
//
// Numbers are little-endian. A frame's checksum continues the one before it, the first continues the
// header's, so what an earlier generation left behind in the file never passes for a frame, nor does what a
// failed append left: after a failure, and after every start, a mark with a new number comes first and
// changes the chain.
//
// Each sync's bytes begin with a sync frame that names its own place in the file: all before it was durable
// by then. So a frame that does not check out is the torn end of the last sync where no sync frame follows
// it, and damage to what was acknowledged where one does. Being whole by itself, it is found behind any
// damage.
//
// The file is filled with zeros ahead of its frames, so that a sync moves data alone and no metadata. Used by
// one thread.
#pragma once

#include <functional>

#include "store/file.hpp"
#include "store/log.hpp"

namespace cloudless::store {

class Journal {
 public:
  explicit Journal(std::unique_ptr<File> file) : file_(std::move(file)) {}

  struct Visitor {
    std::function<Result<>(Revision, std::string_view record)> entry;
    std::function<void(std::string_view key, std::optional<std::string_view> value)> fact;
  };
  /// The generation that the file holds; 0 where it holds none. kDataLoss where the header is damaged.
  Result<uint64_t> generation();
  /// Visits the intact frames, and continues behind them. `mark`: a number that this journal has not seen.
  /// kDataLoss where something is damaged that was durable.
  Result<> recover(const Visitor& visitor, uint64_t mark);
  /// Starts again from the top of the file. Takes effect with the next append.
  void restart(uint64_t generation, uint64_t mark);

  /// Takes a batch in. A strict one, and all before it, is durable on return; a relaxed one waits in memory
  /// for the next sync, so that many share their sectors. After an error nothing of the batch counts.
  Result<> append(const LogBatch& batch, uint64_t mark_if_failed);
  Result<> sync();

  /// Where the frames end.
  uint64_t end() const { return durable_end_ + pending_.size(); }

 private:
  void put_frame(uint8_t kind, std::string_view payload);
  void begin_pending();
  void put_failure_mark(uint64_t mark);
  Result<> fill_ahead(uint64_t end);

  std::unique_ptr<File> file_;
  uint64_t generation_ = 0;
  uint32_t chain_ = 0;
  // Up to durable_end_ the file is durable, of which `block_` is the part in its last, unfilled block; behind
  // it belongs `pending_`.
  uint64_t durable_end_ = 0;
  std::string block_;
  std::string pending_;
  // Up to here the file has space. Looked up before the first write: what is there is never blanked again, so
  // that a header is blank only in a file that never had one.
  uint64_t filled_end_ = 0;
  // Where in `pending_` the last failure's mark stands, and the chain before it.
  struct FailureMark {
    size_t start;
    size_t end;
    uint32_t chain;
  };
  std::optional<FailureMark> failure_mark_;
};

}  // namespace cloudless::store

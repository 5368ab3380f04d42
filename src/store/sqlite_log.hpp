// SqliteLog: a Log in one SQLite file, with two journals in front of it. The default of every cluster of one
// server.
//
//     append --> journal A or B (journal.hpp): one fdatasync of exactly these bytes
//                    |  and in memory until the database has it
//                    v  when the journal is full: the other one takes over, and
//     flusher --> one transaction of some megabytes into the database, whose sync nobody waits for
//
//     state.db                table log(revision, record), table meta(key, value), table state(head,
//     generation) state.db-log0, -log1    the journals; generations count up, `state.generation` is the last
//     one that is
//                             wholly in the database
//
// What is superseded and compacted before its journal is full never reaches the database, so a node's lease
// renewals cost their journal bytes alone.
//
// The database has a rollback journal, not a WAL: new pages are written once instead of twice, and the stall
// that comes with its commits is the flusher's alone. SQLite's file stays readable with the sqlite3 tool;
// copy it together with the journals, or use `export`.
//
// One process: a lock on the first journal keeps others out with a clear error.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "base/log.hpp"
#include "base/random.hpp"
#include "store/file.hpp"
#include "store/journal.hpp"
#include "store/log.hpp"
#include "store/sqlite_db.hpp"

namespace cloudless::store {

struct SqliteLogOptions {
  std::string path;
  /// A journal that has grown to this goes into the database.
  uint64_t journal_bytes = 4 << 20;
};

class SqliteLog final : public Log {
 public:
  /// Creates the file and its directory where they are missing. kUnavailable where another process has it
  /// open, kDataLoss where it is damaged or no store of ours. `files` and `random` outlive the log.
  static Result<std::unique_ptr<SqliteLog>> open(SqliteLogOptions options, Files& files, Random& random,
                                                 Logger logger);
  ~SqliteLog() override;

  Result<> replay(Revision after, const Replay& replay) override;
  Result<Revision> head() override;
  Result<Meta> meta() override;
  Result<> append(const LogBatch& batch) override;
  Result<> sync() override;
  Result<std::string> read(Revision revision) override;
  Result<> prune(std::span<const Prune> prunes) override;
  Result<bool> reclaim() override;
  Result<> restore(Revision head, std::span<const LogEntry> entries,
                   std::span<const MetaChange> meta) override;
  LogStatus status() override;

 private:
  // An entry that the database does not have yet. Gone (pruned) ones keep their place with an empty record.
  struct Recent {
    Revision revision;
    std::string record;
  };
  using Facts = std::map<std::string, std::optional<std::string>>;

  SqliteLog(SqliteLogOptions options, Random& random, Logger logger)
      : options_(std::move(options)), random_(random), logger_(std::move(logger)) {}

  Result<> load(Files& files);
  Result<> open_journals(Files& files);
  Result<> open_database(Files& files);
  Result<> prepare_database();
  Result<> load_database();
  Result<> recover_journals();
  Result<> recover_journal(size_t which);
  Result<> begin_empty();
  Result<> begin_journal(size_t which, uint64_t generation);
  template <class T>
  Result<T> of_journal(size_t which, Result<T> outcome) const;
  Result<> or_remedy(Result<> outcome) const;

  Result<> replay_all(Revision after, const Replay& replay);
  bool ready_to_switch();
  Result<> switch_journals();
  void run_flusher();
  Result<> flush(Revision up_to, const Facts& facts, uint64_t generation);
  Result<> insert(Revision revision, std::string_view record);
  Result<> store_facts(const Facts& facts);
  Result<> measure();
  template <class Body>
  Result<> transaction(const Body& body);
  Result<> prune_stored(const Prune& prune);
  void prune_recent(const Prune& prune);
  Recent* recent(Revision revision);
  void set_health(const Result<>& outcome);

  const SqliteLogOptions options_;
  Random& random_;
  const Logger logger_;

  // The appending thread, and whoever syncs. Before the other mutexes.
  std::mutex append_mutex_;
  std::unique_ptr<Journal> journals_[2];
  size_t active_ = 0;
  uint64_t generation_ = 1;  // of the active journal

  // The writing connection: flusher, sweeper, restore. Before read_mutex_ and state_mutex_.
  std::mutex write_mutex_;
  std::unique_ptr<SqliteDb> writer_;
  SqliteStatement insert_;
  SqliteStatement select_for_update_;
  SqliteStatement delete_;
  SqliteStatement put_fact_;
  SqliteStatement delete_fact_;
  SqliteStatement put_state_;

  // The reading connection; also held around commits, so that readers never meet SQLite's lock.
  std::mutex read_mutex_;
  std::unique_ptr<SqliteDb> reader_;
  SqliteStatement select_;

  std::mutex state_mutex_;
  std::condition_variable flush_signal_;
  bool has_state_ = false;     // the database was in use before
  std::deque<Recent> recent_;  // ascending, without gaps
  Revision head_ = kEmptyHead;
  Revision stored_head_ = kEmptyHead;  // recent_ begins behind it
  Meta meta_;
  Facts changed_facts_;  // since the active journal began
  struct Flush {
    Revision up_to;
    Facts facts;
    uint64_t generation;
  };
  std::optional<Flush> flush_;  // what the retired journal holds
  uint64_t journal_sizes_ = 0;
  int64_t database_bytes_ = 0;
  int64_t database_used_bytes_ = 0;
  // Why appends, flushes and reads fail; empty while they work.
  Error append_error_;
  Error flush_error_;
  Error damage_;
  bool stopping_ = false;

  std::thread flusher_;
};

}  // namespace cloudless::store

// PgLog: a Log in a PostgreSQL database that several processes share.
//
//     cloudless_head(revision)                  one row; every append moves it, and fails if it was moved
//     cloudless_log(revision, writer, record)   one row a revision
//     cloudless_meta(key, value)                facts
//
// An append is one statement: it moves the head from the revision it extends, inserts its rows and notifies,
// or touches nothing. The head's row lock orders commits, so rows become visible in the order of their
// revisions. Other processes hear of it through LISTEN/NOTIFY on a connection of its own; head() asks the
// database, for reads that must see everything acknowledged anywhere.
//
// Every write is strict: a relaxed one that a crash takes back could have been seen by another process.
//
// When the connection is lost during an append, what became of it is looked up by the random number in
// `writer`.
#pragma once

#include <atomic>
#include <mutex>
#include <thread>

#include "base/log.hpp"
#include "base/random.hpp"
#include "store/log.hpp"
#include "store/pg_connection.hpp"

namespace cloudless::store {

class PgLog final : public Log {
 public:
  /// Creates the database and the tables where they are missing. `random` outlives the log.
  static Result<std::unique_ptr<PgLog>> open(std::string url, Random& random, Logger logger);
  ~PgLog() override;

  Result<> replay(Revision after, const Replay& replay) override;
  Result<Revision> head() override;
  Result<Meta> meta() override;
  Result<> append(const LogBatch& batch) override;
  Result<> sync() override { return {}; }
  Result<std::string> read(Revision revision) override;
  Result<> prune(std::span<const Prune> prunes) override;
  /// PostgreSQL's autovacuum does it.
  Result<bool> reclaim() override { return false; }
  Result<> restore(Revision head, std::span<const LogEntry> entries,
                   std::span<const MetaChange> meta) override;
  LogStatus status() override;
  bool shared() const override { return true; }
  void on_moved(std::function<void()> moved) override;

 private:
  PgLog(std::string url, Random& random, Logger logger);

  Result<> create_tables();
  // Runs a statement that does no harm twice, a second time if the connection was lost.
  Result<PgRows> ask(const std::string& sql, const std::vector<PgParam>& params = {});
  Result<> append_entries(const LogBatch& batch, int64_t writer);
  Result<> store_facts(std::span<const MetaChange> facts);
  Result<> append_in_transaction(const LogBatch& batch, int64_t writer);
  Result<> lock_head(Revision head);
  Result<> lock_facts(std::span<const std::string> keys);
  template <class Body>
  Result<> transaction(const Body& body);
  Result<> prune_keys(const Prune& prune);
  Result<bool> happened(const LogBatch& batch, int64_t writer);
  void note(const Result<>& outcome);

  void run_listener();
  Result<> listen();
  void wait_for_news(int timeout_ms);

  Random& random_;
  const Logger logger_;

  std::mutex mutex_;
  PgConnection connection_;
  Error error_;  // why the last statement failed; empty after success
  std::atomic<int> own_backend_{0};

  PgConnection news_;
  std::function<void()> moved_;
  int stop_event_ = -1;
  std::atomic<bool> stopping_{false};
  std::thread listener_;
};

}  // namespace cloudless::store

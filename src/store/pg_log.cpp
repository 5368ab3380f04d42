#include "store/pg_log.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "store/record.hpp"

namespace cloudless::store {
namespace {

constexpr int64_t kFormat = 1;
// Serializes the creation of tables between processes that start together.
constexpr int64_t kSetupLock = 0x434C6473;
// Rows that a replay fetches at a time.
constexpr int64_t kReplayRows = 1000;
// Rows that a restore sends at a time.
constexpr size_t kRestoreRows = 500;
// The listener reconnects after this, doubled from try to try up to the longest.
constexpr int kFirstReconnectMs = 50;
constexpr int kLongestReconnectMs = 2000;
// Without news for so long, the listener makes sure that it did not miss any.
constexpr int kResyncMs = 30'000;

constexpr const char* kTables = R"(
  CREATE TABLE IF NOT EXISTS cloudless_head (
    id int PRIMARY KEY CHECK (id = 1), revision bigint NOT NULL, format bigint NOT NULL);
  CREATE TABLE IF NOT EXISTS cloudless_log (
    revision bigint PRIMARY KEY, writer bigint NOT NULL, record bytea NOT NULL);
  ALTER TABLE cloudless_log ALTER COLUMN record SET STORAGE EXTERNAL;
  CREATE TABLE IF NOT EXISTS cloudless_meta (key text PRIMARY KEY, value bytea NOT NULL);
)";

constexpr const char* kAppend = R"(
  WITH moved AS (UPDATE cloudless_head SET revision = $1::bigint + $2::bigint
                 WHERE id = 1 AND revision = $1::bigint RETURNING 1)
  INSERT INTO cloudless_log
  SELECT $1::bigint + entry.n, $3::bigint, entry.record
  FROM moved, unnest($4::bytea[]) WITH ORDINALITY AS entry(record, n)
  RETURNING pg_notify('cloudless_log', ''))";

}  // namespace

PgLog::PgLog(std::string url, Random& random, Logger logger)
    : random_(random), logger_(std::move(logger)), connection_(url), news_(std::move(url)) {}

Result<std::unique_ptr<PgLog>> PgLog::open(std::string url, Random& random, Logger logger) {
  std::unique_ptr<PgLog> log(new PgLog(std::move(url), random, std::move(logger)));
  const std::lock_guard lock(log->mutex_);
  TRY(log->connection_.create_database_if_missing());
  TRY(log->create_tables());
  return log;
}

PgLog::~PgLog() { on_moved(nullptr); }

Result<> PgLog::create_tables() {
  return transaction([this]() -> Result<> {
    TRY(connection_.query("SELECT pg_advisory_xact_lock($1)", {PgParam::number(kSetupLock)}));
    TRY(connection_.execute(kTables));
    TRY(connection_.query(
        "INSERT INTO cloudless_head VALUES (1, $1::bigint, $2::bigint) ON CONFLICT DO NOTHING",
        {PgParam::number(kEmptyHead), PgParam::number(kFormat)}));
    const PgRows head = TRY(connection_.query("SELECT format FROM cloudless_head"));
    if (head.size() == 1 && head.number(0, 0) == kFormat) return {};
    return fail(Code::kDataLoss, "the database has another format; this program knows format {}", kFormat);
  });
}

void PgLog::note(const Result<>& outcome) {
  const bool was_failing = !error_.message.empty();
  const bool fails = !outcome && outcome.error().code != Code::kConflict;
  error_ = fails ? outcome.error() : Error();
  own_backend_ = connection_.backend_pid();
  if (fails && !was_failing) logger_.error("PostgreSQL fails", {{"error", error_}});
  if (!fails && was_failing) logger_.info("PostgreSQL works again");
}

Result<PgRows> PgLog::ask(const std::string& sql, const std::vector<PgParam>& params) {
  const bool was_connected = connection_.connected();
  Result<PgRows> rows = connection_.query(sql, params);
  if (!rows && was_connected && !connection_.connected()) rows = connection_.query(sql, params);
  note(rows ? Result<>() : std::unexpected(rows.error()));
  return rows;
}

Result<Revision> PgLog::head() {
  const std::lock_guard lock(mutex_);
  const PgRows rows = TRY(ask("SELECT revision FROM cloudless_head WHERE id = 1"));
  if (rows.size() != 1) return fail(Code::kDataLoss, "cloudless_head has lost its row");
  return rows.number(0, 0);
}

Result<Meta> PgLog::meta() {
  const std::lock_guard lock(mutex_);
  const PgRows rows = TRY(ask("SELECT key, value FROM cloudless_meta"));
  Meta meta;
  for (int i = 0; i < rows.size(); ++i) meta.emplace(rows.bytes(i, 0), rows.bytes(i, 1));
  return meta;
}

Result<> PgLog::replay(Revision after, const Replay& replay) {
  for (;;) {
    PgRows rows;
    {
      const std::lock_guard lock(mutex_);
      rows =
          TRY(ask("SELECT revision, record FROM cloudless_log WHERE revision > $1 ORDER BY revision LIMIT $2",
                  {PgParam::number(after), PgParam::number(kReplayRows)}));
    }
    for (int i = 0; i < rows.size(); ++i) {
      after = rows.number(i, 0);
      TRY(replay(after, rows.bytes(i, 1)));
    }
    if (rows.size() < kReplayRows) return {};
  }
}

Result<std::string> PgLog::read(Revision revision) {
  const std::lock_guard lock(mutex_);
  const PgRows rows =
      TRY(ask("SELECT record FROM cloudless_log WHERE revision = $1", {PgParam::number(revision)}));
  if (rows.size() == 0) return fail(Code::kNotFound, "revision {} is not in the log", revision);
  return std::string(rows.bytes(0, 0));
}

template <class Body>
Result<> PgLog::transaction(const Body& body) {
  TRY(connection_.execute("BEGIN"));
  Result<> done = body();
  if (done) return connection_.execute("COMMIT");
  if (connection_.connected() && !connection_.execute("ROLLBACK")) connection_.disconnect();
  return done;
}

Result<> PgLog::append_entries(const LogBatch& batch, int64_t writer) {
  std::vector<std::string_view> records;
  for (const LogEntry& entry : batch.entries) records.emplace_back(entry.record);
  const PgRows rows = TRY(connection_.query(
      kAppend, {PgParam::number(batch.head), PgParam::number(static_cast<int64_t>(records.size())),
                PgParam::number(writer), PgParam::blobs(records)}));
  if (std::cmp_equal(rows.size(), records.size())) return {};
  return fail(Code::kConflict, "the log's head is no longer {}", batch.head);
}

Result<> PgLog::store_facts(std::span<const MetaChange> facts) {
  for (const MetaChange& fact : facts) {
    if (fact.value) {
      TRY(
          connection_.query("INSERT INTO cloudless_meta VALUES ($1::text, $2::bytea) "
                            "ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value",
                            {PgParam::text(fact.key), PgParam::blob(*fact.value)}));
    } else {
      TRY(connection_.query("DELETE FROM cloudless_meta WHERE key = $1::text", {PgParam::text(fact.key)}));
    }
  }
  return connection_.execute("SELECT pg_notify('cloudless_log', '')");
}

// The head first, then the facts: all transactions lock in this order. What is read behind a lock is as it is
// then, not as it was when the transaction began (READ COMMITTED).
Result<> PgLog::append_in_transaction(const LogBatch& batch, int64_t writer) {
  return transaction([&]() -> Result<> {
    if (!batch.entries.empty()) {
      TRY(append_entries(batch, writer));
    } else if (batch.only_at_head) {
      TRY(lock_head(batch.head));
    }
    if (!batch.needs.empty()) TRY(lock_facts(batch.needs));
    return batch.meta.empty() ? Result<>() : store_facts(batch.meta);
  });
}

Result<> PgLog::lock_head(Revision head) {
  const PgRows rows =
      TRY(connection_.query("SELECT 1 FROM cloudless_head WHERE id = 1 AND revision = $1::bigint FOR UPDATE",
                            {PgParam::number(head)}));
  if (rows.size() == 1) return {};
  return fail(Code::kConflict, "the log's head is no longer {}", head);
}

Result<> PgLog::lock_facts(std::span<const std::string> keys) {
  for (const std::string& key : keys) {
    const PgRows rows = TRY(connection_.query("SELECT 1 FROM cloudless_meta WHERE key = $1::text FOR UPDATE",
                                              {PgParam::text(key)}));
    if (rows.size() != 1) return fail(Code::kConflict, "the fact {} is gone", key);
  }
  return {};
}

Result<bool> PgLog::happened(const LogBatch& batch, int64_t writer) {
  const PgRows rows = TRY(connection_.query("SELECT writer FROM cloudless_log WHERE revision = $1",
                                            {PgParam::number(batch.head + 1)}));
  return rows.size() == 1 && rows.number(0, 0) == writer;
}

Result<> PgLog::append(const LogBatch& batch) {
  const std::lock_guard lock(mutex_);
  if (batch.entries.empty() && batch.meta.empty()) return {};
  const auto writer = static_cast<int64_t>(random_.next());
  const auto attempt = [&] {
    return batch.meta.empty() && batch.needs.empty() ? append_entries(batch, writer)
                                                     : append_in_transaction(batch, writer);
  };
  const bool was_connected = connection_.connected();
  Result<> done = attempt();
  if (!done && was_connected && !connection_.connected()) {
    // Lost on the way: it happened, or it can be tried again. If the old server process should still finish
    // it, the second attempt finds the head moved.
    if (batch.entries.empty()) {
      done = attempt();
    } else if (Result<bool> known = happened(batch, writer); known) {
      done = *known ? Result<>() : attempt();
      if (!done && done.error().code == Code::kConflict && happened(batch, writer).value_or(false)) done = {};
    }
  }
  note(done);
  return done;
}

Result<> PgLog::prune(std::span<const Prune> prunes) {
  std::vector<int64_t> whole;
  for (const Prune& prune : prunes) {
    if (prune.keys.empty()) whole.push_back(prune.revision);
  }
  const std::lock_guard lock(mutex_);
  const Result<> done = transaction([&]() -> Result<> {
    for (const Prune& prune : prunes) {
      if (!prune.keys.empty()) TRY(prune_keys(prune));
    }
    TRY(connection_.query("DELETE FROM cloudless_log WHERE revision = ANY($1::bigint[])",
                          {PgParam::numbers(whole)}));
    return {};
  });
  note(done);
  return done;
}

Result<> PgLog::prune_keys(const Prune& prune) {
  const PgRows rows = TRY(connection_.query("SELECT record FROM cloudless_log WHERE revision = $1 FOR UPDATE",
                                            {PgParam::number(prune.revision)}));
  if (rows.size() == 0) return {};
  const std::string kept = TRY(prune_record(prune.revision, rows.bytes(0, 0), prune.keys));
  if (kept.empty()) {
    TRY(connection_.query("DELETE FROM cloudless_log WHERE revision = $1",
                          {PgParam::number(prune.revision)}));
  } else {
    TRY(connection_.query("UPDATE cloudless_log SET record = $2 WHERE revision = $1",
                          {PgParam::number(prune.revision), PgParam::blob(kept)}));
  }
  return {};
}

Result<> PgLog::restore(Revision head, std::span<const LogEntry> entries, std::span<const MetaChange> meta) {
  const std::lock_guard lock(mutex_);
  const Result<> done = transaction([&]() -> Result<> {
    const PgRows moved =
        TRY(connection_.query("UPDATE cloudless_head SET revision = $1 WHERE id = 1 AND revision = $2",
                              {PgParam::number(head), PgParam::number(kEmptyHead)}));
    if (moved.affected() != 1) return fail(Code::kConflict, "the store is not empty");
    for (size_t i = 0; i < entries.size(); i += kRestoreRows) {
      std::vector<int64_t> revisions;
      std::vector<std::string_view> records;
      for (const LogEntry& entry : entries.subspan(i, std::min(kRestoreRows, entries.size() - i))) {
        revisions.push_back(entry.revision);
        records.emplace_back(entry.record);
      }
      TRY(
          connection_.query("INSERT INTO cloudless_log SELECT revision, 0, record "
                            "FROM unnest($1::bigint[], $2::bytea[]) AS entry(revision, record)",
                            {PgParam::numbers(revisions), PgParam::blobs(records)}));
    }
    return store_facts(meta);
  });
  note(done);
  return done;
}

LogStatus PgLog::status() {
  const std::lock_guard lock(mutex_);
  LogStatus status;
  if (Result<PgRows> rows = ask("SELECT pg_total_relation_size('cloudless_log') + "
                                "pg_total_relation_size('cloudless_meta')")) {
    status.size_bytes = status.in_use_bytes = rows->number(0, 0);
  }
  if (error_.message.empty()) return status;
  status.reason = error_.message;
  status.health = error_.code == Code::kUnavailable ? Health::kUnreachable
                  : error_.code == Code::kDataLoss  ? Health::kDamaged
                                                    : Health::kReadOnly;
  return status;
}

void PgLog::on_moved(std::function<void()> moved) {
  if (listener_.joinable()) {
    stopping_ = true;
    const uint64_t one = 1;
    (void)!::write(stop_event_, &one, sizeof one);
    listener_.join();
    ::close(stop_event_);
    stop_event_ = -1;
    stopping_ = false;
  }
  moved_ = std::move(moved);
  if (!moved_) return;
  stop_event_ = ::eventfd(0, EFD_CLOEXEC);
  listener_ = std::thread([this] { run_listener(); });
}

void PgLog::wait_for_news(int timeout_ms) {
  pollfd waits[2] = {{stop_event_, POLLIN, 0}, {news_.socket(), POLLIN, 0}};
  ::poll(waits, news_.connected() ? 2 : 1, timeout_ms);
}

Result<> PgLog::listen() {
  TRY(news_.connect());
  TRY(news_.execute("LISTEN cloudless_log"));
  // Whatever happened before was not heard.
  moved_();
  return {};
}

void PgLog::run_listener() {
  int reconnect_ms = kFirstReconnectMs;
  while (!stopping_) {
    if (!news_.connected()) {
      if (!listen()) {
        news_.disconnect();
        wait_for_news(reconnect_ms);
        reconnect_ms = std::min(reconnect_ms * 2, kLongestReconnectMs);
        continue;
      }
      reconnect_ms = kFirstReconnectMs;
    }
    wait_for_news(kResyncMs);
    const Result<std::vector<int>> pids = news_.notifications();
    if (!pids) continue;
    // This process knows what it wrote itself; a wake-up without any notification is the resync.
    const int own = own_backend_;
    if (pids->empty() || std::ranges::any_of(*pids, [own](int pid) { return pid != own; })) moved_();
  }
  news_.disconnect();
}

}  // namespace cloudless::store

#include "store/sqlite_log.hpp"

#include <malloc.h>

#include <algorithm>
#include <filesystem>

#include "store/record.hpp"

namespace cloudless::store {
namespace {

// Marks the file as ours ("CLds") and its format, in SQLite's own header fields.
constexpr int64_t kApplicationId = 0x434C6473;
constexpr int64_t kFormat = 1;
// While the database cannot be written, the journal grows to this before appends fail.
constexpr uint64_t kLongestJournal = 64 << 20;
// A flush that fails is tried again after this.
constexpr std::chrono::seconds kFlushRetry{1};
// Free memory goes back to the system once no flush has followed the last one for so long.
constexpr std::chrono::seconds kQuietBeforeTrim{1};
// Free pages are given back once they are a quarter of the file and more than this, down to an eighth.
constexpr int64_t kFreePagesKept = 128;
// Pages given back in one step: 1 MB. A transaction is five syncs, however little it does.
constexpr int64_t kReclaimPages = 128;

// What is left to do where a file is damaged.
constexpr std::string_view kRestore =
    "restore all three files from a copy, or an export into a new one (cloudless store import)";

constexpr std::string_view kSchema = R"(
  CREATE TABLE IF NOT EXISTS log (revision INTEGER PRIMARY KEY, record BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS meta (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY CHECK (id = 1), head INTEGER NOT NULL,
                                    generation INTEGER NOT NULL);
)";

}  // namespace

Result<std::unique_ptr<SqliteLog>> SqliteLog::open(SqliteLogOptions options, Files& files, Random& random,
                                                   Logger logger) {
  std::unique_ptr<SqliteLog> log(new SqliteLog(std::move(options), random, std::move(logger)));
  TRY(log->or_remedy(log->load(files)));
  SqliteLog& opened = *log;
  log->flusher_ = std::thread([&opened] { opened.run_flusher(); });
  return log;
}

Result<> SqliteLog::load(Files& files) {
  TRY(open_journals(files));
  TRY(open_database(files));
  TRY(load_database());
  return recover_journals();
}

// Where a file is damaged: which, and what to do.
Result<> SqliteLog::or_remedy(Result<> outcome) const {
  if (outcome || outcome.error().code != Code::kDataLoss) return outcome;
  const std::string& message = outcome.error().message;
  return fail(Code::kDataLoss, "{}{}; {}", message.starts_with(options_.path) ? "" : options_.path + ": ",
              message, kRestore);
}

SqliteLog::~SqliteLog() {
  {
    const std::lock_guard lock(state_mutex_);
    stopping_ = true;
    flush_signal_.notify_all();
  }
  if (!flusher_.joinable()) return;
  flusher_.join();
  if (Result<> synced = sync(); !synced) logger_.error("closing the store", {{"error", synced.error()}});
}

Result<> SqliteLog::open_journals(Files& files) {
  const std::filesystem::path directory = std::filesystem::path(options_.path).parent_path();
  std::error_code error;
  if (!directory.empty()) std::filesystem::create_directories(directory, error);
  if (error) return fail(Code::kPermissionDenied, "create {}: {}", directory.string(), error.message());
  for (size_t i = 0; i < 2; ++i) {
    std::unique_ptr<File> file = TRY(files.open(fmt::format("{}-log{}", options_.path, i)));
    if (i == 0 && !TRY(file->try_lock())) {
      return fail(Code::kUnavailable, "{} is in use by another process; stop it, or name another file",
                  options_.path);
    }
    journals_[i] = std::make_unique<Journal>(std::move(file));
  }
  return {};
}

Result<> SqliteLog::open_database(Files& files) {
  // Made before SQLite would, since values are secrets: nobody else reads the files. SQLite's own journal
  // gets the same mode.
  TRY(files.open(options_.path));
  writer_ = TRY(SqliteDb::open(options_.path));
  TRY(prepare_database());
  insert_ = TRY(writer_->prepare("INSERT OR REPLACE INTO log VALUES (?, ?)"));
  select_for_update_ = TRY(writer_->prepare("SELECT record FROM log WHERE revision = ?"));
  delete_ = TRY(writer_->prepare("DELETE FROM log WHERE revision = ?"));
  put_fact_ = TRY(writer_->prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)"));
  delete_fact_ = TRY(writer_->prepare("DELETE FROM meta WHERE key = ?"));
  put_state_ = TRY(writer_->prepare("INSERT OR REPLACE INTO state VALUES (1, ?, ?)"));
  reader_ = TRY(SqliteDb::open(options_.path));
  TRY(reader_->execute("PRAGMA cache_size = -1024"));
  select_ = TRY(reader_->prepare("SELECT record FROM log WHERE revision = ?"));
  return {};
}

Result<> SqliteLog::prepare_database() {
  const int64_t tables = TRY(writer_->number("SELECT count(*) FROM sqlite_schema"));
  if (tables == 0) {
    // Before the first page is written, or they have no effect. 8 KiB pages hold seven values of 1 KB with
    // little left over.
    TRY(writer_->execute("PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL"));
    TRY(writer_->execute(
        fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, kFormat)));
  } else if (TRY(writer_->number("PRAGMA application_id")) != kApplicationId) {
    return fail(Code::kInvalid, "{} is a database of another program; name another file", options_.path);
  } else if (const int64_t format = TRY(writer_->number("PRAGMA user_version")); format != kFormat) {
    return fail(Code::kInvalid, "{} has format {}; this program knows format {}", options_.path, format,
                kFormat);
  }
  // cache_spill off keeps the file untouched until the commit; one flush fits in memory. The rollback journal
  // keeps its blocks from one transaction to the next, so that its syncs move no metadata.
  return writer_->execute(
      "PRAGMA journal_mode = PERSIST; PRAGMA journal_size_limit = 4194304;"
      "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -2048;"
      "PRAGMA cache_spill = OFF;" +
      std::string(kSchema));
}

Result<> SqliteLog::load_database() {
  SqliteStatement facts = TRY(writer_->prepare("SELECT key, value FROM meta"));
  while (TRY(facts.step())) meta_.emplace(facts.blob(0), facts.blob(1));
  SqliteStatement state = TRY(writer_->prepare("SELECT head, generation FROM state"));
  uint64_t stored_generation = 0;
  has_state_ = TRY(state.step());
  if (has_state_) {
    head_ = stored_head_ = state.integer(0);
    stored_generation = static_cast<uint64_t>(state.integer(1));
  }
  generation_ = stored_generation + 1;
  return measure();
}

// Journals whose generation the database has are free; of the others the younger one is continued, and the
// older one, if there is one, goes into the database. A database that is in use always has one to continue.
Result<> SqliteLog::recover_journals() {
  const uint64_t stored = generation_ - 1;
  uint64_t generations[2];
  for (size_t i = 0; i < 2; ++i) generations[i] = TRY(of_journal(i, journals_[i]->generation()));
  const size_t older = generations[0] < generations[1] ? 0 : 1;
  const size_t younger = 1 - older;
  if (generations[younger] <= stored) {
    if (has_state_) {
      return fail(Code::kDataLoss,
                  "{0}-log0 and {0}-log1 are missing or of an older copy: the last writes are lost",
                  options_.path);
    }
    return begin_empty();
  }
  if (generations[older] > stored) {
    TRY(recover_journal(older));
    flush_ =
        Flush{.up_to = head_, .facts = std::exchange(changed_facts_, {}), .generation = generations[older]};
  }
  TRY(recover_journal(younger));
  active_ = younger;
  generation_ = generations[younger];
  journal_sizes_ = journals_[0]->end() + journals_[1]->end();
  return {};
}

// The journal comes first, so that a database with a state never goes without.
Result<> SqliteLog::begin_empty() {
  TRY(begin_journal(0, generation_));
  active_ = 0;
  return put_state_.bind(1, head_).bind(2, int64_t{0}).run();
}

Result<> SqliteLog::begin_journal(size_t which, uint64_t generation) {
  journals_[which]->restart(generation, random_.next());
  return journals_[which]->sync();
}

Result<> SqliteLog::recover_journal(size_t which) {
  Journal::Visitor visitor;
  visitor.entry = [this](Revision revision, std::string_view record) -> Result<> {
    if (revision != head_ + 1) {
      return fail(Code::kDataLoss, "after revision {} comes {}; what is between is lost", head_, revision);
    }
    recent_.push_back({revision, std::string(record)});
    head_ = revision;
    return {};
  };
  visitor.fact = [this](std::string_view key, std::optional<std::string_view> value) {
    const std::string name(key);
    if (value) {
      changed_facts_[name] = meta_[name] = std::string(*value);
    } else {
      changed_facts_[name] = std::nullopt;
      meta_.erase(name);
    }
  };
  return of_journal(which, journals_[which]->recover(visitor, random_.next()));
}

// What a journal says, with its name.
template <class T>
Result<T> SqliteLog::of_journal(size_t which, Result<T> outcome) const {
  if (outcome || outcome.error().code != Code::kDataLoss) return outcome;
  return wrap(outcome.error(), "{}-log{}", options_.path, which);
}

Result<Revision> SqliteLog::head() {
  const std::lock_guard lock(state_mutex_);
  return head_;
}

Result<Meta> SqliteLog::meta() {
  const std::lock_guard lock(state_mutex_);
  return meta_;
}

Result<> SqliteLog::append(const LogBatch& batch) {
  const std::lock_guard append_lock(append_mutex_);
  {
    const std::lock_guard lock(state_mutex_);
    TRY(check_append(batch, head_, meta_));
  }
  Result<> done;
  if (journals_[active_]->end() >= options_.journal_bytes) {
    if (ready_to_switch()) {
      done = switch_journals();
    } else if (journals_[active_]->end() >= kLongestJournal) {
      const std::lock_guard lock(state_mutex_);
      return std::unexpected(
          flush_error_.message.empty()
              ? Error{Code::kUnavailable, "etcdserver: too many requests: the disk is too slow"}
              : flush_error_);
    }
  }
  if (done) done = journals_[active_]->append(batch, random_.next());
  set_health(done);
  if (!done) return done;

  const std::lock_guard lock(state_mutex_);
  // Copies: what is freed together lies together. Between nodes of the index it would leave holes.
  for (const LogEntry& entry : batch.entries) {
    recent_.push_back({entry.revision, entry.record});
    head_ = entry.revision;
  }
  for (const MetaChange& change : batch.meta) {
    changed_facts_[change.key] = change.value;
    if (change.value) {
      meta_[change.key] = *change.value;
    } else {
      meta_.erase(change.key);
    }
  }
  journal_sizes_ = journals_[0]->end() + journals_[1]->end();
  return {};
}

void SqliteLog::set_health(const Result<>& outcome) {
  const std::lock_guard lock(state_mutex_);
  const bool was_failing = !append_error_.message.empty();
  append_error_ = outcome ? Error() : outcome.error();
  if (!outcome && !was_failing) logger_.error("appending fails", {{"error", append_error_}});
  if (outcome && was_failing) logger_.info("appending works again");
}

Result<> SqliteLog::sync() {
  const std::lock_guard append_lock(append_mutex_);
  const Result<> done = journals_[active_]->sync();
  set_health(done);
  return done;
}

bool SqliteLog::ready_to_switch() {
  const std::lock_guard lock(state_mutex_);
  return !flush_;
}

// The full journal is made durable to its end first: the next generation must not survive what it builds on.
// The next one is there before the database has the full one's generation, so that its loss shows.
Result<> SqliteLog::switch_journals() {
  TRY(journals_[active_]->sync());
  TRY(begin_journal(1 - active_, generation_ + 1));
  const std::lock_guard lock(state_mutex_);
  flush_ = Flush{.up_to = head_, .facts = std::exchange(changed_facts_, {}), .generation = generation_};
  flush_signal_.notify_all();
  active_ = 1 - active_;
  ++generation_;
  return {};
}

SqliteLog::Recent* SqliteLog::recent(Revision revision) {
  if (recent_.empty() || revision < recent_.front().revision) return nullptr;
  const auto index = static_cast<size_t>(revision - recent_.front().revision);
  return index < recent_.size() ? &recent_[index] : nullptr;
}

Result<std::string> SqliteLog::read(Revision revision) {
  const auto missing = [&] { return fail(Code::kNotFound, "revision {} is not in the log", revision); };
  {
    const std::lock_guard lock(state_mutex_);
    if (const Recent* found = recent(revision)) {
      if (found->record.empty()) return missing();
      return found->record;
    }
  }
  const std::lock_guard lock(read_mutex_);
  const Result<bool> found = select_.bind(1, revision).step();
  if (!found) {
    if (found.error().code == Code::kDataLoss) {
      const std::lock_guard state_lock(state_mutex_);
      damage_ = found.error();
    }
    return std::unexpected(found.error());
  }
  if (!*found) {
    select_.reset();
    return missing();
  }
  std::string record(select_.blob(0));
  select_.reset();
  return record;
}

Result<> SqliteLog::replay(Revision after, const Replay& replay) {
  return or_remedy(replay_all(after, replay));
}

Result<> SqliteLog::replay_all(Revision after, const Replay& replay) {
  // The flusher moves entries from memory to the database; held off, it cannot move them past this reader.
  const std::lock_guard write_lock(write_mutex_);
  SqliteStatement rows =
      TRY(writer_->prepare("SELECT revision, record FROM log WHERE revision > ? ORDER BY revision"));
  rows.bind(1, after);
  while (TRY(rows.step())) TRY(replay(rows.integer(0), rows.blob(1)));
  std::vector<Recent> recent;
  {
    const std::lock_guard lock(state_mutex_);
    for (const Recent& entry : recent_) {
      if (entry.revision > after && !entry.record.empty()) recent.push_back(entry);
    }
  }
  for (const Recent& entry : recent) TRY(replay(entry.revision, entry.record));
  return {};
}

LogStatus SqliteLog::status() {
  const std::lock_guard lock(state_mutex_);
  const auto journals = static_cast<int64_t>(journal_sizes_);
  LogStatus status{.size_bytes = database_bytes_ + journals, .in_use_bytes = database_used_bytes_ + journals};
  for (const Error& error : {append_error_, flush_error_, damage_}) {
    if (error.message.empty()) continue;
    status.health = error.code == Code::kDataLoss ? Health::kDamaged : Health::kReadOnly;
    status.reason = error.message;
  }
  return status;
}

// After everything that changes the file, so that status() never waits for it.
Result<> SqliteLog::measure() {
  const int64_t page = TRY(writer_->number("PRAGMA page_size"));
  const int64_t pages = TRY(writer_->number("PRAGMA page_count"));
  const int64_t free = TRY(writer_->number("PRAGMA freelist_count"));
  const std::lock_guard lock(state_mutex_);
  database_bytes_ = page * pages;
  database_used_bytes_ = page * (pages - free);
  return {};
}

template <class Body>
Result<> SqliteLog::transaction(const Body& body) {
  TRY(writer_->execute("BEGIN IMMEDIATE"));
  Result<> done = body();
  if (done) {
    const std::lock_guard lock(read_mutex_);
    done = writer_->execute("COMMIT");
  }
  // SQLite has rolled back by itself after some errors; a second time does no harm.
  if (!done) (void)writer_->execute("ROLLBACK");
  if (done) done = measure();
  writer_->release_memory();
  return done;
}

Result<> SqliteLog::insert(Revision revision, std::string_view record) {
  return insert_.bind(1, revision).bind_blob(2, record).run();
}

Result<> SqliteLog::store_facts(const Facts& facts) {
  for (const auto& [key, value] : facts) {
    if (value) {
      TRY(put_fact_.bind_blob(1, key).bind_blob(2, *value).run());
    } else {
      TRY(delete_fact_.bind_blob(1, key).run());
    }
  }
  return {};
}

void SqliteLog::run_flusher() {
  std::unique_lock lock(state_mutex_);
  bool flushed = false;
  for (;;) {
    const auto wanted = [this] { return flush_ || stopping_; };
    if (flushed && !flush_signal_.wait_for(lock, kQuietBeforeTrim, wanted)) {
      // Flushes' pages and the records that they took along were megabytes; malloc would keep them.
      lock.unlock();
      ::malloc_trim(0);
      lock.lock();
    }
    flush_signal_.wait(lock, wanted);
    if (stopping_) return;
    const Flush work = *flush_;
    lock.unlock();
    const Result<> done = flush(work.up_to, work.facts, work.generation);
    lock.lock();
    if (done) {
      flush_error_ = {};
      flush_.reset();
      flushed = true;
      continue;
    }
    if (flush_error_.message.empty()) {
      logger_.error("the journal cannot go into the database", {{"error", done.error()}});
    }
    flush_error_ = done.error();
    flush_signal_.wait_for(lock, kFlushRetry, [this] { return stopping_; });
  }
}

Result<> SqliteLog::flush(Revision up_to, const Facts& facts, uint64_t generation) {
  const std::lock_guard write_lock(write_mutex_);
  // References to a deque's elements survive push_back; only this thread removes, and prune() waits for
  // write_mutex_.
  std::vector<const Recent*> entries;
  {
    const std::lock_guard lock(state_mutex_);
    for (const Recent& entry : recent_) {
      if (entry.revision > up_to) break;
      entries.push_back(&entry);
    }
  }
  TRY(transaction([&]() -> Result<> {
    for (const Recent* entry : entries) {
      if (!entry->record.empty()) TRY(insert(entry->revision, entry->record));
    }
    TRY(store_facts(facts));
    return put_state_.bind(1, up_to).bind(2, static_cast<int64_t>(generation)).run();
  }));
  // Appends wait while the lock is held, so it is not held for freeing them.
  std::vector<Recent> stored;
  stored.reserve(entries.size());
  const std::lock_guard lock(state_mutex_);
  while (!recent_.empty() && recent_.front().revision <= up_to) {
    stored.push_back(std::move(recent_.front()));
    recent_.pop_front();
  }
  stored_head_ = up_to;
  return {};
}

Result<> SqliteLog::prune(std::span<const Prune> prunes) {
  const std::lock_guard write_lock(write_mutex_);
  Revision stored = 0;
  {
    const std::lock_guard lock(state_mutex_);
    stored = stored_head_;
  }
  const auto is_stored = [stored](const Prune& prune) { return prune.revision <= stored; };
  if (std::ranges::any_of(prunes, is_stored)) {
    TRY(transaction([&]() -> Result<> {
      for (const Prune& prune : prunes) {
        if (is_stored(prune)) TRY(prune_stored(prune));
      }
      return {};
    }));
  }
  const std::lock_guard lock(state_mutex_);
  for (const Prune& prune : prunes) {
    if (!is_stored(prune)) prune_recent(prune);
  }
  return {};
}

Result<> SqliteLog::prune_stored(const Prune& prune) {
  if (!prune.keys.empty()) {
    if (!TRY(select_for_update_.bind(1, prune.revision).step())) {
      select_for_update_.reset();
      return {};
    }
    const std::string record(select_for_update_.blob(0));
    select_for_update_.reset();
    const std::string kept = TRY(prune_record(prune.revision, record, prune.keys));
    if (!kept.empty()) return insert(prune.revision, kept);
  }
  return delete_.bind(1, prune.revision).run();
}

void SqliteLog::prune_recent(const Prune& prune) {
  Recent* const entry = recent(prune.revision);
  if (!entry || entry->record.empty()) return;
  std::string kept;
  if (!prune.keys.empty()) {
    // A record in memory was checked when it came there.
    kept = prune_record(prune.revision, entry->record, prune.keys).value_or(std::string());
  }
  entry->record = std::move(kept);
  entry->record.shrink_to_fit();
}

Result<bool> SqliteLog::reclaim() {
  const std::lock_guard write_lock(write_mutex_);
  const int64_t pages = TRY(writer_->number("PRAGMA page_count"));
  const int64_t free = TRY(writer_->number("PRAGMA freelist_count"));
  if (free <= kFreePagesKept || free <= pages / 4) return false;
  const int64_t step = std::min(kReclaimPages, free - pages / 8);
  TRY(transaction([&] { return writer_->execute(fmt::format("PRAGMA incremental_vacuum({})", step)); }));
  return true;
}

Result<> SqliteLog::restore(Revision head, std::span<const LogEntry> entries,
                            std::span<const MetaChange> meta) {
  const std::lock_guard append_lock(append_mutex_);
  const std::lock_guard write_lock(write_mutex_);
  {
    const std::lock_guard lock(state_mutex_);
    if (head_ != kEmptyHead)
      return fail(Code::kConflict, "the store is not empty: its revision is {}", head_);
  }
  Facts facts;
  {
    const std::lock_guard lock(state_mutex_);
    for (const auto& [key, value] : meta_) facts[key] = value;
  }
  for (const MetaChange& change : meta) facts[change.key] = change.value;
  // The state names the active generation as stored, and a new one begins: nothing of the old journals counts
  // any more.
  const uint64_t stored = generation_;
  TRY(begin_journal(active_, stored + 1));
  generation_ = stored + 1;
  TRY(transaction([&]() -> Result<> {
    for (const LogEntry& entry : entries) TRY(insert(entry.revision, entry.record));
    TRY(store_facts(facts));
    return put_state_.bind(1, head).bind(2, static_cast<int64_t>(stored)).run();
  }));
  const std::lock_guard lock(state_mutex_);
  for (const auto& [key, value] : facts) {
    if (value) meta_[key] = *value;
  }
  changed_facts_.clear();
  recent_.clear();
  head_ = stored_head_ = head;
  return {};
}

}  // namespace cloudless::store

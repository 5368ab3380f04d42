#include "store/sqlite_db.hpp"

#include <sqlite3.h>

namespace cloudless::store {

// How long a statement waits for another process (a person's sqlite3, a backup) to let go of the file.
static constexpr int kBusyTimeoutMs = 5000;

void SqliteStatement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
void SqliteDb::Close::operator()(sqlite3* db) const { sqlite3_close_v2(db); }

SqliteStatement& SqliteStatement::bind(int index, int64_t value) {
  if (const int code = sqlite3_bind_int64(statement_.get(), index, value)) bind_error_ = code;
  return *this;
}

SqliteStatement& SqliteStatement::bind_blob(int index, std::string_view bytes) {
  // A null pointer would bind NULL instead of an empty blob.
  const void* const data = bytes.data() ? bytes.data() : "";
  if (const int code = sqlite3_bind_blob64(statement_.get(), index, data, bytes.size(), SQLITE_STATIC)) {
    bind_error_ = code;
  }
  return *this;
}

SqliteStatement& SqliteStatement::bind_text(int index, std::string_view text) {
  if (const int code = sqlite3_bind_text64(statement_.get(), index, text.data() ? text.data() : "",
                                           text.size(), SQLITE_STATIC, SQLITE_UTF8)) {
    bind_error_ = code;
  }
  return *this;
}

Result<bool> SqliteStatement::step() {
  const int code = bind_error_ ? bind_error_ : sqlite3_step(statement_.get());
  bind_error_ = 0;
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  Error error = db_->error_from(code);
  reset();
  return std::unexpected(std::move(error));
}

Result<> SqliteStatement::run() {
  while (TRY(step())) {
  }
  reset();
  return {};
}

void SqliteStatement::reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

int64_t SqliteStatement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string_view SqliteStatement::blob(int column) const {
  const void* const data = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return {static_cast<const char*>(data), data ? static_cast<size_t>(size) : 0};
}

Result<std::unique_ptr<SqliteDb>> SqliteDb::open(const std::string& path) {
  std::unique_ptr<SqliteDb> db(new SqliteDb(path));
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  db->db_.reset(raw);
  if (code != SQLITE_OK) return std::unexpected(db->error_from(code));
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, kBusyTimeoutMs);
  return db;
}

Error SqliteDb::error_from(int code) const {
  const char* const text = db_ ? sqlite3_errmsg(db_.get()) : sqlite3_errstr(code);
  Error error{Code::kUnavailable, fmt::format("{}: {}", path_, text)};
  // SQLite calls this a read-only database.
  if (code == SQLITE_READONLY_DBMOVED) {
    error.message =
        fmt::format("{} was removed or renamed while it is in use; stop the store and put it back", path_);
  }
  switch (code & 0xff) {
    case SQLITE_FULL:
      error.code = Code::kResourceExhausted;
      break;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
      error.code = Code::kPermissionDenied;
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      error.code = Code::kDataLoss;
      break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      error.message += " (another process uses this file)";
      break;
    default:
      break;
  }
  return error;
}

Result<> SqliteDb::execute(const std::string& sql) {
  const int code = sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return std::unexpected(error_from(code));
  return {};
}

Result<SqliteStatement> SqliteDb::prepare(std::string_view sql) {
  SqliteStatement statement;
  statement.db_ = this;
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  statement.statement_.reset(raw);
  if (code != SQLITE_OK) return std::unexpected(error_from(code));
  return statement;
}

Result<int64_t> SqliteDb::number(std::string_view sql) {
  SqliteStatement statement = TRY(prepare(sql));
  if (!TRY(statement.step())) return fail(Code::kDataLoss, "{}: {} has no answer", path_, sql);
  return statement.integer(0);
}

void SqliteDb::release_memory() { sqlite3_db_release_memory(db_.get()); }

}  // namespace cloudless::store

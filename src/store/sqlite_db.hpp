// SqliteDb: one connection to an SQLite file, and its prepared statements. Used by one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace cloudless::store {

class SqliteDb;

class SqliteStatement {
 public:
  SqliteStatement() = default;

  SqliteStatement& bind(int index, int64_t value);
  /// `bytes` stays alive until the statement has run.
  SqliteStatement& bind_blob(int index, std::string_view bytes);
  SqliteStatement& bind_text(int index, std::string_view text);

  /// True where there is a row, false at the end. Bind errors show here.
  Result<bool> step();
  /// Runs to the end and makes the statement ready for its next use.
  Result<> run();
  void reset();

  int64_t integer(int column) const;
  /// Valid until the next step() or reset().
  std::string_view blob(int column) const;

 private:
  friend class SqliteDb;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  SqliteDb* db_ = nullptr;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bind_error_ = 0;
};

class SqliteDb {
 public:
  static Result<std::unique_ptr<SqliteDb>> open(const std::string& path);

  Result<> execute(const std::string& sql);
  Result<SqliteStatement> prepare(std::string_view sql);
  /// One number: `PRAGMA page_count`.
  Result<int64_t> number(std::string_view sql);
  /// Gives page cache back to the system.
  void release_memory();

  /// kResourceExhausted: full; kPermissionDenied: read-only; kDataLoss: damaged or no database; kUnavailable:
  /// locked by another process, or an I/O error.
  Error error_from(int code) const;

 private:
  struct Close {
    void operator()(sqlite3* db) const;
  };
  explicit SqliteDb(std::string path) : path_(std::move(path)) {}

  const std::string path_;
  std::unique_ptr<sqlite3, Close> db_;
};

}  // namespace cloudless::store

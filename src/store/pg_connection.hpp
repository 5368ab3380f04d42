// PgConnection: one connection to PostgreSQL that comes back by itself. Used by one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

struct pg_conn;
struct pg_result;

namespace cloudless::store {

/// A parameter of a statement, in PostgreSQL's binary form.
struct PgParam {
  std::string bytes;

  static PgParam number(int64_t value);
  static PgParam text(std::string_view value) { return {std::string(value)}; }
  static PgParam blob(std::string_view value) { return {std::string(value)}; }
  static PgParam blobs(std::span<const std::string_view> values);
  static PgParam numbers(std::span<const int64_t> values);
};

class PgRows {
 public:
  int size() const;
  int64_t number(int row, int column) const;
  std::string_view bytes(int row, int column) const;
  /// Rows that an INSERT, UPDATE or DELETE touched.
  int64_t affected() const;

 private:
  friend class PgConnection;
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

class PgConnection {
 public:
  /// `url`: libpq's. Connects at first use.
  explicit PgConnection(std::string url) : url_(std::move(url)) {}

  /// Connects if there is no connection. kUnavailable where the server does not answer within seconds.
  Result<> connect();
  /// Creates the database that the URL names if the server has none of that name.
  Result<> create_database_if_missing();
  /// Runs one statement; `?` of parameters are $1, $2, ... A lost connection is kUnavailable, and connected()
  /// is false afterwards; whether the statement happened is then unknown.
  Result<PgRows> query(const std::string& sql, const std::vector<PgParam>& params = {});
  /// Runs statements without parameters or answers.
  Result<> execute(const std::string& sql);

  bool connected() const { return connection_ != nullptr; }
  void disconnect() { connection_.reset(); }
  int socket() const;
  /// The server's process for this connection; 0 without one.
  int backend_pid() const;
  /// Reads what has arrived. The processes that have notified since the last call; kUnavailable where the
  /// connection is lost.
  Result<std::vector<int>> notifications();

 private:
  struct Finish {
    void operator()(pg_conn* connection) const;
  };
  using Handle = std::unique_ptr<pg_conn, Finish>;
  static Handle open(const std::string& url);
  Error error_from(const pg_result* result);

  const std::string url_;
  Handle connection_;
};

}  // namespace cloudless::store

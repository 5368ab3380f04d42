#include "store/pg_connection.hpp"

#include <cstdlib>
#include <map>

#include "base/strings.hpp"
#include "store/libpq.hpp"

namespace cloudless::store {
namespace {

constexpr int kBinary = 1;
constexpr uint32_t kByteaType = 17;
constexpr uint32_t kBigintType = 20;
// A server that does not answer: connecting, and statements (which hold no locks for long), give up after
// this.
constexpr const char* kConnectTimeoutSeconds = "5";
constexpr const char* kTcpTimeoutMs = "10000";
constexpr const char* kSessionSettings =
    "SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '30s';"
    "SET client_min_messages = warning; SET synchronous_commit = on";

void put_big32(std::string& out, uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(number >> shift));
}

std::string big64(int64_t number) {
  std::string out;
  put_big32(out, static_cast<uint32_t>(static_cast<uint64_t>(number) >> 32));
  put_big32(out, static_cast<uint32_t>(number));
  return out;
}

// The header of a one-dimensional array without nulls (PostgreSQL: array_recv).
std::string array_header(uint32_t element_type, size_t count) {
  std::string out;
  put_big32(out, count > 0 ? 1 : 0);
  put_big32(out, 0);
  put_big32(out, element_type);
  if (count == 0) return out;
  put_big32(out, static_cast<uint32_t>(count));
  put_big32(out, 1);
  return out;
}

struct FreeConninfo {
  void operator()(PQconninfoOption* options) const { libpq().PQconninfoFree(options); }
};

}  // namespace

PgParam PgParam::number(int64_t value) { return {big64(value)}; }

PgParam PgParam::blobs(std::span<const std::string_view> values) {
  std::string out = array_header(kByteaType, values.size());
  for (const std::string_view value : values) {
    put_big32(out, static_cast<uint32_t>(value.size()));
    out += value;
  }
  return {std::move(out)};
}

PgParam PgParam::numbers(std::span<const int64_t> values) {
  std::string out = array_header(kBigintType, values.size());
  for (const int64_t value : values) {
    put_big32(out, sizeof value);
    out += big64(value);
  }
  return {std::move(out)};
}

void PgRows::Clear::operator()(pg_result* result) const { libpq().PQclear(result); }
int PgRows::size() const { return libpq().PQntuples(result_.get()); }
std::string_view PgRows::bytes(int row, int column) const {
  return {libpq().PQgetvalue(result_.get(), row, column),
          static_cast<size_t>(libpq().PQgetlength(result_.get(), row, column))};
}
int64_t PgRows::number(int row, int column) const {
  uint64_t number = 0;
  for (const char byte : bytes(row, column)) number = (number << 8) | static_cast<uint8_t>(byte);
  return static_cast<int64_t>(number);
}
int64_t PgRows::affected() const { return std::atoll(libpq().PQcmdTuples(result_.get())); }

void PgConnection::Finish::operator()(pg_conn* connection) const { libpq().PQfinish(connection); }

PgConnection::Handle PgConnection::open(const std::string& url) {
  const char* const names[] = {"connect_timeout", "tcp_user_timeout", "application_name", "dbname", nullptr};
  const char* const values[] = {kConnectTimeoutSeconds, kTcpTimeoutMs, "cloudless", url.c_str(), nullptr};
  return Handle(libpq().PQconnectdbParams(names, values, /*expand_dbname=*/1));
}

Result<> PgConnection::connect() {
  if (connection_) return {};
  TRY(load_libpq());
  Handle opened = open(url_);
  if (libpq().PQstatus(opened.get()) != CONNECTION_OK) {
    return fail(Code::kUnavailable, "etcdserver: no connection to PostgreSQL: {}",
                trim(libpq().PQerrorMessage(opened.get())));
  }
  connection_ = std::move(opened);
  return execute(kSessionSettings);
}

Result<> PgConnection::create_database_if_missing() {
  const Result<> connected = connect();
  if (connected) return {};
  if (connected.error().message.find("does not exist") == std::string::npos) return connected;
  char* parse_error = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeConninfo> options(
      libpq().PQconninfoParse(url_.c_str(), &parse_error));
  libpq().PQfreemem(parse_error);
  if (!options) return connected;
  std::vector<const char*> names;
  std::vector<const char*> values;
  std::string database;
  for (const PQconninfoOption* option = options.get(); option->keyword; ++option) {
    if (!option->val) continue;
    const bool is_database = std::string_view(option->keyword) == "dbname";
    if (is_database) database = option->val;
    names.push_back(option->keyword);
    values.push_back(is_database ? "postgres" : option->val);
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  const Handle maintenance(libpq().PQconnectdbParams(names.data(), values.data(), 0));
  if (database.empty() || libpq().PQstatus(maintenance.get()) != CONNECTION_OK) return connected;
  char* const quoted = libpq().PQescapeIdentifier(maintenance.get(), database.data(), database.size());
  const std::string sql = fmt::format("CREATE DATABASE {}", quoted ? quoted : "");
  libpq().PQfreemem(quoted);
  // Another process may be faster; connecting tells.
  libpq().PQclear(libpq().PQexec(maintenance.get(), sql.c_str()));
  return connect();
}

// SQLSTATE classes: PostgreSQL documentation, appendix A.
Error PgConnection::error_from(const pg_result* result) {
  Error error{Code::kUnavailable,
              fmt::format("etcdserver: PostgreSQL: {}", trim(libpq().PQerrorMessage(connection_.get())))};
  const char* const field = result ? libpq().PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
  const std::string_view state = field ? field : "";
  if (libpq().PQstatus(connection_.get()) == CONNECTION_BAD) {
    connection_.reset();
  } else if (state.starts_with("53")) {
    error.code = Code::kResourceExhausted;
  } else if (state == "25006" || state == "42501") {
    error.code = Code::kPermissionDenied;
  } else if (state == "XX001" || state == "XX002") {
    error.code = Code::kDataLoss;
  }
  return error;
}

Result<PgRows> PgConnection::query(const std::string& sql, const std::vector<PgParam>& params) {
  TRY(connect());
  std::vector<const char*> values;
  std::vector<int> lengths;
  for (const PgParam& param : params) {
    values.push_back(param.bytes.data());
    lengths.push_back(static_cast<int>(param.bytes.size()));
  }
  const std::vector<int> formats(params.size(), kBinary);
  PgRows rows;
  rows.result_.reset(libpq().PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(params.size()),
                                          nullptr, values.data(), lengths.data(), formats.data(), kBinary));
  const ExecStatusType status = libpq().PQresultStatus(rows.result_.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    return std::unexpected(error_from(rows.result_.get()));
  }
  return rows;
}

Result<> PgConnection::execute(const std::string& sql) {
  TRY(connect());
  PgRows rows;
  rows.result_.reset(libpq().PQexec(connection_.get(), sql.c_str()));
  const ExecStatusType status = libpq().PQresultStatus(rows.result_.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    return std::unexpected(error_from(rows.result_.get()));
  }
  return {};
}

int PgConnection::socket() const { return connection_ ? libpq().PQsocket(connection_.get()) : -1; }
int PgConnection::backend_pid() const { return connection_ ? libpq().PQbackendPID(connection_.get()) : 0; }

Result<std::vector<int>> PgConnection::notifications() {
  if (!connection_ || libpq().PQconsumeInput(connection_.get()) == 0) {
    if (!connection_) return fail(Code::kUnavailable, "etcdserver: no connection to PostgreSQL");
    Error error = error_from(nullptr);
    connection_.reset();
    return std::unexpected(std::move(error));
  }
  std::vector<int> pids;
  while (PGnotify* const notification = libpq().PQnotifies(connection_.get())) {
    pids.push_back(notification->be_pid);
    libpq().PQfreemem(notification);
  }
  return pids;
}

}  // namespace cloudless::store

// Every Log there is, for the contract suites.
#pragma once

#include "store/memory_log.hpp"
#include "store/pg_log.hpp"
#include "store/sqlite_log.hpp"
#include "store/testing/postgres_server.hpp"

namespace cloudless::store::testing {

enum class Backend { kMemory, kSqlite, kPostgres };

inline std::string backend_name(const ::testing::TestParamInfo<Backend>& info) {
  return info.param == Backend::kMemory ? "Memory" : info.param == Backend::kSqlite ? "Sqlite" : "Postgres";
}

/// Makes logs of one kind, on a place of its own; open() again gives the same data, but for memory.
class Logs {
 public:
  explicit Logs(Backend backend) : backend_(backend) {
    if (backend == Backend::kPostgres) url_ = PostgresServer::shared().new_database();
  }

  bool keeps_data() const { return backend_ != Backend::kMemory; }
  Result<std::unique_ptr<Log>> try_open() {
    if (backend_ == Backend::kMemory) return std::make_unique<MemoryLog>();
    if (backend_ == Backend::kPostgres) return TRY(PgLog::open(url_, random_, Logger()));
    // A small journal, so that tests cross its switches.
    return TRY(SqliteLog::open({.path = directory_.file("state.db"), .journal_bytes = 16 << 10}, *files_,
                               random_, Logger()));
  }
  std::unique_ptr<Log> open() {
    Result<std::unique_ptr<Log>> log = try_open();
    EXPECT_TRUE(log) << log.error().message;
    return log ? std::move(*log) : nullptr;
  }

 private:
  const Backend backend_;
  SystemRandom random_;
  TempDir directory_;
  std::unique_ptr<Files> files_ = make_system_files();
  std::string url_;
};

inline const auto kAllBackends = ::testing::Values(Backend::kMemory, Backend::kSqlite, Backend::kPostgres);

}  // namespace cloudless::store::testing

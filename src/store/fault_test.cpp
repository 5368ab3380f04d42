// What goes wrong with disks, files and databases, seen by the user of a Store.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "store/errors.hpp"
#include "store/testing_disk.hpp"
#include "store/testing_logs.hpp"

namespace cloudless::store::testing {
namespace {

using ::testing::HasSubstr;

struct Bench {
  Runner run;
  SystemClock clock;
  SystemRandom random;
  TempDir directory;

  std::unique_ptr<LocalStore> store_on(std::unique_ptr<Log> log) {
    auto store = LocalStore::open(std::move(log), {}, clock, random, Logger());
    EXPECT_TRUE(store) << store.error().message;
    return store ? std::move(*store) : nullptr;
  }
  Result<std::unique_ptr<SqliteLog>> sqlite(Files& files) {
    return SqliteLog::open({.path = directory.file("state.db")}, files, random, Logger());
  }
};

// What a disk says when it does not write, and what of it a client is told.
struct DiskFailure {
  std::string name;
  Error error;
};
void PrintTo(const DiskFailure& failure, std::ostream* out) { *out << failure.name; }

class FailingDisk : public ::testing::TestWithParam<DiskFailure> {};

TEST_P(FailingDisk, FailsWritesServesReadsAndHealsByItself) {
  const Error& error = GetParam().error;
  Bench bench;
  FaultyDisk disk(7);
  auto store = bench.store_on(std::move(*bench.sqlite(disk)));
  ASSERT_TRUE(bench.run(store->put(put("/a", "before"))));
  disk.fail_with(error);
  const Result<PutResponse> refused = bench.run(store->put(put("/a", "during")));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, error.code);
  EXPECT_THAT(refused.error().message, HasSubstr(error.message));
  EXPECT_EQ(view(bench.run(store->range(get("/a")))->kvs.at(0).value), "before");
  EXPECT_EQ(bench.run(store->status())->health, Health::kReadOnly);
  disk.fail_with(std::nullopt);
  EXPECT_EQ(bench.run(store->put(put("/a", "after")))->revision, 3);
  EXPECT_EQ(bench.run(store->status())->health, Health::kServing);
  store.reset();
  disk.lose_power();
  store = bench.store_on(std::move(*bench.sqlite(disk)));
  EXPECT_EQ(view(bench.run(store->range(get("/a")))->kvs.at(0).value), "after");
}

INSTANTIATE_TEST_SUITE_P(
    Every, FailingDisk,
    ::testing::Values(
        DiskFailure{"Full", {Code::kResourceExhausted, "write state.db-log0: No space left on device"}},
        DiskFailure{"ReadOnly", {Code::kPermissionDenied, "write state.db-log0: Read-only file system"}},
        DiskFailure{"Broken", {Code::kUnavailable, "write state.db-log0: Input/output error"}}),
    [](const auto& info) { return info.param.name; });

TEST(Fault, ASecondProcessOnTheSameFileIsRefused) {
  Bench bench;
  const auto files = make_system_files();
  const auto first = bench.sqlite(*files);
  ASSERT_TRUE(first);
  const auto second = bench.sqlite(*files);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kUnavailable);
  EXPECT_THAT(second.error().message, HasSubstr("in use by another process"));
}

TEST(Fault, ADamagedOrForeignDatabaseIsNamed) {
  const auto files = make_system_files();
  {
    Bench bench;
    std::ofstream(bench.directory.file("state.db")) << std::string(10'000, 'x');
    EXPECT_EQ(bench.sqlite(*files).error().code, Code::kDataLoss);
  }
  Bench bench;
  {
    auto other = SqliteDb::open(bench.directory.file("state.db"));
    ASSERT_TRUE((*other)->execute("CREATE TABLE kine (id INTEGER)"));
  }
  EXPECT_THAT(bench.sqlite(*files).error().message, HasSubstr("database of another program"));
}

TEST(Fault, ADirectoryThatCannotBeWrittenIsNamed) {
  Bench bench;
  const auto files = make_system_files();
  const auto log = SqliteLog::open({.path = "/proc/cloudless/state.db"}, *files, bench.random, Logger());
  ASSERT_FALSE(log);
  EXPECT_THAT(log.error().message, HasSubstr("/proc/cloudless"));
}

TEST(Fault, ADamagedRecordIsReportedAndTheRestIsServed) {
  Bench bench;
  auto log = std::make_unique<MemoryLog>();
  MemoryLog& memory = *log;
  auto opened =
      LocalStore::open(std::move(log), {.value_cache_bytes = 0}, bench.clock, bench.random, Logger());
  ASSERT_TRUE(opened);
  auto& store = *opened;
  ASSERT_TRUE(bench.run(store->put(put("/a", "1"))));
  ASSERT_TRUE(bench.run(store->put(put("/b", "2"))));
  ASSERT_TRUE(memory.prune(std::vector<Prune>{{2, {}}}));
  EXPECT_FALSE(bench.run(store->range(get("/a"))));
  EXPECT_EQ(view(bench.run(store->range(get("/b")))->kvs.at(0).value), "2");
}

TEST(Fault, PostgresGoneAndBackLosesNothingAcknowledged) {
  Bench bench;
  PostgresServer server;
  const std::string url = server.new_database();
  auto store = bench.store_on(std::move(*PgLog::open(url, bench.random, Logger())));
  auto watcher = std::move(*bench.run(store->watch({.key = "/", .range_end = "0"})));
  ASSERT_TRUE(bench.run(store->put(put("/a", "before"))));
  server.crash();
  const Result<PutResponse> refused = bench.run(store->put(put("/a", "during")));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_THAT(refused.error().message, HasSubstr("PostgreSQL"));
  EXPECT_EQ(bench.run(store->status())->health, Health::kUnreachable);
  RangeRequest stale = get("/a");
  stale.serializable = true;
  EXPECT_EQ(view(bench.run(store->range(stale))->kvs.at(0).value), "before");
  server.start();
  EXPECT_EQ(bench.run(store->put(put("/a", "after")))->revision, 3);
  EXPECT_EQ(bench.run(store->status())->health, Health::kServing);
  EXPECT_THAT(next_events(bench.run, *watcher, 2),
              ::testing::ElementsAre("put /a=before@2", "put /a=after@3"));
}

// The crash test's writer: several tasks count up their own keys and report each acknowledged write.
struct CrashWriter {
  Store& store;
  int report;

  static runtime::Task<void> count_up(CrashWriter& self, int worker, uint64_t from) {
    for (uint64_t n = from;; ++n) {
      const std::string text =
          fmt::format("{{\"kind\":\"Pod\",\"metadata\":{{\"name\":\"web\"}},\"n\":{:020}}}", n);
      const Result<PutResponse> done = co_await self.store.put(put(fmt::format("/k/{}", worker), text));
      if (!done) ::_exit(1);
      const uint64_t message[2] = {static_cast<uint64_t>(worker), n};
      if (::write(self.report, message, sizeof message) != sizeof message) ::_exit(2);
      (void)co_await self.store.put(put(fmt::format("/registry/leases/{}", worker), text));
    }
  }
};

constexpr int kCrashWorkers = 6;

uint64_t number_in(std::string_view value) {
  return std::stoull(std::string(value.substr(value.find("\"n\":") + 4)));
}

[[noreturn]] void run_crash_writer(const std::string& path, int report, const std::vector<uint64_t>& from) {
  SystemClock clock;
  SystemRandom random;
  const auto files = make_system_files();
  auto log = SqliteLog::open({.path = path, .journal_bytes = 8 << 10}, *files, random, Logger());
  if (!log) ::_exit(3);
  auto store = LocalStore::open(std::move(*log), {}, clock, random, Logger());
  if (!store) ::_exit(4);
  runtime::LoopThread thread("writer");
  CrashWriter writer{**store, report};
  runtime::TaskScope scope(thread.loop(), Logger());
  for (int i = 0; i < kCrashWorkers; ++i)
    scope.spawn(CrashWriter::count_up(writer, i, from[static_cast<size_t>(i)]));
  for (;;) ::pause();
}

// CLOUDLESS_CRASHES=1000 for a long night.
int kill_count() {
  const char* wanted = std::getenv("CLOUDLESS_CRASHES");
  return wanted ? std::atoi(wanted) : 60;
}

TEST(Fault, AKilledWriterLosesNothingItAcknowledged) {
#if __has_feature(thread_sanitizer)
  GTEST_SKIP() << "the thread sanitizer ends a forked process that starts threads";
#endif
  const int kills = kill_count();
  Bench bench;
  SeededRandom random(42);
  const std::string path = bench.directory.file("state.db");
  std::vector<uint64_t> acknowledged(kCrashWorkers, 0);
  Revision last_head = kEmptyHead;
  for (int kill_number = 0; kill_number < kills; ++kill_number) {
    int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    std::vector<uint64_t> from = acknowledged;
    for (uint64_t& n : from) ++n;
    const int child = ::fork();
    if (child == 0) run_crash_writer(path, pipe_ends[1], from);
    ::close(pipe_ends[1]);
    // Killed after a random number of reports, in the middle of whatever it does then.
    uint64_t message[2];
    for (uint64_t left = 1 + random.below(60); left > 0; --left) {
      ASSERT_EQ(::read(pipe_ends[0], message, sizeof message), static_cast<ssize_t>(sizeof message));
      acknowledged[message[0]] = message[1];
    }
    ::kill(child, SIGKILL);
    while (::read(pipe_ends[0], message, sizeof message) == static_cast<ssize_t>(sizeof message)) {
      acknowledged[message[0]] = message[1];
    }
    ::waitpid(child, nullptr, 0);
    ::close(pipe_ends[0]);

    const auto files = make_system_files();
    auto log = SqliteLog::open({.path = path, .journal_bytes = 8 << 10}, *files, bench.random, Logger());
    ASSERT_TRUE(log) << log.error().message;
    Revision expected = kEmptyHead;
    ASSERT_TRUE((*log)->replay(0, [&](Revision revision, std::string_view record) -> Result<> {
      EXPECT_EQ(revision, ++expected);
      return decode_record(revision, record, [](const Change&) { return true; });
    }));
    EXPECT_EQ(expected, *(*log)->head());
    EXPECT_GE(expected, last_head);
    last_head = expected;
    auto store = bench.store_on(std::move(*log));
    const Result<RangeResponse> found = bench.run(store->range(list("/k/")));
    ASSERT_TRUE(found);
    for (const KeyValue& kv : found->kvs) {
      const auto worker = static_cast<size_t>(std::stoi(kv.key.substr(3)));
      const uint64_t n = number_in(view(kv.value));
      EXPECT_GE(n, acknowledged[worker]) << kv.key << " after kill " << kill_number;
      EXPECT_LE(n, acknowledged[worker] + 1);
      acknowledged[worker] = n;
    }
  }
}

}  // namespace
}  // namespace cloudless::store::testing

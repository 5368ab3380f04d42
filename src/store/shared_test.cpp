// Several stores on one PostgreSQL, as several `cloudless` processes are.
#include <algorithm>

#include "store/errors.hpp"
#include "store/testing_logs.hpp"

namespace cloudless::store::testing {
namespace {

class SharedStores : public ::testing::Test {
 protected:
  std::unique_ptr<LocalStore> open() {
    auto log = PgLog::open(url_, random_, Logger());
    EXPECT_TRUE(log) << log.error().message;
    return std::move(*LocalStore::open(std::move(*log), {}, clock_, random_, Logger()));
  }

  const std::string url_ = PostgresServer::shared().new_database();
  SystemClock clock_;
  SystemRandom random_;
  Runner run_;
  std::unique_ptr<LocalStore> a_ = open();
  std::unique_ptr<LocalStore> b_ = open();
};

TEST_F(SharedStores, AReadSeesWhatWasAcknowledgedElsewhere) {
  for (int i = 0; i < 50; ++i) {
    LocalStore& writer = i % 2 ? *a_ : *b_;
    LocalStore& reader = i % 2 ? *b_ : *a_;
    ASSERT_TRUE(run_(writer.put(put("/a", std::to_string(i)))));
    EXPECT_EQ(view(run_(reader.range(get("/a")))->kvs.at(0).value), std::to_string(i));
  }
}

TEST_F(SharedStores, AWatchHearsOfWritesElsewhereWithoutAnyReading) {
  auto watcher = std::move(*run_(b_->watch({.key = "/", .range_end = "0"})));
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(run_(a_->put(put("/a", std::to_string(i)))));
    EXPECT_THAT(next_events(run_, *watcher, 1),
                ::testing::ElementsAre(fmt::format("put /a={}@{}", i, i + 2)));
  }
}

TEST_F(SharedStores, LeasesAreCommonToAll) {
  const Result<Lease> lease = run_(a_->grant_lease(0, std::chrono::seconds(60)));
  ASSERT_TRUE(lease);
  ASSERT_TRUE(run_(b_->keep_lease_alive(lease->id)));
  ASSERT_TRUE(run_(a_->put(put("/l", "1", lease->id))));
  ASSERT_TRUE(run_(b_->revoke_lease(lease->id)));
  EXPECT_EQ(run_(a_->range(get("/l")))->count, 0);
  EXPECT_EQ(run_(a_->keep_lease_alive(lease->id)).error(), errors::lease_not_found());
}

// Either the put comes first and its key goes with the lease, or the lease has gone and the put fails.
TEST_F(SharedStores, AKeyNeverOutlivesALeaseThatIsRevokedElsewhereAtThatMoment) {
  constexpr int kRounds = 30;
  const auto revoke = [](LocalStore& store, LeaseId id) -> runtime::Task<void> {
    EXPECT_TRUE(co_await store.revoke_lease(id));
  };
  runtime::LoopThread other("revoker");
  for (int i = 0; i < kRounds; ++i) {
    const std::string key = fmt::format("/l{}", i);
    const Result<Lease> lease = run_(a_->grant_lease(0, std::chrono::seconds(60)));
    ASSERT_TRUE(lease);
    // Both know of the lease, and every other time it has a key already.
    ASSERT_EQ(run_(b_->lease_time_to_live(lease->id, false))->granted_ttl, std::chrono::seconds(60));
    if (i % 2) ASSERT_TRUE(run_(b_->put(put(key + "first", "1", lease->id))));
    runtime::TaskScope scope(other.loop(), Logger());
    scope.spawn(revoke(*a_, lease->id));
    const Result<PutResponse> done = run_(b_->put(put(key, "1", lease->id)));
    if (!done) EXPECT_EQ(done.error(), errors::lease_not_found());
    runtime::run_blocking(other.loop(), scope.join());
    for (LocalStore* store : {a_.get(), b_.get()}) {
      EXPECT_EQ(run_(store->range(list(key)))->count, 0) << "round " << i;
    }
  }
}

TEST_F(SharedStores, ALeaseGrantedElsewhereCanBeUsedAtOnce) {
  for (int i = 0; i < 10; ++i) {
    const Result<Lease> lease = run_(a_->grant_lease(0, std::chrono::seconds(60)));
    ASSERT_TRUE(lease);
    ASSERT_TRUE(run_(b_->put(put("/l", "1", lease->id))));
    ASSERT_TRUE(run_(a_->revoke_lease(lease->id)));
    EXPECT_EQ(run_(b_->range(get("/l")))->count, 0);
  }
}

TEST_F(SharedStores, ALeaseThatHasGoneElsewhereIsNotExtended) {
  const Result<Lease> lease = run_(a_->grant_lease(0, std::chrono::seconds(60)));
  ASSERT_TRUE(run_(b_->keep_lease_alive(lease->id)));
  ASSERT_TRUE(run_(a_->revoke_lease(lease->id)));
  EXPECT_EQ(run_(b_->keep_lease_alive(lease->id)).error(), errors::lease_not_found());
  EXPECT_EQ(run_(b_->put(put("/l", "1", lease->id))).error(), errors::lease_not_found());
}

TEST_F(SharedStores, ACompactionElsewhereHoldsHere) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(run_(a_->put(put("/a", std::to_string(i)))));
  ASSERT_TRUE(run_(a_->compact(8, true)));
  EXPECT_EQ(run_(b_->compact(8, false)).error(), errors::compacted());
  EXPECT_EQ(run_(b_->range(get("/a", 5))).error(), errors::compacted());
  EXPECT_EQ(view(run_(b_->range(get("/a", 8)))->kvs.at(0).value), "6");
}

// One operation on a register as its client saw it.
struct Operation {
  std::chrono::steady_clock::time_point called;
  std::chrono::steady_clock::time_point returned;
  Revision read = 0;     // the mod revision that was read, or compared with
  Revision written = 0;  // the revision that a successful write made; 0 for reads
};

runtime::Task<void> contend(LocalStore& store, int rounds, std::vector<Operation>& history) {
  for (int i = 0; i < rounds; ++i) {
    Operation read{.called = std::chrono::steady_clock::now()};
    const Result<RangeResponse> response = co_await store.range(get("/register"));
    if (!response) continue;
    read.returned = std::chrono::steady_clock::now();
    read.read = response->kvs.empty() ? 0 : response->kvs[0].mod_revision;
    history.push_back(read);
    Operation write{.called = std::chrono::steady_clock::now(), .read = read.read};
    const Result<TxnResponse> done = co_await store.txn(
        {.compare = {mod_is("/register", read.read)}, .success = {put("/register", std::to_string(i))}});
    write.returned = std::chrono::steady_clock::now();
    if (!done || !done->succeeded) continue;
    write.written = done->revision;
    history.push_back(write);
  }
}

// With compare-and-swap on one register, whose revisions order all writes, linearizability is this: every
// write replaced exactly the one before it, and no operation missed a write that had been answered before it
// was called.
TEST_F(SharedStores, ConflictingWritersAreLinearizable) {
  constexpr int kWorkers = 4;
  constexpr int kRounds = 40;
  std::vector<std::vector<Operation>> histories(2 * kWorkers);
  {
    runtime::LoopThread thread_a("a");
    runtime::LoopThread thread_b("b");
    runtime::TaskScope scope_a(thread_a.loop(), Logger());
    runtime::TaskScope scope_b(thread_b.loop(), Logger());
    for (size_t i = 0; i < kWorkers; ++i) {
      scope_a.spawn(contend(*a_, kRounds, histories[i]));
      scope_b.spawn(contend(*b_, kRounds, histories[kWorkers + i]));
    }
    const auto join = [](runtime::TaskScope& scope) -> runtime::Task<void> { co_await scope.join(); };
    runtime::run_blocking(thread_a.loop(), join(scope_a));
    runtime::run_blocking(thread_b.loop(), join(scope_b));
    // A store answers from its own thread, so it ends before the loops that it answers to.
    a_.reset();
    b_.reset();
  }
  std::vector<Operation> all;
  for (const auto& history : histories) all.insert(all.end(), history.begin(), history.end());
  std::map<Revision, Operation> writes;
  for (const Operation& operation : all) {
    if (operation.written)
      ASSERT_TRUE(writes.emplace(operation.written, operation).second) << "a revision twice";
  }
  ASSERT_GT(writes.size(), 10u);
  Revision before = 0;
  for (const auto& [revision, write] : writes) {
    EXPECT_EQ(write.read, before);
    before = revision;
  }
  for (const Operation& operation : all) {
    const Revision seen = operation.written ? operation.written : operation.read;
    for (const auto& [revision, write] : writes) {
      if (write.returned < operation.called) EXPECT_GE(seen, revision) << "an answered write was missed";
      if (write.called > operation.returned) EXPECT_LT(seen, revision) << "a write was seen before it began";
    }
  }
}

}  // namespace
}  // namespace cloudless::store::testing

// The contract of Log, for every implementation.
#include "store/log.hpp"

#include "store/record.hpp"
#include "store/testing_logs.hpp"

namespace cloudless::store::testing {
namespace {

using ::testing::ElementsAre;

class LogContract : public ::testing::TestWithParam<Backend> {
 protected:
  static std::string record(Revision revision, std::vector<std::string> keys) {
    std::vector<Change> changes;
    for (const std::string& key : keys) {
      changes.push_back({.key = key, .create_revision = revision, .version = 1, .size = 1, .payload = "v"});
    }
    return encode_record(revision, changes);
  }
  Result<> append(Revision head, int count = 1, Durability durability = Durability::kStrict) {
    LogBatch batch{.head = head, .durability = durability};
    for (Revision r = head + 1; r <= head + count; ++r) batch.entries.push_back({r, record(r, {"/a", "/b"})});
    return log_->append(batch);
  }
  std::vector<Revision> replayed(Revision after) {
    std::vector<Revision> revisions;
    EXPECT_TRUE(log_->replay(after, [&](Revision revision, std::string_view bytes) -> Result<> {
      revisions.push_back(revision);
      return decode_record(revision, bytes, [](const Change&) { return true; });
    }));
    return revisions;
  }
  void reopen() {
    if (!logs_.keeps_data()) return;
    log_.reset();
    log_ = logs_.open();
  }

  Logs logs_{GetParam()};
  std::unique_ptr<Log> log_ = logs_.open();
};

TEST_P(LogContract, BeginsEmptyAtRevisionOne) {
  EXPECT_EQ(*log_->head(), kEmptyHead);
  EXPECT_THAT(replayed(0), ElementsAre());
  EXPECT_EQ(log_->read(2).error().code, Code::kNotFound);
}

TEST_P(LogContract, AppendsExtendTheHeadOrConflict) {
  ASSERT_TRUE(append(1, 2));
  EXPECT_EQ(append(1).error().code, Code::kConflict);
  EXPECT_EQ(append(4).error().code, Code::kConflict);
  ASSERT_TRUE(append(3));
  reopen();
  EXPECT_EQ(*log_->head(), 4);
  EXPECT_THAT(replayed(2), ElementsAre(3, 4));
  EXPECT_EQ(*log_->read(3), record(3, {"/a", "/b"}));
}

TEST_P(LogContract, FactsChangeWithTheirBatchOrNotAtAll) {
  ASSERT_TRUE(log_->append({.meta = {{"a", "1"}, {"b", std::string("\0x", 2)}}}));
  LogBatch batch{.head = 7, .entries = {{8, record(8, {"/a"})}}, .meta = {{"a", "lost"}}};
  EXPECT_FALSE(log_->append(batch));
  ASSERT_TRUE(log_->append({.meta = {{"b", std::nullopt}, {"c", ""}}}));
  reopen();
  EXPECT_THAT(*log_->meta(), ElementsAre(std::pair("a", "1"), std::pair("c", "")));
}

TEST_P(LogContract, ABatchOfFactsMayBindItselfToTheHead) {
  ASSERT_TRUE(append(1));
  const LogBatch late{.head = 1, .meta = {{"a", "1"}}, .only_at_head = true};
  EXPECT_EQ(log_->append(late).error().code, Code::kConflict);
  ASSERT_TRUE(log_->append({.head = 2, .meta = {{"a", "2"}}, .only_at_head = true}));
  EXPECT_EQ(log_->meta()->at("a"), "2");
}

TEST_P(LogContract, AnAppendConflictsWhereAFactThatItNeedsHasGone) {
  ASSERT_TRUE(log_->append({.meta = {{"lease", "1"}}}));
  LogBatch batch{.head = 1, .entries = {{2, record(2, {"/a"})}}, .needs = {"lease"}};
  ASSERT_TRUE(log_->append(batch));
  ASSERT_TRUE(log_->append({.meta = {{"lease", std::nullopt}}}));
  batch.head = 2;
  batch.entries = {{3, record(3, {"/a"})}};
  EXPECT_EQ(log_->append(batch).error().code, Code::kConflict);
  EXPECT_EQ(log_->append({.meta = {{"other", "1"}}, .needs = {"lease"}}).error().code, Code::kConflict);
  EXPECT_EQ(*log_->head(), 2);
  EXPECT_THAT(*log_->meta(), ElementsAre());
}

TEST_P(LogContract, PrunesWholeEntriesAndSingleKeys) {
  ASSERT_TRUE(append(1, 3));
  ASSERT_TRUE(log_->prune(std::vector<Prune>{{2, {}}, {3, {"/a"}}, {4, {"/a"}}, {4, {"/b"}}, {99, {}}}));
  EXPECT_THAT(replayed(0), ElementsAre(3));
  EXPECT_EQ(*log_->read(3), record(3, {"/b"}));
  EXPECT_EQ(log_->read(2).error().code, Code::kNotFound);
  EXPECT_EQ(*log_->head(), 4);
  ASSERT_TRUE(append(4));
}

TEST_P(LogContract, KeepsThousandsOfEntriesThroughItsInnerSwitches) {
  Revision head = kEmptyHead;
  for (int i = 0; i < 60; ++i, head += 50) {
    ASSERT_TRUE(append(head, 50, i % 3 ? Durability::kRelaxed : Durability::kStrict));
    ASSERT_TRUE(log_->append({.meta = {{"last", std::to_string(i)}}, .durability = Durability::kRelaxed}));
  }
  for (Revision r = 2; r <= head; r += 97) ASSERT_TRUE(log_->read(r)) << r;
  ASSERT_TRUE(log_->sync());
  reopen();
  EXPECT_EQ(*log_->head(), head);
  EXPECT_EQ(replayed(1).size(), 3000u);
  EXPECT_EQ(log_->meta()->at("last"), "59");
  ASSERT_TRUE(append(head));
}

TEST_P(LogContract, PruningAndReclaimingShrinkTheSpaceInUse) {
  ASSERT_TRUE(append(1, 3000));
  std::vector<Prune> prunes;
  for (Revision r = 2; r < 2900; ++r) prunes.push_back({r, {}});
  ASSERT_TRUE(log_->prune(prunes));
  int steps = 0;
  while (*log_->reclaim()) ASSERT_LT(++steps, 1000);
  EXPECT_EQ(replayed(0).size(), 102u);
  EXPECT_LE(log_->status().in_use_bytes, log_->status().size_bytes);
  EXPECT_EQ(log_->status().health, Health::kServing);
}

TEST_P(LogContract, RestoreFillsAnEmptyLogWithGaps) {
  const std::vector<LogEntry> entries = {{5, record(5, {"/a"})}, {9, record(9, {"/b"})}};
  ASSERT_TRUE(log_->restore(12, entries, std::vector<MetaChange>{{"k", "v"}}));
  EXPECT_EQ(log_->restore(12, entries, {}).error().code, Code::kConflict);
  ASSERT_TRUE(append(12));
  reopen();
  EXPECT_THAT(replayed(0), ElementsAre(5, 9, 13));
  EXPECT_EQ(log_->meta()->at("k"), "v");
}

INSTANTIATE_TEST_SUITE_P(Every, LogContract, kAllBackends, backend_name);

// Values are secrets.
TEST(SqliteFiles, AreTheirOwnersAlone) {
  TempDir directory;
  SystemRandom random;
  const auto files = make_system_files();
  const auto log = SqliteLog::open({.path = directory.file("state.db"), .journal_bytes = 1 << 10}, *files,
                                   random, Logger());
  ASSERT_TRUE(log) << log.error().message;
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    const auto others = entry.status().permissions() &
                        (std::filesystem::perms::group_all | std::filesystem::perms::others_all);
    EXPECT_EQ(others, std::filesystem::perms::none) << entry.path();
    ++seen;
  }
  EXPECT_GE(seen, 3);
}

}  // namespace
}  // namespace cloudless::store::testing

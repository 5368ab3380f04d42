// `cloudless store` on files that something has damaged: it says which file and what to do, or serves what is
// intact. What it serves is always a state that the store was in, never anything else, and it never crashes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <functional>

#include "base/random.hpp"
#include "etcd/store_process.hpp"
#include "store/sqlite_db.hpp"

namespace cloudless::etcd::testing {
namespace {

using cloudless::testing::eventually;
using cloudless::testing::read_file;
using cloudless::testing::TempDir;
using cloudless::testing::write_file;
using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr int kKeys = 300;
constexpr int kKeysPerWrite = 100;
constexpr size_t kValueBytes = 1024;
// More than fills both journals, so that the database alone holds the beginning and a journal alone the end.
constexpr int kWrites = 90;
// More than fills one.
constexpr int kLockedWrites = 52;
constexpr size_t kPage = 8192;
const std::string kFiles[] = {"state.db", "state.db-log0", "state.db-log1"};

using State = std::map<std::string, std::string>;

// A store's files, and what it held after each revision.
class History {
 public:
  static const History& shared() {
    static const History history;
    return history;
  }

  void copy_to(const TempDir& dir) const {
    for (const std::string& file : kFiles) std::filesystem::copy_file(dir_ / file, dir / file);
  }
  /// The state at a revision; the first is 1, of nothing.
  const State& at(int64_t revision) const { return states_.at(static_cast<size_t>(revision - 1)); }
  int64_t last() const { return static_cast<int64_t>(states_.size()); }

 private:
  History() {
    StoreProcess store(dir_ / "state.db", dir_);
    if (!store.serves()) throw std::runtime_error(store.output());
    KvClient client(store.endpoint());
    SeededRandom random(1);
    states_.emplace_back();
    for (int write = 0; write < kWrites; ++write) {
      State changes;
      for (int i = 0; i < kKeysPerWrite; ++i) {
        const int key = (write * kKeysPerWrite + i) % kKeys;
        changes[fmt::format("/k/{:03}", key)] = random.bytes(kValueBytes);
      }
      if (!client.put_all(changes).ok()) throw std::runtime_error("a write failed");
      states_.push_back(states_.back());
      for (auto& [key, value] : changes) states_.back()[key] = std::move(value);
    }
    // What waits for the flush comes with the next start otherwise, which does as well but is another case.
    if (!eventually([&] { return std::filesystem::file_size(dir_ / "state.db") > 6 << 20; })) {
      throw std::runtime_error("the database has stayed small");
    }
    store.kill(SIGTERM);
  }

  const TempDir dir_;
  std::vector<State> states_;
};

struct Damage {
  std::string name;
  int times;
  std::function<void(SeededRandom& random, const TempDir& dir)> apply;
  // Whether what was written last may be missing where the store serves all the same.
  bool may_lose_the_end;
};
void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

void overwrite(const std::string& path, size_t offset, const std::string& bytes) {
  std::string content = read_file(path);
  content.replace(offset, std::min(bytes.size(), content.size() - offset), bytes);
  write_file(path, content);
}

// Bytes of a journal that are in use: it is filled with zeros behind them.
size_t used_bytes(const std::string& path) { return read_file(path).find_last_not_of('\0') + 1; }

std::string random_journal(SeededRandom& random, const TempDir& dir) {
  return dir / kFiles[1 + random.below(2)];
}

const Damage kDamages[] = {
    {"ADatabasePageIsRandom", 12,
     [](SeededRandom& random, const TempDir& dir) {
       const std::string path = dir / "state.db";
       overwrite(path, random.below(std::filesystem::file_size(path) / kPage) * kPage, random.bytes(kPage));
     },
     false},
    {"ADatabasePageIsBlank", 8,
     [](SeededRandom& random, const TempDir& dir) {
       const std::string path = dir / "state.db";
       overwrite(path, random.below(std::filesystem::file_size(path) / kPage) * kPage,
                 std::string(kPage, '\0'));
     },
     false},
    {"ADatabaseByteIsFlipped", 8,
     [](SeededRandom& random, const TempDir& dir) {
       const std::string path = dir / "state.db";
       const size_t at = random.below(std::filesystem::file_size(path));
       overwrite(path, at, std::string(1, static_cast<char>(read_file(path)[at] ^ 0x10)));
     },
     false},
    {"TheDatabaseIsCutShort", 6,
     [](SeededRandom& random, const TempDir& dir) {
       const std::string path = dir / "state.db";
       std::filesystem::resize_file(path, random.below(std::filesystem::file_size(path)));
     },
     false},
    {"TheDatabaseIsEmpty", 1,
     [](SeededRandom&, const TempDir& dir) { std::filesystem::resize_file(dir / "state.db", 0); }, false},
    {"TheDatabaseHeaderIsGarbage", 3,
     [](SeededRandom& random, const TempDir& dir) { overwrite(dir / "state.db", 0, random.bytes(100)); },
     false},
    {"TheDatabaseIsGone", 1,
     [](SeededRandom&, const TempDir& dir) { std::filesystem::remove(dir / "state.db"); }, false},
    {"AJournalIsCutShort", 8,
     [](SeededRandom& random, const TempDir& dir) {
       const std::string path = random_journal(random, dir);
       std::filesystem::resize_file(path, random.below(used_bytes(path)));
     },
     true},
    // What was written last cannot be told from what a power cut has torn.
    {"AJournalBlockIsRandom", 12,
     [](SeededRandom& random, const TempDir& dir) {
       const std::string path = random_journal(random, dir);
       const size_t last_write = kKeysPerWrite * (kValueBytes + 64);
       overwrite(path, random.below(used_bytes(path) - last_write), random.bytes(512));
     },
     false},
    {"TheEndOfAJournalIsRandom", 4,
     [](SeededRandom& random, const TempDir& dir) {
       const std::string path = random_journal(random, dir);
       overwrite(path, used_bytes(path) - 1000, random.bytes(512));
     },
     true},
    {"AJournalHeaderIsGarbage", 4,
     [](SeededRandom& random, const TempDir& dir) {
       overwrite(random_journal(random, dir), 0, random.bytes(32));
     },
     false},
    {"AJournalHeaderIsBlank", 4,
     [](SeededRandom& random, const TempDir& dir) {
       overwrite(random_journal(random, dir), 0, std::string(512, '\0'));
     },
     false},
    {"AJournalIsGone", 4,
     [](SeededRandom& random, const TempDir& dir) { std::filesystem::remove(random_journal(random, dir)); },
     false},
    {"TheJournalsAreGone", 1,
     [](SeededRandom&, const TempDir& dir) {
       std::filesystem::remove(dir / kFiles[1]);
       std::filesystem::remove(dir / kFiles[2]);
     },
     false},
};

class Damaged : public ::testing::TestWithParam<Damage> {
 protected:
  void start_on(const TempDir& dir) {
    const TempDir scratch;
    StoreProcess store(dir / "state.db", scratch);
    if (!store.serves()) {
      const int status = store.wait();
      EXPECT_GT(status, 0) << store.output();
      EXPECT_LT(status, 128) << "it ended by a signal: " << store.output();
      EXPECT_THAT(store.output(), HasSubstr(dir / "state.db"));
      EXPECT_THAT(store.output(), AnyOf(HasSubstr("restore"), HasSubstr("name another file")));
      ++refused_;
      return;
    }
    const std::optional<etcdserverpb::RangeResponse> all = KvClient(store.endpoint()).all();
    // Damage that shows only when a value is read.
    if (!all) return;
    expect_a_state_of_the_past(*all);
    store.kill(SIGTERM);
  }
  void expect_a_state_of_the_past(const etcdserverpb::RangeResponse& all) const {
    const History& history = History::shared();
    const int64_t revision = all.header().revision();
    ASSERT_LE(revision, history.last());
    if (!GetParam().may_lose_the_end) EXPECT_EQ(revision, history.last()) << "writes are lost without a word";
    State found;
    for (const auto& kv : all.kvs()) found[kv.key()] = kv.value();
    EXPECT_TRUE(found == history.at(revision)) << "not what the store was at revision " << revision;
  }

  int refused_ = 0;
};

TEST_P(Damaged, IsNamedOrDoesNotMatter) {
  for (int i = 0; i < GetParam().times; ++i) {
    SCOPED_TRACE(i);
    SeededRandom random(static_cast<uint64_t>(i) + 100);
    const TempDir dir;
    History::shared().copy_to(dir);
    GetParam().apply(random, dir);
    start_on(dir);
  }
  RecordProperty("refused", refused_);
}

INSTANTIATE_TEST_SUITE_P(Files, Damaged, ::testing::ValuesIn(kDamages),
                         [](const auto& info) { return info.param.name; });

TEST(StoreFiles, UndamagedAreServed) {
  const TempDir dir;
  History::shared().copy_to(dir);
  const TempDir scratch;
  StoreProcess store(dir / "state.db", scratch);
  ASSERT_TRUE(store.serves()) << store.output();
  EXPECT_EQ(KvClient(store.endpoint()).all()->header().revision(), History::shared().last());
}

TEST(StoreFiles, ASecondProcessIsToldWhoHasThem) {
  const TempDir dir;
  StoreProcess first(dir / "state.db", dir);
  ASSERT_TRUE(first.serves());
  StoreProcess second(dir / "state.db", dir);
  EXPECT_FALSE(second.serves());
  EXPECT_GT(second.wait(), 0);
  EXPECT_THAT(second.output(), HasSubstr((dir / "state.db") + " is in use by another process"));
  EXPECT_TRUE(KvClient(first.endpoint()).put("/a", "1").ok());
}

// Another program (a person's sqlite3, a backup) holds SQLite's own lock.
class LockedByAnother {
 public:
  explicit LockedByAnother(const std::string& path) : db_(std::move(*store::SqliteDb::open(path))) {
    EXPECT_TRUE(db_->execute("BEGIN EXCLUSIVE"));
  }
  ~LockedByAnother() { EXPECT_TRUE(db_->execute("ROLLBACK")); }

 private:
  std::unique_ptr<store::SqliteDb> db_;
};

TEST(StoreFiles, LockedAtTheStartAreNamed) {
  const TempDir dir;
  History::shared().copy_to(dir);
  const LockedByAnother lock(dir / "state.db");
  StoreProcess store(dir / "state.db", dir);
  EXPECT_FALSE(store.serves());
  EXPECT_GT(store.wait(), 0);
  EXPECT_THAT(store.output(), HasSubstr((dir / "state.db") + ": database is locked"));
}

TEST(StoreFiles, LockedForAWhileHoldUpNoWritesAndLoseNone) {
  const TempDir dir;
  SeededRandom random(3);
  State written;
  const auto write = [&](KvClient& client, int number) {
    State changes;
    for (int i = 0; i < kKeysPerWrite; ++i) {
      changes[fmt::format("/l/{:03}/{:02}", number, i)] = random.bytes(kValueBytes);
    }
    ASSERT_TRUE(client.put_all(changes).ok()) << number;
    written.merge(changes);
  };
  {
    StoreProcess store(dir / "state.db", dir);
    ASSERT_TRUE(store.serves());
    KvClient client(store.endpoint());
    {
      const LockedByAnother lock(dir / "state.db");
      // More than a journal's worth, which cannot go into the database.
      for (int i = 0; i < kLockedWrites; ++i) ASSERT_NO_FATAL_FAILURE(write(client, i));
      EXPECT_EQ(client.get(written.begin()->first), written.begin()->second);
    }
    // Afterwards the database takes it all in by itself.
    EXPECT_TRUE(eventually([&] { return std::filesystem::file_size(dir / "state.db") > 2 << 20; }));
    ASSERT_NO_FATAL_FAILURE(write(client, kLockedWrites));
    store.kill(SIGKILL);
  }
  StoreProcess store(dir / "state.db", dir);
  ASSERT_TRUE(store.serves()) << store.output();
  const auto all = KvClient(store.endpoint()).all();
  ASSERT_TRUE(all);
  State found;
  for (const auto& kv : all->kvs()) found[kv.key()] = kv.value();
  EXPECT_TRUE(found == written);
}

TEST(StoreFiles, AJournalThatIsRemovedWhileInUseEndsWritesWithAWord) {
  const TempDir dir;
  StoreProcess store(dir / "state.db", dir);
  ASSERT_TRUE(store.serves());
  KvClient client(store.endpoint());
  ASSERT_TRUE(client.put("/a", "1").ok());
  std::filesystem::remove(dir / "state.db-log0");
  const grpc::Status refused = client.put("/a", "2");
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(refused.error_message(), HasSubstr("state.db-log0 was removed"));
  EXPECT_EQ(client.get("/a"), "1");
}

TEST(StoreFiles, ADatabaseThatIsRemovedWhileInUseIsReportedAndLosesNoWordOfIt) {
  const TempDir dir;
  History::shared().copy_to(dir);
  StoreProcess store(dir / "state.db", dir);
  ASSERT_TRUE(store.serves());
  KvClient client(store.endpoint());
  std::filesystem::remove(dir / "state.db");
  SeededRandom random(4);
  // Until the journal is full and cannot go where it belongs.
  ASSERT_TRUE(eventually([&] {
    State changes;
    for (int i = 0; i < kKeysPerWrite; ++i) changes[fmt::format("/g/{:03}", i)] = random.bytes(kValueBytes);
    return !client.put_all(changes).ok() ||
           store.output().find("cannot go into the database") != std::string::npos;
  })) << store.output();
  EXPECT_THAT(store.output(), HasSubstr((dir / "state.db") + " was removed or renamed"));
  EXPECT_EQ(client.get("/k/000"), History::shared().at(History::shared().last()).at("/k/000"));
  store.kill(SIGTERM);
  // It does not begin again as if there had been nothing.
  StoreProcess again(dir / "state.db", dir);
  EXPECT_FALSE(again.serves());
  EXPECT_THAT(again.output(), HasSubstr("restore"));
}

}  // namespace
}  // namespace cloudless::etcd::testing

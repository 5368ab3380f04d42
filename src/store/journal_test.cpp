#include "store/journal.hpp"

#include "store/testing.hpp"
#include "store/testing_disk.hpp"

namespace cloudless::store::testing {
namespace {

struct Recovered {
  std::vector<std::string> records;
  std::map<std::string, std::string> facts;
};

Recovered recover(Journal& journal, uint64_t mark) {
  Recovered found;
  Journal::Visitor visitor;
  visitor.entry = [&](Revision, std::string_view record) -> Result<> {
    found.records.emplace_back(record);
    return {};
  };
  visitor.fact = [&](std::string_view key, std::optional<std::string_view> value) {
    if (value) {
      found.facts[std::string(key)] = std::string(*value);
    } else {
      found.facts.erase(std::string(key));
    }
  };
  EXPECT_TRUE(journal.recover(visitor, mark));
  return found;
}

LogBatch batch_of(std::string record, Durability durability) {
  LogBatch batch{.durability = durability};
  batch.entries.push_back({2, std::move(record)});
  return batch;
}

// Appends of random sizes and classes, failing now and then, until the power goes; again and again on one
// file.
TEST(Journal, KeepsEveryStrictBatchAndAPrefixOfTheRestThroughFailuresAndPowerCuts) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SeededRandom random(seed);
    FaultyDisk disk(seed);
    std::vector<std::string> accepted;
    size_t durable = 0;
    {
      Journal journal(*disk.open("j"));
      journal.restart(1, random.next());
      ASSERT_TRUE(journal.sync());
    }
    for (int life = 0; life < 4; ++life) {
      Journal journal(*disk.open("j"));
      const Recovered found = recover(journal, random.next());
      ASSERT_GE(found.records.size(), durable) << "seed " << seed;
      // What failed may have survived, but only as the last thing before the cut.
      const size_t common = std::min(found.records.size(), accepted.size());
      for (size_t i = 0; i < common; ++i) {
        if (found.records[i] != accepted[i]) {
          ASSERT_GE(i, durable) << "seed " << seed;
          break;
        }
      }
      accepted = found.records;
      durable = accepted.size();
      for (int i = 0; i < 30; ++i) {
        const bool failing = random.below(5) == 0;
        if (failing) disk.fail_with(Error{Code::kResourceExhausted, "disk full"});
        const Durability durability = random.below(2) ? Durability::kStrict : Durability::kRelaxed;
        std::string record = fmt::format("{}:{}:", life, i) + random.bytes(random.below(900));
        const Result<> done = journal.append(batch_of(record, durability), random.next());
        disk.fail_with(std::nullopt);
        if (!done) continue;
        accepted.push_back(std::move(record));
        if (durability == Durability::kStrict) durable = accepted.size();
      }
      disk.lose_power();
    }
  }
}

TEST(Journal, OldGenerationsNeverShineThrough) {
  FaultyDisk disk(1);
  Journal journal(*disk.open("j"));
  journal.restart(1, 11);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(journal.append(batch_of("old", Durability::kStrict), 0));
  journal.restart(2, 12);
  ASSERT_TRUE(journal.append(batch_of("new", Durability::kStrict), 0));
  Journal again(*disk.open("j"));
  EXPECT_EQ(*again.generation(), 2u);
  EXPECT_THAT(recover(again, 13).records, ::testing::ElementsAre("new"));
}

// Ten strict appends of a kilobyte on one file, of generation 1.
void fill(FaultyDisk& disk) {
  Journal journal(*disk.open("j"));
  journal.restart(1, 11);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(journal.append(batch_of(std::string(1000, 'x'), Durability::kStrict), 0));
  }
}

void damage(FaultyDisk& disk, uint64_t block) {
  const auto file = *disk.open("j");
  std::string bytes = *file->read_at(block * FaultyDisk::kBlock, FaultyDisk::kBlock);
  bytes[100] = static_cast<char>(bytes[100] ^ 1);
  ASSERT_TRUE(file->write_at(block * FaultyDisk::kBlock, bytes));
  ASSERT_TRUE(file->sync());
}

TEST(Journal, DamageIsAnErrorWhereSomethingDurableFollowsAndATornEndWhereNothingDoes) {
  constexpr uint64_t kBlocks = 10 * 1000 / FaultyDisk::kBlock + 1;
  for (uint64_t block = 0; block < kBlocks; ++block) {
    FaultyDisk disk(1);
    ASSERT_NO_FATAL_FAILURE(fill(disk));
    ASSERT_NO_FATAL_FAILURE(damage(disk, block));
    Journal journal(*disk.open("j"));
    std::vector<std::string> records;
    Journal::Visitor visitor;
    visitor.entry = [&](Revision, std::string_view record) -> Result<> {
      records.emplace_back(record);
      return {};
    };
    visitor.fact = [](std::string_view, std::optional<std::string_view>) {};
    const Result<> recovered = journal.recover(visitor, 1);
    if (recovered) {
      EXPECT_EQ(records.size(), 9u) << "block " << block;
    } else {
      EXPECT_EQ(recovered.error().code, Code::kDataLoss);
      EXPECT_LT(records.size(), 9u) << "block " << block;
    }
  }
}

TEST(Journal, ADamagedHeaderIsAnErrorAndNoEmptyJournal) {
  for (const std::string& header :
       {std::string(FaultyDisk::kBlock, '\0'), std::string(FaultyDisk::kBlock, 'x')}) {
    FaultyDisk disk(1);
    ASSERT_NO_FATAL_FAILURE(fill(disk));
    const auto file = *disk.open("j");
    ASSERT_TRUE(file->write_at(0, header));
    EXPECT_EQ(Journal(*disk.open("j")).generation().error().code, Code::kDataLoss);
  }
  FaultyDisk disk(1);
  EXPECT_EQ(*Journal(*disk.open("new")).generation(), 0u);
}

TEST(Journal, ANewGenerationThatDidNotComeAboutLeavesTheOldOneOrItself) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    FaultyDisk disk(seed);
    ASSERT_NO_FATAL_FAILURE(fill(disk));
    Journal journal(*disk.open("j"));
    ASSERT_EQ(*journal.generation(), 1u);
    journal.restart(2, 12);
    disk.fail_with(Error{Code::kUnavailable, "Input/output error"});
    EXPECT_FALSE(journal.append(batch_of(std::string(3000, 'y'), Durability::kStrict), 13));
    disk.fail_with(std::nullopt);
    disk.lose_power();
    const Result<uint64_t> generation = Journal(*disk.open("j")).generation();
    ASSERT_TRUE(generation) << "seed " << seed << ": " << generation.error().message;
    EXPECT_THAT(*generation, ::testing::AnyOf(1u, 2u));
  }
}

TEST(Journal, FactsComeBackAsTheyWereLast) {
  FaultyDisk disk(1);
  Journal journal(*disk.open("j"));
  journal.restart(1, 11);
  ASSERT_TRUE(journal.append({.meta = {{"a", "1"}, {"b", "2"}}}, 0));
  ASSERT_TRUE(journal.append({.meta = {{"a", std::nullopt}, {"b", ""}}}, 0));
  Journal again(*disk.open("j"));
  EXPECT_THAT(recover(again, 12).facts, ::testing::ElementsAre(std::pair("b", "")));
}

}  // namespace
}  // namespace cloudless::store::testing

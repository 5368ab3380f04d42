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

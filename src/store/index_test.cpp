#include "store/index.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cloudless::store {
namespace {

constexpr size_t kAll = 1'000'000;

// Puts `key` at the revision after the last.
void put(Index& index, const std::string& key) {
  const Version* const before = index.find(key, index.staged());
  Version version{.mod = index.staged() + 1};
  version.create = before ? before->create : version.mod;
  version.number = before ? before->number + 1 : 1;
  version.full = true;
  index.stage(key, version);
  index.publish();
}

void remove(Index& index, const std::string& key) {
  Version version{.mod = index.staged() + 1};
  version.deleted = true;
  index.stage(key, version);
  index.publish();
}

// The revisions that a sweep drops, step by step.
std::vector<std::vector<Revision>> sweep_in_steps(Index& index, size_t keys, size_t changes) {
  std::vector<std::vector<Revision>> steps;
  Index::Sweep sweep;
  do {
    sweep = index.sweep(sweep.next_key, keys, changes);
    std::vector<Revision> dropped;
    for (const Prune& prune : sweep.prunes) dropped.push_back(prune.revision);
    steps.push_back(std::move(dropped));
  } while (!sweep.done && steps.size() < 1000);
  return steps;
}

TEST(IndexSweep, AKeyWithManyVersionsIsSweptInBoundedSteps) {
  Index index;
  for (int i = 0; i < 100; ++i) put(index, "hot");
  put(index, "cold");
  index.set_compacted(index.visible());
  std::vector<Revision> dropped;
  for (const auto& step : sweep_in_steps(index, 10, 7)) {
    EXPECT_LE(step.size(), 7u);
    dropped.insert(dropped.end(), step.begin(), step.end());
  }
  // All but the newest, the oldest first.
  ASSERT_EQ(dropped.size(), 99u);
  EXPECT_TRUE(std::ranges::is_sorted(dropped));
  EXPECT_EQ(index.find("hot", index.visible())->number, 100);
  EXPECT_EQ(index.live_keys(), 2);
}

TEST(IndexSweep, ADeletionGoesBehindAllThatItDeleted) {
  Index index;
  for (int i = 0; i < 5; ++i) put(index, "gone");
  remove(index, "gone");
  index.set_compacted(index.visible());
  const auto steps = sweep_in_steps(index, 10, 2);
  EXPECT_EQ(steps.at(0), (std::vector<Revision>{2, 3}));
  EXPECT_EQ(steps.at(1), (std::vector<Revision>{4, 5}));
  EXPECT_EQ(steps.at(2), (std::vector<Revision>{6, 7}));
  EXPECT_EQ(index.find("gone", index.visible()), nullptr);
}

TEST(IndexSweep, WhatIsNotCompactedStays) {
  Index index;
  for (int i = 0; i < 6; ++i) put(index, "k");
  index.set_compacted(4);
  EXPECT_EQ(sweep_in_steps(index, kAll, kAll), (std::vector<std::vector<Revision>>{{2, 3}}));
  for (const Revision revision : {4, 5, 6, 7}) EXPECT_EQ(index.find("k", revision)->mod, revision);
}

// A start may find a deletion whose key's other versions are pruned already.
TEST(IndexSweep, ADeletionAloneIsNoKey) {
  Index index;
  remove(index, "gone");
  EXPECT_EQ(index.live_keys(), 0);
  EXPECT_EQ(index.find("gone", index.visible()), nullptr);
  index.set_compacted(index.visible());
  EXPECT_EQ(sweep_in_steps(index, kAll, kAll), (std::vector<std::vector<Revision>>{{2}}));
}

}  // namespace
}  // namespace cloudless::store

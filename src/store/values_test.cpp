#include "store/values.hpp"

#include <gtest/gtest.h>

#include "store/memory_log.hpp"

namespace cloudless::store {
namespace {

constexpr size_t kBound = 8 << 20;
constexpr size_t kValueBytes = 1000;
// Twice what the cache begins with.
constexpr Revision kValues = 2000;

class ValuesTest : public ::testing::Test {
 protected:
  static std::string key(Revision revision) { return fmt::format("/k/{}", revision); }
  // As a read of the log brings it.
  SharedBytes read(Revision revision) {
    const std::string name = key(revision);
    const std::string payload(kValueBytes, 'v');
    const auto value = values_.decode({.key = name, .size = payload.size(), .payload = payload}, revision);
    EXPECT_TRUE(value);
    return value ? *value : nullptr;
  }
  void put(Revision revision) {
    values_.remember(key(revision), revision, share(std::string(kValueBytes, 'v')));
  }
  int in_memory() {
    int count = 0;
    for (Revision revision = 1; revision <= kValues; ++revision) {
      count += values_.cached(key(revision), revision) != nullptr;
    }
    return count;
  }

  MemoryLog log_;
  Values values_{log_, kBound};
};

TEST_F(ValuesTest, WhatIsOnlyWrittenTakesLittleMemory) {
  for (Revision revision = 1; revision <= kValues; ++revision) put(revision);
  EXPECT_LT(in_memory(), kValues / 2);
  EXPECT_NE(values_.cached(key(kValues), kValues), nullptr);
}

TEST_F(ValuesTest, ReadingEverythingOnceTakesNoMore) {
  for (Revision revision = 1; revision <= kValues; ++revision) read(revision);
  EXPECT_LT(in_memory(), kValues / 2);
}

TEST_F(ValuesTest, WhatIsAskedForAgainGetsRoom) {
  for (int round = 0; round < 4; ++round) {
    for (Revision revision = 1; revision <= kValues; ++revision) read(revision);
  }
  EXPECT_EQ(in_memory(), kValues);
}

}  // namespace
}  // namespace cloudless::store

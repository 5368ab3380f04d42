#include "etcd/bolt.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/random.hpp"

namespace cloudless::etcd::bolt {
namespace {

// A file with one bucket of these items.
std::string file_of(const std::vector<Item>& items) {
  TreeBuilder numbers(kHeadPages, TreeBuilder::Output::kNumbers);
  for (const Item& item : items) numbers.add_size(item.key, item.value.size());
  EXPECT_EQ(numbers.finish(), "");
  TreeBuilder tree(kHeadPages, TreeBuilder::Output::kPages);
  std::string file = head_pages(numbers.end_page(), {{"bucket", numbers.root()}});
  for (const Item& item : items) file += tree.add(item);
  file += tree.finish();
  EXPECT_EQ(tree.root(), numbers.root());
  EXPECT_EQ(tree.end_page(), numbers.end_page());
  EXPECT_EQ(file.size(), tree.end_page() * kPageBytes);
  return file;
}

Result<std::vector<std::string>> keys_in(const std::string& file, std::string_view bucket = "bucket") {
  const Reader reader = TRY(Reader::open(source_of(file)));
  std::vector<std::string> keys;
  TRY(reader.visit(bucket, [&](std::string_view key, std::string_view) -> Result<> {
    keys.emplace_back(key);
    return {};
  }));
  return keys;
}

std::vector<Item> items(size_t count, size_t largest_value) {
  SeededRandom random(count);
  std::vector<Item> items;
  for (size_t i = 0; i < count; ++i) {
    items.push_back({fmt::format("key-{:09}", i), std::string(random.below(largest_value + 1), 'v')});
  }
  return items;
}

TEST(Bolt, TreesOfAnySizeAreReadAsTheyWereWritten) {
  for (const size_t count : {0u, 1u, 2u, 300u, 30'000u}) {
    const std::vector<Item> written = items(count, 200);
    const std::string file = file_of(written);
    const auto reader = Reader::open(source_of(file));
    ASSERT_TRUE(reader);
    size_t at = 0;
    ASSERT_TRUE(reader->visit("bucket", [&](std::string_view key, std::string_view value) -> Result<> {
      EXPECT_EQ(key, written.at(at).key);
      EXPECT_EQ(value, written.at(at).value);
      ++at;
      return {};
    }));
    EXPECT_EQ(at, count);
  }
}

TEST(Bolt, AValueLargerThanAPageGoesOnOverSeveral) {
  std::vector<Item> written = items(40, 20'000);
  written[7].value = std::string(1 << 20, 'x');
  EXPECT_EQ(keys_in(file_of(written))->size(), written.size());
}

// A page of each level and the item that comes are all that is held.
TEST(Bolt, PagesComeOutAsTheyGetFull) {
  TreeBuilder tree(kHeadPages, TreeBuilder::Output::kPages);
  size_t given = 0;
  size_t taken = 0;
  for (const Item& item : items(30'000, 200)) {
    taken += item.key.size() + item.value.size();
    const size_t pages = tree.add(item).size();
    EXPECT_LE(pages, 4 * kPageBytes);
    given += pages;
    ASSERT_LE(taken, given + kPageBytes) << item.key;
  }
}

TEST(Bolt, ABucketThatIsNotThereIsEmpty) {
  EXPECT_THAT(*keys_in(file_of(items(3, 10)), "other"), ::testing::IsEmpty());
}

TEST(Bolt, OneDamagedMetaPageIsNoHarmTwoAre) {
  std::string file = file_of(items(3, 10));
  file[40] ^= 1;
  EXPECT_EQ(keys_in(file)->size(), 3u);
  file[kPageBytes + 40] ^= 1;
  EXPECT_EQ(keys_in(file).error().code, Code::kDataLoss);
}

TEST(Bolt, PagesInCirclesAreDamage) {
  std::string file = file_of(items(3000, 100));
  const size_t branch = file.size() - kPageBytes;
  const uint64_t itself = branch / kPageBytes;
  std::memcpy(file.data() + branch + 16 + 8, &itself, sizeof itself);
  EXPECT_EQ(keys_in(file).error().code, Code::kDataLoss);
}

TEST(Bolt, WhatIsCutShortIsDamage) {
  const std::string file = file_of(items(3000, 100));
  for (size_t pages = 0; pages < 8; ++pages) {
    EXPECT_EQ(keys_in(file.substr(0, pages * kPageBytes)).error().code, Code::kDataLoss) << pages;
  }
}

}  // namespace
}  // namespace cloudless::etcd::bolt

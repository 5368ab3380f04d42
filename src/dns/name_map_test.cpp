#include "dns/name_map.hpp"

#include <gtest/gtest.h>

#include <map>

#include "base/random.hpp"

namespace cloudless::dns {
namespace {

Name name_of(uint64_t number) { return Name::parse(fmt::format("n{}.example", number)).value(); }

std::map<Name, int> contents(const NameMap<int>& map) {
  std::map<Name, int> all;
  map.for_each([&all](const Name& name, int value) { EXPECT_TRUE(all.emplace(name, value).second); });
  EXPECT_EQ(all.size(), map.size());
  return all;
}

// Editions of random size, each from a random earlier one: every edition stays what it was.
TEST(NameMap, EveryEditionStaysAsItWasMade) {
  constexpr uint64_t kNames = 400;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SeededRandom random(seed);
    std::vector<std::pair<NameMap<int>, std::map<Name, int>>> editions(1);
    for (int made = 0; made < 40; ++made) {
      auto [map, model] = editions[random.below(editions.size())];
      NameMap<int>::Editor editor(map);
      for (uint64_t step = random.below(200); step > 0; --step) {
        const Name name = name_of(random.below(kNames));
        if (random.below(3) == 0) {
          editor.erase(name);
          model.erase(name);
        } else {
          editor.at(name) = made;
          model[name] = made;
        }
      }
      editions.emplace_back(std::move(editor).finish(), std::move(model));
    }
    for (const auto& [map, model] : editions) {
      ASSERT_EQ(contents(map), model) << "seed " << seed;
      for (uint64_t number = 0; number < kNames; ++number) {
        const auto expected = model.find(name_of(number));
        const int* found = map.find(name_of(number));
        ASSERT_EQ(found != nullptr, expected != model.end());
        if (found) ASSERT_EQ(*found, expected->second);
      }
    }
  }
}

TEST(NameMap, AnEditorKeepsWhatAnotherEditorOfTheSameTableMade) {
  NameMap<int>::Editor first((NameMap<int>()));
  first.at(name_of(1)) = 1;
  const NameMap<int> base = std::move(first).finish();
  NameMap<int>::Editor left(base);
  NameMap<int>::Editor right(base);
  left.at(name_of(1)) = 2;
  right.at(name_of(1)) = 3;
  const NameMap<int> left_made = std::move(left).finish();
  const NameMap<int> right_made = std::move(right).finish();
  EXPECT_EQ(*left_made.find(name_of(1)), 2);
  EXPECT_EQ(*right_made.find(name_of(1)), 3);
  EXPECT_EQ(*base.find(name_of(1)), 1);
}

}  // namespace
}  // namespace cloudless::dns

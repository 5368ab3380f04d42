// Ranges whose order is not the index's.
#include "store/range.hpp"

#include "store/testing.hpp"

namespace cloudless::store::testing {
namespace {

TEST(Range, ALimitGivesTheFirstOfTheWholeRangeInEveryOrder) {
  constexpr int kKeys = 200;
  SystemClock clock;
  SeededRandom random(7);
  Runner run;
  auto store = std::move(*LocalStore::open(std::make_unique<MemoryLog>(), {}, clock, random, Logger()));
  for (int i = 0; i < 3 * kKeys; ++i) {
    const auto key = fmt::format("/k{:03}", random.below(kKeys));
    ASSERT_TRUE(run(store->put(put(key, fmt::format("{}", random.below(50))))));
  }
  for (const SortTarget target :
       {SortTarget::kKey, SortTarget::kVersion, SortTarget::kCreate, SortTarget::kMod, SortTarget::kValue}) {
    for (const SortOrder order : {SortOrder::kAscend, SortOrder::kDescend}) {
      RangeRequest request = list("/");
      request.sort_target = target;
      request.sort_order = order;
      const std::vector<std::string> all = keys_of(*run(store->range(request)));
      for (const size_t limit : {size_t{1}, size_t{2}, size_t{9}, all.size() - 1, all.size(), size_t{1000}}) {
        request.limit = static_cast<int64_t>(limit);
        const RangeResponse cut = *run(store->range(request));
        const auto count = static_cast<ptrdiff_t>(std::min(limit, all.size()));
        EXPECT_EQ(keys_of(cut), std::vector<std::string>(all.begin(), all.begin() + count)) << limit;
        EXPECT_EQ(cut.more, limit < all.size()) << limit;
        EXPECT_EQ(cut.count, static_cast<int64_t>(all.size())) << limit;
      }
    }
  }
}

}  // namespace
}  // namespace cloudless::store::testing

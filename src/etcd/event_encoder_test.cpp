#include "etcd/event_encoder.hpp"

#include <gtest/gtest.h>

namespace cloudless::etcd {
namespace {

store::SharedEvent event(std::string key, std::string value) {
  store::Event event;
  event.kv = {.key = std::move(key), .value = share(std::move(value)), .mod_revision = 7, .version = 2};
  event.prev_kv = store::KeyValue{.key = event.kv.key, .value = share("before"), .mod_revision = 5};
  return std::make_shared<const store::Event>(std::move(event));
}

pb::WatchResponse decoded(const SharedBytes& bytes) {
  pb::WatchResponse response;
  EXPECT_TRUE(response.ParseFromString(*bytes));
  return response;
}

TEST(EventEncoder, AllWatchersOfAnEventShareItsBytes) {
  EventEncoder encoder;
  const auto one = event("a", "1");
  EXPECT_EQ(encoder.encode(one, PrevKv::kInclude), encoder.encode(one, PrevKv::kInclude));
  EXPECT_EQ(encoder.encode(one, PrevKv::kLeaveOut), encoder.encode(one, PrevKv::kLeaveOut));
}

TEST(EventEncoder, AWatcherGetsWhatWasBeforeOnlyWhereItAsked) {
  EventEncoder encoder;
  const auto one = event("a", "1");
  EXPECT_FALSE(decoded(encoder.encode(one, PrevKv::kLeaveOut)).events(0).has_prev_kv());
  const pb::WatchResponse with = decoded(encoder.encode(one, PrevKv::kInclude));
  EXPECT_EQ(with.events(0).prev_kv().value(), "before");
  EXPECT_EQ(with.events(0).kv().value(), "1");
}

TEST(EventEncoder, ManyAndLargeEventsAreForgottenAndEncodedAgain) {
  EventEncoder encoder;
  const auto first = event("first", "1");
  const SharedBytes bytes = encoder.encode(first, PrevKv::kInclude);
  for (int i = 0; i < 1000; ++i) encoder.encode(event(std::to_string(i), "x"), PrevKv::kInclude);
  EXPECT_NE(encoder.encode(first, PrevKv::kInclude), bytes);
  const auto large = event("large", std::string(3 << 20, 'x'));
  EXPECT_EQ(decoded(encoder.encode(large, PrevKv::kInclude)).events(0).kv().value().size(), size_t{3} << 20);
  EXPECT_EQ(*encoder.encode(first, PrevKv::kInclude), *bytes);
}

}  // namespace
}  // namespace cloudless::etcd

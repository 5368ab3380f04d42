#include "dns/cache.hpp"

#include <gtest/gtest.h>

#include "dns/testing/decode.hpp"
#include "dns/zone_text.hpp"

namespace cloudless::dns {
namespace {

using namespace std::chrono_literals;

const SteadyTime kStart{1h};

Query query_for(std::string_view name, Type type = Type::kA) {
  return {.id = 7, .name = Name::parse(name).value(), .type = static_cast<uint16_t>(type)};
}

std::string respond(const Query& query) {
  const ZoneSet zones(
      {parse_zone("$TTL 100\n@ SOA a b 1 2 3 4 30\nwww A 192.0.2.1\n", Name::parse("x").value()).value()});
  return answer(zones, query, kEdnsUdpLimit);
}

void insert(Cache& cache, const Query& query, SteadyTime now) {
  const std::string packet = respond(query);
  cache.insert(query, packet, scan_response(packet).value(), now);
}

TEST(Cache, ServesAnAnswerWithItsTtlCountedDown) {
  Cache cache;
  insert(cache, query_for("www.x"), kStart);
  const auto cached = cache.find(query_for("WWW.x"), kStart + 40s);
  ASSERT_TRUE(cached);
  EXPECT_EQ(testing::decode(*cached), "NOERROR aa\nan WWW.x. 60 A 192.0.2.1\n");
  EXPECT_FALSE(cache.find(query_for("www.x", Type::kAaaa), kStart));
}

TEST(Cache, ForgetsAnAnswerWhenItsTimeIsUp) {
  Cache cache;
  insert(cache, query_for("www.x"), kStart);
  insert(cache, query_for("none.x"), kStart);
  EXPECT_TRUE(cache.find(query_for("none.x"), kStart + 29s));
  EXPECT_FALSE(cache.find(query_for("none.x"), kStart + 30s))
      << "a negative answer lives as long as its SOA says";
  EXPECT_TRUE(cache.find(query_for("www.x"), kStart + 99s));
  EXPECT_FALSE(cache.find(query_for("www.x"), kStart + 100s));
  EXPECT_EQ(cache.size(), 0u);
}

TEST(Cache, DropsTheLeastRecentlyUsedBeyondItsBound) {
  Cache cache;
  insert(cache, query_for("www.x"), kStart);
  for (size_t i = 0; i < Cache::kMaxEntries; ++i) {
    insert(cache, query_for(fmt::format("n{}.x", i)), kStart);
    if (i == 5) EXPECT_TRUE(cache.find(query_for("www.x"), kStart));
  }
  EXPECT_EQ(cache.size(), Cache::kMaxEntries);
  EXPECT_FALSE(cache.find(query_for("n0.x"), kStart));
}

TEST(Cache, BrokenResponsesAreRefused) {
  const std::string good = respond(query_for("www.x"));
  ASSERT_TRUE(scan_response(good));
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(scan_response(std::string_view(good).substr(0, length))) << length;
  }
}

}  // namespace
}  // namespace cloudless::dns

#include "store/archive.hpp"

#include "store/open.hpp"
#include "store/testing.hpp"

namespace cloudless::store::testing {
namespace {

runtime::Task<Result<>> append_to(std::string& archive, std::string bytes) {
  archive += bytes;
  co_return Result<>();
}

struct Archived {
  Runner run;
  SystemClock clock;
  SystemRandom random;

  std::unique_ptr<LocalStore> empty() {
    return std::move(*LocalStore::open(std::make_unique<MemoryLog>(), {}, clock, random, Logger()));
  }
  std::string export_all(Store& store, Revision revision = 0) {
    std::string archive;
    const Result<ArchiveSummary> summary = run(export_archive(
        store, revision, [&archive](std::string bytes) { return append_to(archive, std::move(bytes)); }));
    EXPECT_TRUE(summary) << summary.error().message;
    return archive;
  }
  static ArchiveSource source_of(std::string archive) {
    return [archive = std::move(archive), at = size_t{0}](size_t size) mutable -> Result<std::string> {
      std::string piece = archive.substr(std::min(at, archive.size()), size);
      at += piece.size();
      return piece;
    };
  }
};

TEST(Archive, CarriesAStoreOverWithItsRevisions) {
  Archived a;
  const auto from = a.empty();
  const LeaseId lease = a.run(from->grant_lease(77, std::chrono::seconds(100)))->id;
  for (int i = 0; i < 1200; ++i) {
    ASSERT_TRUE(a.run(
        from->put(put(fmt::format("/k/{:04}", i), std::string(2000, 'a' + i % 7), i == 5 ? lease : 0))));
  }
  ASSERT_TRUE(a.run(from->put(put("/k/0003", "again"))));
  ASSERT_TRUE(a.run(from->delete_range(del("/k/0004"))));
  const auto to = a.empty();
  const Result<ArchiveSummary> summary = a.run(import_archive(*to, Archived::source_of(a.export_all(*from))));
  ASSERT_TRUE(summary) << summary.error().message;
  EXPECT_EQ(summary->pairs, 1199);
  EXPECT_TRUE(summary->kept_revisions);
  EXPECT_EQ(a.run(to->hash_kv(0))->hash, a.run(from->hash_kv(0))->hash);
  EXPECT_EQ(a.run(to->status())->revision, a.run(from->status())->revision);
  EXPECT_THAT(a.run(to->lease_time_to_live(lease, true))->keys, ::testing::ElementsAre("/k/0005"));
}

TEST(Archive, OfAnEarlierRevisionHoldsThatPast) {
  Archived a;
  const auto from = a.empty();
  ASSERT_TRUE(a.run(from->put(put("/a", "old"))));
  ASSERT_TRUE(a.run(from->put(put("/a", "new"))));
  const auto to = a.empty();
  ASSERT_TRUE(a.run(import_archive(*to, Archived::source_of(a.export_all(*from, 2)))));
  EXPECT_EQ(view(a.run(to->range(get("/a")))->kvs.at(0).value), "old");
}

TEST(Archive, OfAnEmptyStoreIsComplete) {
  Archived a;
  const auto from = a.empty();
  const Result<ArchiveContents> contents = read_archive(Archived::source_of(a.export_all(*from)));
  ASSERT_TRUE(contents);
  EXPECT_EQ(contents->revision, kEmptyHead);
}

TEST(Archive, ThatIsDamagedAnywhereIsRefused) {
  Archived a;
  const auto from = a.empty();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(a.run(from->put(put(fmt::format("/{}", i), "value"))));
  const std::string archive = a.export_all(*from);
  for (size_t i = 0; i < archive.size(); ++i) {
    std::string broken = archive;
    broken[i] = static_cast<char>(broken[i] ^ 0x20);
    EXPECT_EQ(read_archive(Archived::source_of(broken)).error().code, Code::kDataLoss) << "byte " << i;
    EXPECT_EQ(read_archive(Archived::source_of(archive.substr(0, i))).error().code, Code::kDataLoss)
        << "cut at " << i;
  }
}

TEST(Archive, IsNotImportedOverData) {
  Archived a;
  const auto from = a.empty();
  ASSERT_TRUE(a.run(from->put(put("/a", "1"))));
  EXPECT_EQ(a.run(import_archive(*from, Archived::source_of(a.export_all(*from)))).error().code,
            Code::kConflict);
}

TEST(Endpoint, UrlsAreKines) {
  EXPECT_EQ(parse_endpoint("")->target, "./db/state.db");
  EXPECT_EQ(parse_endpoint("sqlite:///var/lib/x.db?_journal=WAL&cache=shared")->target, "/var/lib/x.db");
  EXPECT_EQ(parse_endpoint("sqlite://./db/state.db")->target, "./db/state.db");
  EXPECT_EQ(parse_endpoint("postgres://u:p@h/db")->kind, EndpointKind::kPostgres);
  EXPECT_EQ(parse_endpoint("https://a:2379,https://b:2379")->kind, EndpointKind::kEtcd);
  EXPECT_EQ(parse_endpoint("memory://")->kind, EndpointKind::kMemory);
  const Error unknown = parse_endpoint("mysql://user:secret@tcp(host)/db").error();
  EXPECT_EQ(unknown.code, Code::kInvalid);
  EXPECT_THAT(unknown.message, ::testing::Not(::testing::HasSubstr("secret")));
}

}  // namespace
}  // namespace cloudless::store::testing

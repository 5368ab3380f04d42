// Debian's etcdctl against a served store: every command that it has for one member.
#include "etcd/served_store.hpp"

namespace cloudless::etcd::testing {
namespace {

using ::testing::HasSubstr;

class EtcdctlTest : public ::testing::Test {
 protected:
  const TempDir dir_;
  ServedStore served_{{.endpoint = "sqlite://" + dir_ / "state.db"}};
  const Etcdctl ctl_{served_.endpoint()};
};

TEST_F(EtcdctlTest, PutsGetsAndDeletes) {
  EXPECT_EQ(ctl_({"put", "/a", "1"}), "OK\n");
  EXPECT_EQ(ctl_({"put", "/b", "2"}), "OK\n");
  EXPECT_EQ(ctl_({"get", "/a"}), "/a\n1\n");
  EXPECT_EQ(ctl_({"get", "/", "--prefix", "--order=DESCEND", "--print-value-only"}), "2\n1\n");
  EXPECT_EQ(ctl_({"get", "/", "--prefix", "--keys-only", "--limit=1"}), "/a\n\n");
  EXPECT_EQ(ctl_({"put", "/a", "3", "--prev-kv"}), "OK\n/a\n1\n");
  EXPECT_EQ(ctl_({"get", "/a", "--rev=2"}), "/a\n1\n");
  EXPECT_EQ(ctl_({"del", "/", "--prefix", "--prev-kv"}), "2\n/a\n3\n/b\n2\n");
  EXPECT_EQ(ctl_({"get", "/", "--prefix"}), "");
  EXPECT_THAT(ctl_({"get", "/a", "-w", "json"}), HasSubstr("\"revision\":5"));
}

// gRPC's clients name the socket's path as :authority.
TEST_F(EtcdctlTest, SpeaksOverAUnixSocket) {
  const std::string socket = "unix://" + (dir_ / "etcd.sock");
  const ServedStore served({.endpoint = "memory://"}, {}, {socket});
  const Etcdctl ctl(socket);
  EXPECT_EQ(ctl({"put", "/a", "1"}), "OK\n");
  EXPECT_EQ(ctl({"get", "/a", "--print-value-only"}), "1\n");
}

TEST_F(EtcdctlTest, RunsTransactions) {
  ctl_({"put", "/a", "1"});
  EXPECT_EQ(ctl_.with_input("value(\"/a\") = \"1\"\n\nput /b then\nget /a\n\nput /b else\n\n", {"txn"}),
            "SUCCESS\n\nOK\n\n/a\n1\n");
  EXPECT_EQ(ctl_.with_input("mod(\"/a\") > \"9\"\n\nput /b then\n\nget /b\n\n", {"txn"}),
            "FAILURE\n\n/b\nthen\n");
}

TEST_F(EtcdctlTest, WatchesThePastAndThePresent) {
  ctl_({"put", "/w/a", "1"});
  const TempDir logs;
  Process watch(ctl_.argv({"watch", "--prefix", "/w/", "--rev=1", "--prev-kv"}), logs / "watch");
  ASSERT_TRUE(eventually([&] { return watch.output() == "PUT\n/w/a\n1\n"; })) << watch.output();
  ctl_({"put", "/w/a", "2"});
  ctl_({"put", "/v", "not watched"});
  ctl_({"del", "/w/a"});
  const std::string all = "PUT\n/w/a\n1\nPUT\n/w/a\n1\n/w/a\n2\nDELETE\n/w/a\n2\n/w/a\n\n";
  EXPECT_TRUE(eventually([&] { return watch.output() == all; })) << watch.output();
}

TEST_F(EtcdctlTest, AWatchOfACompactedRevisionIsCancelled) {
  for (int i = 0; i < 5; ++i) ctl_({"put", "/a", "x"});
  ctl_({"compaction", "4"});
  EXPECT_THAT(ctl_.run({"watch", "/a", "--rev=2"}).output, HasSubstr("required revision has been compacted"));
}

TEST_F(EtcdctlTest, GrantsKeepsAndRevokesLeases) {
  EXPECT_THAT(ctl_({"lease", "grant", "100", "-w", "simple"}), HasSubstr("granted with TTL(100s)"));
  const std::string listed = ctl_({"lease", "list"});
  EXPECT_THAT(listed, ::testing::StartsWith("found 1 leases\n"));
  const std::string id = listed.substr(listed.find('\n') + 1, listed.rfind('\n') - listed.find('\n') - 1);
  ctl_({"put", "/leased", "1", "--lease=" + id});
  EXPECT_THAT(ctl_({"lease", "timetolive", id, "--keys"}), HasSubstr("attached keys([/leased])"));
  EXPECT_EQ(ctl_({"lease", "keep-alive", "--once", id}), "lease " + id + " keepalived with TTL(100)\n");
  EXPECT_EQ(ctl_({"lease", "revoke", id}), "lease " + id + " revoked\n");
  EXPECT_EQ(ctl_({"get", "/leased"}), "");
  EXPECT_EQ(ctl_({"lease", "timetolive", id}), "lease " + id + " already expired\n");
  EXPECT_THAT(ctl_.run({"lease", "revoke", id}).output, HasSubstr("requested lease not found"));
}

TEST_F(EtcdctlTest, CompactsAndDefragments) {
  for (int i = 0; i < 5; ++i) ctl_({"put", "/a", "x"});
  EXPECT_EQ(ctl_({"compaction", "5", "--physical"}), "compacted revision 5\n");
  EXPECT_THAT(ctl_.run({"compaction", "5"}).output, HasSubstr("required revision has been compacted"));
  EXPECT_THAT(ctl_.run({"compaction", "99"}).output, HasSubstr("required revision is a future revision"));
  EXPECT_THAT(ctl_.run({"get", "/a", "--rev=4"}).output, HasSubstr("required revision has been compacted"));
  EXPECT_THAT(ctl_({"defrag"}), HasSubstr("Finished defragmenting etcd member"));
}

TEST_F(EtcdctlTest, ReportsStatusHealthMembersAlarmsAndHashes) {
  ctl_({"put", "/a", "1"});
  EXPECT_THAT(ctl_({"endpoint", "status"}), HasSubstr(", " + ServerOptions().version + ", "));
  EXPECT_THAT(ctl_({"endpoint", "health"}), HasSubstr("is healthy"));
  EXPECT_THAT(ctl_({"endpoint", "hashkv"}), HasSubstr(served_.endpoint()));
  EXPECT_THAT(ctl_({"member", "list"}), HasSubstr(", started, cloudless, "));
  EXPECT_EQ(ctl_({"alarm", "list"}), "");
  EXPECT_EQ(ctl_({"alarm", "disarm"}), "");
}

// Its verdict is about the machine's disk as much as about us, so what counts here is that no request failed.
TEST_F(EtcdctlTest, ItsPerformanceCheckMeetsNoErrors) {
  const CommandResult result = ctl_.run({"check", "perf", "--load=s"}, std::chrono::seconds(120));
  EXPECT_THAT(result.output, HasSubstr("Throughput"));
  EXPECT_THAT(result.output, ::testing::Not(HasSubstr("too many errors")));
}

TEST_F(EtcdctlTest, ElectionsAndLocksWork) {
  EXPECT_EQ(ctl_({"lock", "/lock", "echo", "held"}), "held\n");
  const TempDir logs;
  Process leader(ctl_.argv({"elect", "/election", "first"}), logs / "leader");
  ASSERT_TRUE(eventually([&] { return leader.output().ends_with("\nfirst\n"); })) << leader.output();
  leader.send(SIGINT);
  leader.wait();
  EXPECT_EQ(ctl_({"get", "--prefix", "/election"}), "");
}

TEST_F(EtcdctlTest, AMemberIsNeverAddedRemovedOrPromoted) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"member", "add", "other", "--peer-urls=http://127.0.0.1:1"},
        {"member", "remove", "1234"},
        {"member", "update", "1234", "--peer-urls=http://127.0.0.1:1"},
        {"member", "promote", "1234"},
        {"move-leader", "1234"}}) {
    EXPECT_NE(ctl_.run(words).exit_code, 0) << words[1];
  }
}

}  // namespace
}  // namespace cloudless::etcd::testing

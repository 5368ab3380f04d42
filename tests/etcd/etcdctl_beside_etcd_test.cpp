// The same words of Debian's etcdctl to a served store and to a real etcd: the same output, errors included.
//
// Left out of the comparison: ids, addresses, times, and what of a status is a server's own (sizes, raft).
#include <functional>
#include <regex>

#include "etcd/served_store.hpp"

namespace cloudless::etcd::testing {
namespace {

using ::testing::HasSubstr;
using Words = std::vector<std::string>;

// What differs from server to server, replaced by what it is.
std::string comparable(std::string output) {
  static const std::pair<std::regex, const char*> kReplaced[] = {
      {std::regex(R"(127\.0\.0\.1:\d+)"), "ENDPOINT"},
      {std::regex(R"(\b\d+(\.\d+)?(ms|µs|s)\b)"), "TIME"},
      {std::regex(R"re("(cluster_id|member_id|raft_term)":\d+,?)re"), ""},
      {std::regex(R"re("(ClusterID|MemberID|RaftTerm)" : \d+\n)re"), ""},
      {std::regex(R"("ts":"[^"]*")"), "WHEN"},
      {std::regex(R"("caller":"[^"]*")"), "WHERE"},
      {std::regex(R"("target":"endpoint://[^"]*")"), "TARGET"},
      // What a status says of a server's own: version, sizes, the leader's id, raft's counters, and hashes.
      {std::regex(R"re("(version|name)":"[^"]*")re"), "\"$1\""},
      {std::regex(R"re("(dbSize|dbSizeInUse|leader|ID|raftIndex|raftAppliedIndex|hash)":\d+)re"), "\"$1\""},
      {std::regex(R"re(("(Version|Name|DBSize|Leader|ID|RaftIndex|RaftAppliedIndex|Hash)") : \S+)re"), "$1"},
      // Of members, clusters and leases.
      {std::regex(R"(\b\d{15,20}\b)"), "ID"},
      // Leases: sixteen hexadecimal digits, fewer where they begin with zeros.
      {std::regex(R"(\b[0-9a-f]{12,16}\b)"), "ID"},
  };
  for (const auto& [pattern, replacement] : kReplaced) {
    output = std::regex_replace(output, pattern, replacement);
  }
  return output;
}

class BesideEtcd : public ::testing::Test {
 protected:
  void same(const Words& words) {
    const CommandResult theirs = their_ctl_.run(words);
    const CommandResult ours = our_ctl_.run(words);
    std::string line;
    for (const std::string& word : words) line += word + " ";
    EXPECT_EQ(ours.exit_code, theirs.exit_code) << line << "\n" << ours.output << "\n" << theirs.output;
    EXPECT_EQ(comparable(ours.output), comparable(theirs.output)) << line;
  }
  void same_with_input(const std::string& input, const Words& words) {
    EXPECT_EQ(comparable(our_ctl_.with_input(input, words)), comparable(their_ctl_.with_input(input, words)))
        << input;
  }

  const TempDir dir_;
  ServedStore served_{{.endpoint = "sqlite://" + dir_ / "state.db"},
                      {.advertise_urls = {"http://127.0.0.1:2379"}}};
  RealEtcd etcd_;
  // However long a busy machine takes.
  const Words flags_ = {"--command-timeout=60s"};
  const Etcdctl our_ctl_{served_.endpoint(), flags_};
  const Etcdctl their_ctl_{etcd_.endpoint(), flags_};
};

TEST_F(BesideEtcd, KeysAndRanges) {
  same({"put", "/a", "1"});
  same({"put", "/a", "2", "--prev-kv"});
  same({"put", "/b", "1", "-w", "json"});
  same({"put", "/c", "3", "-w", "fields"});
  same({"put", "/a", "--ignore-value"});
  same({"put", "/a", "4", "--ignore-lease"});
  same({"put", "/none", "--ignore-value"});
  same({"put", "/none", "1", "--ignore-lease"});
  same({"put", "/a", "1", "--lease=1234"});
  same({"put", "", "1"});
  same({"get", "/a"});
  same({"get", "/none"});
  same({"get", "/a", "/c"});
  same({"get", "", "--from-key", "--limit=2"});
  same({"get", "/", "--prefix", "-w", "json"});
  same({"get", "/", "--prefix", "-w", "fields"});
  same({"get", "/", "--prefix", "-w", "protobuf", "--keys-only", "--rev=99"});
  same({"get", "/", "--prefix", "--keys-only"});
  same({"get", "/", "--prefix", "--print-value-only"});
  same({"get", "/", "--prefix", "--consistency=s", "--hex"});
  for (const char* field : {"KEY", "VALUE", "VERSION", "CREATE", "MODIFY"}) {
    for (const char* order : {"ASCEND", "DESCEND"}) {
      same({"get", "/", "--prefix", std::string("--sort-by=") + field, std::string("--order=") + order});
    }
  }
  same({"get", "/a", "--rev=2"});
  same({"get", "/a", "--rev=99"});
  same({"del", "/none"});
  same({"del", "/a", "--prev-kv"});
  same({"del", "/b", "/c"});
  same({"del", "/", "--prefix", "--prev-kv", "-w", "json"});
  same({"del", ""});
}

TEST_F(BesideEtcd, Transactions) {
  same({"put", "/a", "1"});
  same_with_input("value(\"/a\") = \"1\"\n\nput /b then\nget /a\n\nput /b else\n\n", {"txn"});
  same_with_input("mod(\"/a\") > \"9\"\n\nput /b then\n\nget /b\ndel /b\n\n", {"txn"});
  same_with_input("create(\"/none\") = \"0\"\nver(\"/a\") = \"1\"\n\nput /c 1\n\n\n", {"txn", "-w", "json"});
  same_with_input("ver(\"/a\") = \"1\"\n\nput /d 1\nput /d 2\n\n\n", {"txn"});
}

TEST_F(BesideEtcd, CompactionsAndWhatTheyMakeUnreadable) {
  for (int i = 0; i < 5; ++i) same({"put", "/a", std::to_string(i)});
  same({"compaction", "4"});
  same({"compaction", "4"});
  same({"compaction", "99"});
  same({"compaction", "5", "--physical"});
  same({"compaction", "x"});
  same({"get", "/a", "--rev=4"});
  same({"get", "/a", "--rev=5"});
  same({"watch", "/a", "--rev=2"});
  same({"defrag"});
}

TEST_F(BesideEtcd, Leases) {
  same({"lease", "list"});
  same({"lease", "grant", "100"});
  same({"lease", "grant", "0"});
  same({"lease", "grant", "-1"});
  same({"lease", "grant", "9000000001"});
  same({"lease", "grant", "x"});
  same({"lease", "timetolive", "1234"});
  same({"lease", "timetolive", "1234", "--keys"});
  same({"lease", "keep-alive", "--once", "1234"});
  same({"lease", "keep-alive", "1234"});
  same({"lease", "revoke", "1234"});
}

TEST_F(BesideEtcd, RangesThatEtcdctlItselfOrTheServerRefuses) {
  for (const char* value : {"1", "2", "3"}) {
    same({"put", "/k1", value});
    same({"put", std::string("/k") + value, value});
  }
  for (const Words& words :
       std::vector<Words>{{"--rev=3"},
                          {"--rev=-1"},
                          {"--rev=x"},
                          {"--limit=-1", "--prefix"},
                          {"--limit=9999999999", "--prefix"},
                          {"--from-key"},
                          {"--from-key", "--prefix"},
                          {"--count-only", "--prefix", "-w", "fields"},
                          {"--count-only", "--prefix", "-w", "json"},
                          {"--sort-by=GUESS"},
                          {"--order=GUESS"},
                          {"--consistency=guess"},
                          {"--sort-by=VALUE", "--order=DESCEND", "--limit=2", "--prefix"},
                          {"--hex", "--print-value-only"},
                          {"--print-value-only", "--keys-only"},
                          {"/k3", "--prefix"},
                          {"/a"},
                          {"--command-timeout=1ns"}}) {
    Words all = {"get", "/k"};
    all.insert(all.end(), words.begin(), words.end());
    same(all);
  }
  same({"get"});
  same({"get", "/k1", "/k2", "/k3"});
  same({"put"});
  same({"put", "/k1", "--ignore-value", "--prev-kv"});
  same({"put", "/k1", "1", "--lease=guess"});
  same({"put", "/k1", "1", "--lease=7fffffffffffffff"});
  same({"del"});
  same({"del", "/k3", "/k1"});
  same({"del", "/k3", "--from-key", "--prev-kv"});
  same({"compaction", "-1"});
  same({"guess"});
}

TEST_F(BesideEtcd, TransactionsOfEveryComparison) {
  same({"put", "/a", "5"});
  for (const char* target : {"value", "ver", "create", "mod"}) {
    for (const char* result : {"=", "!=", ">"}) {
      same_with_input(fmt::format("{}(\"/a\") {} \"2\"\n\nget /a\n\nget /none\n\n", target, result), {"txn"});
    }
  }
  same_with_input("value(\"/a\") = \"5\"\n\nguess /a\n\n\n", {"txn"});
  same_with_input("\n\n\n", {"txn", "-i"});
  same_with_input("value(\"/a\") = \"5\"\n\nput /b 1\ndel /a --prev-kv\n\n\n", {"txn", "-i", "-w", "json"});
}

// Leases that both have by the same name, and watches that begin in the past, until both have said as much.
TEST_F(BesideEtcd, LeasesAndWatchesAsTheyGoOn) {
  const auto granted = [](const Etcdctl& ctl) { return ctl({"lease", "grant", "500"}).substr(6, 16); };
  const std::string ours = granted(our_ctl_);
  const std::string theirs = granted(their_ctl_);
  const auto both = [&](const std::function<Words(const std::string& lease)>& words) {
    EXPECT_EQ(comparable(our_ctl_(words(ours))), comparable(their_ctl_(words(theirs))));
  };
  both([](const std::string& id) { return Words{"put", "/l", "1", "--lease=" + id}; });
  both([](const std::string& id) { return Words{"lease", "keep-alive", "--once", id}; });
  both([](const std::string&) { return Words{"get", "/l", "--print-value-only"}; });
  both([](const std::string&) { return Words{"lease", "list"}; });
  both([](const std::string& id) { return Words{"lease", "revoke", id}; });
  both([](const std::string& id) { return Words{"lease", "timetolive", id, "--keys"}; });
  same({"put", "/l", "2"});
  for (const Words& flags : std::vector<Words>{{"--rev=2"},
                                               {"--rev=2", "--prev-kv"},
                                               {"--rev=2", "--prev-kv", "-w", "json"},
                                               {"--rev=2", "-w", "fields"},
                                               {"--rev=2", "--progress-notify", "--prefix"}}) {
    const TempDir logs;
    Words words = {"watch", "/l"};
    words.insert(words.end(), flags.begin(), flags.end());
    const Process our_watch(our_ctl_.argv(words), logs / "ours");
    const Process their_watch(their_ctl_.argv(words), logs / "theirs");
    EXPECT_TRUE(eventually([&] {
      const std::string text = their_watch.output();
      return text.size() > 20 && comparable(text) == comparable(our_watch.output());
    })) << flags.back()
        << "\n"
        << our_watch.output() << "\n"
        << their_watch.output();
  }
}

TEST_F(BesideEtcd, EveryFormOfOutput) {
  same({"put", "/a", "1"});
  for (const char* form : {"json", "fields", "simple"}) {
    for (const Words& words : std::vector<Words>{{"endpoint", "status"},
                                                 {"endpoint", "health"},
                                                 {"endpoint", "hashkv"},
                                                 {"member", "list"},
                                                 {"user", "list"},
                                                 {"role", "list"},
                                                 {"auth", "disable"},
                                                 {"lease", "list"},
                                                 {"lease", "timetolive", "77", "--keys"},
                                                 {"get", "/a"},
                                                 {"del", "/none"},
                                                 {"put", "/a", "1"},
                                                 {"compaction", "99"},
                                                 {"member", "remove", "1"},
                                                 {"defrag"}}) {
      // Words of what a server is, which the simple form has without names.
      const bool of_itself = words.back() == "status" || words.back() == "hashkv" || words[0] == "member";
      if (of_itself && std::string(form) == "simple") continue;
      Words all = words;
      all.insert(all.end(), {"-w", form});
      same(all);
    }
  }
}

TEST_F(BesideEtcd, LocksAndTheServersOwnAffairs) {
  same({"lock", "/lock", "echo", "held"});
  same({"endpoint", "health"});
  same({"alarm", "list"});
  same({"alarm", "disarm"});
  same({"move-leader", "1234"});
}

// Users and roles are off here as they are in an etcd that has none. What would turn them on is not compared.
TEST_F(BesideEtcd, UsersAndRoles) {
  same({"auth", "disable"});
  same({"auth", "enable"});
  same({"user", "list"});
  same({"role", "list"});
  same({"user", "get", "nobody"});
  same({"user", "delete", "nobody"});
  same({"role", "get", "nothing"});
  same({"role", "delete", "nothing"});
  same({"user", "grant-role", "nobody", "nothing"});
  same({"user", "revoke-role", "nobody", "nothing"});
  same({"user", "passwd", "nobody", "--interactive=false"});
  same({"role", "grant-permission", "nothing", "read", "/a"});
  same({"role", "revoke-permission", "nothing", "/a"});
  EXPECT_THAT(our_ctl_.run({"role", "add", "one"}).output, HasSubstr("users and roles are not supported"));
}

TEST_F(BesideEtcd, AMirrorGoesBothWays) {
  const TempDir logs;
  our_ctl_({"put", "/before", "1"});
  Process out(our_ctl_.argv({"make-mirror", etcd_.endpoint()}), logs / "out");
  EXPECT_TRUE(eventually([&] { return their_ctl_({"get", "/before"}) == "/before\n1\n"; })) << out.output();
  our_ctl_({"put", "/after", "2"});
  our_ctl_({"del", "/before"});
  EXPECT_TRUE(eventually([&] { return their_ctl_({"get", "/", "--prefix"}) == "/after\n2\n"; }))
      << out.output();
  out.send(SIGTERM);
  out.wait();
  Process back(their_ctl_.argv({"make-mirror", served_.endpoint(), "--prefix=/after", "--dest-prefix=/back"}),
               logs / "back");
  EXPECT_TRUE(eventually([&] { return our_ctl_({"get", "/back"}) == "/back\n2\n"; })) << back.output();
}

TEST_F(BesideEtcd, SnapshotsAreSavedReadAndRestored) {
  same({"put", "/a", "1"});
  const std::string file = dir_ / "snapshot";
  EXPECT_THAT(our_ctl_({"snapshot", "save", file}), HasSubstr("Snapshot saved at " + file));
  // "hash, revision, total keys, total size": both hold one key and one revision.
  EXPECT_THAT(our_ctl_({"snapshot", "status", file}),
              ::testing::ContainsRegex("^[0-9a-f]+, 2, [0-9]+, [0-9]+"));
  const RealEtcd restored(file);
  EXPECT_EQ(Etcdctl(restored.endpoint())({"get", "/", "--prefix"}), "/a\n1\n");
}

}  // namespace
}  // namespace cloudless::etcd::testing

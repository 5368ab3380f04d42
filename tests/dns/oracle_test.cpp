// The same zones and the same questions, put to Knot DNS, to BIND and to us: the answers are the same. One
// zone has an example of everything; the others, and what they are asked, are generated from seeds.
//
// Differences that are meant, and therefore taken out before comparing:
//   - the order of records within a section carries no meaning;
//   - the additional section is optional (RFC 1034 section 3.7); servers differ in what they add, so it is
//   not compared
//     but for referrals, whose glue all three must have;
//   - the authority section of a positive answer is optional: BIND may add the zone's NS records;
//   - BIND sends TTL 0 with the SOA of a negative answer to a SOA question (zero-no-soa-ttl), unless told not
//   to;
//   - ANY may be answered with a part (RFC 8482), so it is not asked.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/random.hpp"
#include "base/strings.hpp"
#include "dns/testing/decode.hpp"
#include "dns/upstream.hpp"
#include "dns/zone_text.hpp"
#include "peers.hpp"
#include "support/process.hpp"

namespace cloudless::dns {
namespace {

using cloudless::testing::eventually;
using cloudless::testing::free_port;
using cloudless::testing::Process;
using cloudless::testing::TempDir;
using cloudless::testing::write_file;

constexpr std::string_view kZone = R"($ORIGIN example.org.
$TTL 3600
@        IN SOA ns1 hostmaster 2026112201 7200 3600 1209600 300
@        IN NS  ns1
@        IN NS  ns2
@        IN MX  10 mail
@        IN TXT "v=spf1 -all"
ns1      IN A   192.0.2.1
ns2      IN A   192.0.2.2
mail     IN A   192.0.2.3
mail     IN AAAA 2001:db8::3
www      IN CNAME web
web      IN A   192.0.2.4
web      IN A   192.0.2.5
web      300 IN TXT "text" "in pieces"
_sip._tcp IN SRV 0 5 5060 web
deep.a.b IN A   192.0.2.6
*.wild   IN A   192.0.2.7
*.wild   IN MX  5 mail
host.wild IN TXT "not wild"
*.cname  IN CNAME web
child    IN NS  ns.child
child    IN NS  ns.outside.example.net.
ns.child IN A   192.0.2.8
old      IN DNAME new
leaf.new IN A   192.0.2.9
new      IN TXT "new"
out      IN CNAME somewhere.example.net.
chain1   IN CNAME chain2
chain2   IN CNAME chain3
chain3   IN A   192.0.2.10
dangling IN CNAME nothing
caa      IN CAA 0 issue "ca.example.net"
https    IN HTTPS 1 . alpn=h2 port=8443
tlsa     IN TLSA 3 1 1 00112233
naptr    IN NAPTR 100 10 "u" "sip+E2U" "!^.*$!sip:x@example.org!" .
odd      IN TYPE65300 \# 2 BEEF
)";

const std::vector<std::string> kNames = {
    "",         "www.",      "web.",     "mail.",     "ns1.",       "_sip._tcp.", "deep.a.b.",    "a.b.",
    "b.",       "x.a.b.",    "wild.",    "any.wild.", "x.y.wild.",  "host.wild.", "z.host.wild.", "*.wild.",
    "n.cname.", "cname.",    "child.",   "ns.child.", "x.child.",   "old.",       "leaf.old.",    "none.old.",
    "a.b.old.", "leaf.new.", "out.",     "chain1.",   "dangling.",  "caa.",       "https.",       "tlsa.",
    "naptr.",   "odd.",      "missing.", "WeB.",      "a.missing.", "_tcp."};

constexpr uint16_t kTypes[] = {1, 2, 5, 6, 12, 13, 15, 16, 28, 33, 35, 39, 43, 52, 65, 257, 65300, 999};

struct Question {
  std::string name;  // fully qualified
  uint16_t type;
};

struct TestZone {
  std::string apex;
  std::string text;
  std::vector<Question> questions;
};

TestZone zone_of_everything() {
  TestZone zone{"example.org", std::string(kZone), {}};
  for (const std::string& name : kNames) {
    for (const uint16_t type : kTypes) zone.questions.push_back({name + zone.apex, type});
  }
  return zone;
}

// A zone over few labels, so that names meet: wildcards, empty non-terminals, delegations with data below
// them, aliases that lead to each of these. What servers may treat as they like is left out: delegation by a
// wildcard, circles of aliases.
class ZoneGenerator {
 public:
  explicit ZoneGenerator(uint64_t seed) : random_(seed) {
    zone_.apex = fmt::format("zone{}.example", seed);
    zone_.text = fmt::format(
        "$ORIGIN {}.\n$TTL 300\n@ IN SOA ns1 hostmaster 1 7200 3600 1209600 60\n@ IN NS ns1\n"
        "ns1 IN A 192.0.2.1\nns1 IN AAAA 2001:db8::1\n",
        zone_.apex);
  }

  TestZone run() {
    constexpr int kRecords = 40;
    constexpr int kQuestions = 400;
    for (int i = 0; i < kRecords; ++i) add_record();
    constexpr uint16_t types[] = {1, 2, 5, 6, 15, 16, 28};
    for (int i = 0; i < kQuestions; ++i)
      zone_.questions.push_back({random_name() + "." + zone_.apex, types[random_.below(std::size(types))]});
    return std::move(zone_);
  }

 private:
  std::string random_name() {
    constexpr std::string_view labels[] = {"a", "b", "c", "d"};
    std::string name(random_.below(5) == 0 ? "*" : labels[random_.below(4)]);
    for (uint64_t more = random_.below(3); more > 0; --more)
      name += "." + std::string(labels[random_.below(4)]);
    return name;
  }

  void put(const std::string& owner, const std::string& type, const std::string& data) {
    zone_.text += fmt::format("{} IN {} {}\n", owner, type, data);
    (type == "CNAME" ? aliases_ : others_).insert(owner);
  }

  void add_record() {
    const std::string owner = random_name();
    const bool wildcard = owner.starts_with('*');
    if (aliases_.contains(owner)) return;  // stands alone
    switch (random_.below(6)) {
      case 0:
        return put(owner, "TXT", fmt::format("\"{}\"", random_.below(100)));
      case 1:
        return put(owner, "MX", "10 ns1");
      case 2: {
        if (others_.contains(owner)) return;
        const std::string target = random_name();
        return put(owner, "CNAME", wildcard || target <= owner ? "ns1" : target);
      }
      case 3:
        if (wildcard) return;
        put("ns." + owner, "A", fmt::format("192.0.2.{}", random_.below(256)));
        return put(owner, "NS", "ns." + owner);
      default:
        return put(owner, "A", fmt::format("192.0.2.{}", random_.below(256)));
    }
  }

  SeededRandom random_;
  TestZone zone_;
  std::set<std::string> aliases_, others_;
};

std::optional<std::string> read_exactly(int fd, size_t count) {
  std::string bytes(count, '\0');
  for (size_t at = 0; at < count;) {
    const ssize_t got = read(fd, bytes.data() + at, count - at);
    if (got <= 0) return std::nullopt;
    at += static_cast<size_t>(got);
  }
  return bytes;
}

// One question over TCP, so that nothing is cut short.
std::optional<std::string> ask(uint16_t port, const std::string& packet) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::optional<std::string> answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    const std::string frame{static_cast<char>(packet.size() >> 8), static_cast<char>(packet.size())};
    if (write(fd, (frame + packet).data(), packet.size() + 2) > 0) {
      if (const auto length = read_exactly(fd, 2)) {
        answer =
            read_exactly(fd, static_cast<uint8_t>((*length)[0]) * 256u + static_cast<uint8_t>((*length)[1]));
      }
    }
  }
  close(fd);
  return answer;
}

// The parts of a response that must be the same everywhere (see the head of this file).
std::string comparable(const std::string& packet) {
  const std::string text = testing::decode(packet);
  std::vector<std::string> lines;
  const bool referral = text.find("\nan ") == std::string::npos && text.find(" aa") == std::string::npos;
  const auto of_negative = [](std::string_view line) { return line.find(" SOA ") != std::string_view::npos; };
  for (const std::string_view line : split(text, '\n')) {
    if (line.starts_with("ad ") && !referral) continue;
    if (line.starts_with("au ") && !referral && !of_negative(line)) continue;
    lines.push_back(to_lower(line));
  }
  std::sort(lines.begin() + 1, lines.end());
  return join(lines, "\n");
}

class Oracle : public ::testing::Test {
 protected:
  Oracle() {
    constexpr uint64_t kSeeds = 6;
    zones_.push_back(zone_of_everything());
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) zones_.push_back(ZoneGenerator(seed).run());
    for (const TestZone& zone : zones_) write_file(dir_ / zone.apex, zone.text);
  }

  std::vector<std::string> apexes() const {
    std::vector<std::string> all;
    for (const TestZone& zone : zones_) all.push_back(zone.apex);
    return all;
  }

  void compare_with(uint16_t port, Process& server) {
    for (const TestZone& zone : zones_) {
      SCOPED_TRACE(zone.apex);
      compare_zone(zone, port, server);
      if (HasFailure()) FAIL() << zone.text;
    }
  }

  void compare_zone(const TestZone& zone, uint16_t port, Process& server) {
    const Name apex = Name::parse(zone.apex).value();
    const std::string probe = upstream_packet({.name = apex, .type = 6}, 1);
    ASSERT_TRUE(eventually([&] {
      const auto answer = ask(port, probe);
      return answer && testing::decode(*answer).starts_with("NOERROR aa");
    })) << server.output();
    const auto parsed = parse_zone(zone.text, apex);
    ASSERT_TRUE(parsed) << parsed.error().message;
    const ZoneSet zones({*parsed});
    for (const Question& question : zone.questions) {
      const Query query{.id = 7, .name = Name::parse(question.name).value(), .type = question.type};
      std::string packet = upstream_packet(query, 7);
      packet[2] = 0;  // no recursion desired: the servers are authoritative only
      const auto theirs = ask(port, packet);
      ASSERT_TRUE(theirs) << question.name << " " << question.type;
      const std::string ours = answer(zones, query, kMaxMessageBytes);
      EXPECT_EQ(comparable(ours), comparable(*theirs))
          << question.name << " " << to_text(static_cast<Type>(question.type)) << "\nthey said\n"
          << testing::decode(*theirs) << "we said\n"
          << testing::decode(ours);
    }
  }

  std::vector<TestZone> zones_;
  TempDir dir_;
};

TEST_F(Oracle, KnotGivesTheSameAnswers) {
  const uint16_t port = free_port();
  const auto knot = start_knot(dir_, port, apexes());
  compare_with(port, *knot);
}

TEST_F(Oracle, BindGivesTheSameAnswers) {
  const uint16_t port = free_port();
  const auto named = start_bind(dir_, port, apexes(), "minimal-responses no;");
  compare_with(port, *named);
}

}  // namespace
}  // namespace cloudless::dns

// The same zone and the same questions, put to Knot DNS, to BIND and to us: the answers are the same.
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

#include "base/random.hpp"
#include "base/strings.hpp"
#include "dns/testing/decode.hpp"
#include "dns/upstream.hpp"
#include "dns/zone_text.hpp"
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
  void SetUp() override { write_file(dir_ / "zone", std::string(kZone)); }

  void compare_with(uint16_t port, Process& server) {
    const std::string probe = upstream_packet({.name = Name::parse("example.org").value(), .type = 6}, 1);
    ASSERT_TRUE(eventually([&] {
      const auto answer = ask(port, probe);
      return answer && testing::decode(*answer).starts_with("NOERROR aa");
    })) << server.output();
    const ZoneSet zones({parse_zone(kZone, Name::parse("example.org").value()).value()});
    for (const std::string& name : kNames) {
      for (const uint16_t type : kTypes) {
        const Query query{.id = 7, .name = Name::parse(name + "example.org").value(), .type = type};
        std::string packet = upstream_packet(query, 7);
        packet[2] = 0;  // no recursion desired: the servers are authoritative only
        const auto theirs = ask(port, packet);
        ASSERT_TRUE(theirs) << name << " " << type;
        EXPECT_EQ(comparable(answer(zones, query, kMaxMessageBytes)), comparable(*theirs))
            << name << " " << to_text(static_cast<Type>(type)) << "\nthey said\n"
            << testing::decode(*theirs) << "we said\n"
            << testing::decode(answer(zones, query, kMaxMessageBytes));
      }
    }
  }

  TempDir dir_;
};

TEST_F(Oracle, KnotGivesTheSameAnswers) {
  const uint16_t port = free_port();
  write_file(dir_ / "knot.conf",
             fmt::format("server:\n    rundir: {0}\n    listen: 127.0.0.1@{1}\ndatabase:\n    storage: {0}\n"
                         "zone:\n  - domain: example.org\n    file: {0}/zone\n    semantic-checks: off\n",
                         dir_.path(), port));
  Process knot({"knotd", "-c", dir_ / "knot.conf"}, dir_ / "knot.log");
  compare_with(port, knot);
}

TEST_F(Oracle, BindGivesTheSameAnswers) {
  const uint16_t port = free_port();
  write_file(
      dir_ / "named.conf",
      fmt::format(
          "options {{ directory \"{0}\"; pid-file \"{0}/named.pid\"; session-keyfile \"{0}/session.key\";\n"
          "  listen-on port {1} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no;\n"
          "  minimal-responses no; zero-no-soa-ttl no; dnssec-validation no; }};\ncontrols {{ }};\n"
          "zone \"example.org\" {{ type primary; file \"{0}/zone\"; }};\n",
          dir_.path(), port));
  Process named({"named", "-g", "-c", dir_ / "named.conf", "-n", "1"}, dir_ / "named.log");
  compare_with(port, named);
}

}  // namespace
}  // namespace cloudless::dns

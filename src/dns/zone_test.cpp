#include "dns/zone.hpp"

#include <gtest/gtest.h>

#include "dns/testing/decode.hpp"
#include "dns/zone_text.hpp"

namespace cloudless::dns {
namespace {

constexpr std::string_view kZone = R"($TTL 1h
@       IN SOA ns1 hostmaster ( 7 ; serial
                1d 2h 4w 300 )
        IN NS  ns1
        IN NS  ns2.elsewhere.net.
        IN MX  10 mail
ns1     IN A   192.0.2.1
mail    IN A   192.0.2.2
        IN AAAA 2001:db8::2
www     IN CNAME web
web     300 IN A 192.0.2.3
a.b.c   IN TXT "deep" "er"
*.wild  IN A   192.0.2.4
sub.wild IN TXT "here"
child   IN NS  ns.child
ns.child IN A  192.0.2.5
old     IN DNAME new
x.new   IN A   192.0.2.6
out     IN CNAME www.example.net.
loop1   IN CNAME loop2
loop2   IN CNAME loop1
)";

std::shared_ptr<const Zone> zone() { return parse_zone(kZone, Name::parse("example.org").value()).value(); }

// The response to `name type`, in dig's short words.
std::string ask(std::string_view name, Type type, size_t limit = kEdnsUdpLimit) {
  const ZoneSet zones({zone()});
  const Query query{.name = Name::parse(name).value(), .type = static_cast<uint16_t>(type)};
  return testing::decode(answer(zones, query, limit));
}

TEST(Zone, AnswersFromTheRecordsOfAName) {
  EXPECT_EQ(ask("web.example.org", Type::kA), "NOERROR aa\nan web.example.org. 300 A 192.0.2.3\n");
  EXPECT_EQ(ask("WEB.Example.ORG", Type::kA), "NOERROR aa\nan WEB.Example.ORG. 300 A 192.0.2.3\n");
}

TEST(Zone, FollowsACnameWithinTheZoneAndStopsAtItsEdge) {
  EXPECT_EQ(
      ask("www.example.org", Type::kA),
      "NOERROR aa\nan www.example.org. 3600 CNAME web.example.org.\nan web.example.org. 300 A 192.0.2.3\n");
  EXPECT_EQ(ask("www.example.org", Type::kCname),
            "NOERROR aa\nan www.example.org. 3600 CNAME web.example.org.\n");
  EXPECT_EQ(ask("out.example.org", Type::kA),
            "NOERROR aa\nan out.example.org. 3600 CNAME www.example.net.\n");
}

TEST(Zone, ACnameLoopEnds) {
  EXPECT_TRUE(ask("loop1.example.org", Type::kA).starts_with("NOERROR aa\nan loop1"));
}

constexpr std::string_view kSoa =
    "au example.org. 300 SOA ns1.example.org. hostmaster.example.org. 7 86400 7200 2419200 300\n";

TEST(Zone, NamesTheSoaWhenThereIsNothing) {
  EXPECT_EQ(ask("none.example.org", Type::kA), "NXDOMAIN aa\n" + std::string(kSoa));
  EXPECT_EQ(ask("web.example.org", Type::kAaaa), "NOERROR aa\n" + std::string(kSoa));
}

TEST(Zone, AnEmptyNonTerminalExists) {
  EXPECT_EQ(ask("b.c.example.org", Type::kTxt), "NOERROR aa\n" + std::string(kSoa));
  EXPECT_EQ(ask("a.b.c.example.org", Type::kTxt),
            "NOERROR aa\nan a.b.c.example.org. 3600 TXT \"deep\" \"er\"\n");
}

TEST(Zone, AWildcardStandsInForMissingNamesOnly) {
  EXPECT_EQ(ask("any.wild.example.org", Type::kA), "NOERROR aa\nan any.wild.example.org. 3600 A 192.0.2.4\n");
  EXPECT_EQ(ask("very.deep.wild.example.org", Type::kA),
            "NOERROR aa\nan very.deep.wild.example.org. 3600 A 192.0.2.4\n");
  EXPECT_EQ(ask("any.wild.example.org", Type::kTxt), "NOERROR aa\n" + std::string(kSoa));
  EXPECT_EQ(ask("sub.wild.example.org", Type::kA), "NOERROR aa\n" + std::string(kSoa));
  EXPECT_EQ(ask("x.sub.wild.example.org", Type::kA), "NXDOMAIN aa\n" + std::string(kSoa));
}

TEST(Zone, RefersBelowADelegationWithGlueAndWithoutAuthority) {
  const std::string referral =
      "NOERROR\nau child.example.org. 3600 NS ns.child.example.org.\nad ns.child.example.org. 3600 A "
      "192.0.2.5\n";
  EXPECT_EQ(ask("child.example.org", Type::kA), referral);
  EXPECT_EQ(ask("deep.child.example.org", Type::kA), referral);
  EXPECT_EQ(ask("child.example.org", Type::kDs), "NOERROR aa\n" + std::string(kSoa));
}

TEST(Zone, ADnameRewritesWhatIsBelowIt) {
  EXPECT_EQ(ask("x.old.example.org", Type::kA),
            "NOERROR aa\nan old.example.org. 3600 DNAME new.example.org.\n"
            "an x.old.example.org. 3600 CNAME x.new.example.org.\nan x.new.example.org. 3600 A 192.0.2.6\n");
}

TEST(Zone, AddsTheAddressesOfMailAndNameServers) {
  EXPECT_EQ(
      ask("example.org", Type::kMx),
      "NOERROR aa\nan example.org. 3600 MX 10 mail.example.org.\nad mail.example.org. 3600 A 192.0.2.2\n"
      "ad mail.example.org. 3600 AAAA 2001:db8::2\n");
}

TEST(Zone, RefusesNamesOfOthers) { EXPECT_EQ(ask("example.com", Type::kA), "REFUSED\n"); }

TEST(Zone, SetsTcWhereTheAnswerDoesNotFit) {
  std::string text = "$TTL 60\n@ SOA a b 1 2 3 4 5\n";
  for (int i = 0; i < 100; ++i) text += fmt::format("many A 192.0.2.{}\n", i);
  const ZoneSet zones({parse_zone(text, Name::parse("example.org").value()).value()});
  const Query query{.name = Name::parse("many.example.org").value(), .type = 1};
  const std::string packet = answer(zones, query, kPlainUdpLimit);
  EXPECT_LE(packet.size(), kPlainUdpLimit);
  EXPECT_EQ(testing::decode(packet), "NOERROR aa tc\n");
  EXPECT_EQ(testing::decode(answer(zones, query, kMaxMessageBytes)).find("tc"), std::string::npos);
}

TEST(Zone, RefusesRecordsThatBreakAZone) {
  const Name apex = Name::parse("example.org").value();
  const auto error = [&](std::string_view text) { return parse_zone(text, apex).error().message; };
  EXPECT_EQ(error("$TTL 1\na A 192.0.2.1\n"), "the zone example.org. has no SOA record");
  EXPECT_EQ(error("$TTL 1\n@ SOA a b 1 2 3 4 5\na CNAME b\na A 192.0.2.1\n"),
            "a.example.org. has a CNAME and other records");
  EXPECT_EQ(error("$TTL 1\n@ SOA a b 1 2 3 4 5\nother.net. A 192.0.2.1\n"),
            "other.net. is outside of the zone example.org.");
}

TEST(ZoneText, NamesTheLineAndTheReasonOfAnError) {
  const Name apex = Name::parse("example.org").value();
  const auto error = [&](std::string_view text) { return parse_zone_text(text, apex).error().message; };
  EXPECT_EQ(error("$TTL 1h\n\n\nwww A 192.0.2.300\n"), "line 4: \"192.0.2.300\" is not an IPv4 address");
  EXPECT_EQ(error("www 60 FOO bar\n"), "line 1: \"FOO\" is not a record type");
  EXPECT_EQ(error("www A 192.0.2.1\n"), "line 1: no TTL is given and there is no $TTL");
  EXPECT_EQ(error("@ 60 SOA a b (\n1 2 3\n"), "line 1: a parenthesis is not closed");
  EXPECT_EQ(error("$INCLUDE /etc/passwd\n"), "line 1: $INCLUDE is not possible here: a zone is one text");
  EXPECT_EQ(error(" 60 A 192.0.2.1\n"), "line 1: the first record has no owner");
  EXPECT_EQ(error("www 60 TXT \"open\n"), "line 1: a quoted string does not end");
  EXPECT_EQ(error("www 60 A 192.0.2.1 192.0.2.2\n"), "line 1: \"192.0.2.2\" is too much for A data");
}

TEST(ZoneText, GenerateMakesAnOwnerForEachStep) {
  const auto records =
      parse_zone_text("$TTL 60\n$GENERATE 1-5/2 host-${0,3} A 192.0.2.$\n", Name::parse("x").value());
  ASSERT_TRUE(records) << records.error().message;
  ASSERT_EQ(records->size(), 3u);
  EXPECT_EQ((*records)[2].owner.to_text(), "host-005.x.");
  EXPECT_EQ(rdata_to_text(Type::kA, (*records)[2].rdata), "192.0.2.5");
}

TEST(ZoneText, PrintsWhatItReads) {
  const auto again = parse_zone(zone_to_text(*zone()), Name::parse("example.org").value());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(zone_to_text(**again), zone_to_text(*zone()));
}

TEST(Record, DataOfEveryTypeReadsBackFromItsText) {
  const Name origin = Name::parse("example.org").value();
  for (const auto& [type, text] : std::initializer_list<std::pair<Type, const char*>>{
           {Type::kA, "192.0.2.1"},
           {Type::kAaaa, "2001:db8::1"},
           {Type::kSrv, "0 5 443 web.example.org."},
           {Type::kNaptr, R"(100 10 "u" "sip+E2U" "!^.*$!sip:info@example.org!" .)"},
           {Type::kCaa, R"(0 issue "ca.example.org; policy=ev")"},
           {Type::kTlsa, "3 1 1 0123ABCD"},
           {Type::kSshfp, "4 2 ABCDEF"},
           {Type::kDs, "60485 5 1 2BB183AF"},
           {Type::kHttps, "1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1,192.0.2.2"},
           {Type::kTxt, R"("a\"b" "c\\d" "\001")"},
           {Type::kHinfo, R"("PC" "Linux")"},
           {static_cast<Type>(65400), R"(\# 3 ABCDEF)"}}) {
    const auto rdata = parse_rdata(type, text, origin);
    ASSERT_TRUE(rdata) << text << ": " << rdata.error().message;
    EXPECT_EQ(rdata_to_text(type, *rdata), text);
  }
}

}  // namespace
}  // namespace cloudless::dns

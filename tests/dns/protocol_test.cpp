// Packets as they come from outside, good and bad, put to our server, to Knot DNS and to BIND over real
// sockets: what is asked, not what is held (oracle_test.cpp has that). Where a peer says something else, the
// row says what and why ours is as it is; all others must agree.
//
// Compared are opcode, rcode, the flags, whether the question comes back with its case kept, how many records
// stand in answer and authority (not in what was truncated, of which a server may send any part), and EDNS's
// version, DO bit and extended rcode. The additional section but for EDNS is optional, and so are EDNS's
// options in a response (cookies, NSID, client subnet, extended errors): we send none.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>

#include "base/metrics.hpp"
#include "base/strings.hpp"
#include "dns/server.hpp"
#include "dns/testing/decode.hpp"
#include "dns/wire.hpp"
#include "dns/zone_text.hpp"
#include "peers.hpp"

namespace cloudless::dns {
namespace {

using cloudless::testing::eventually;
using cloudless::testing::free_port;
using cloudless::testing::Process;
using cloudless::testing::TempDir;
using cloudless::testing::write_file;

constexpr std::string_view kApex = "example.org";
constexpr std::string_view kFewNames = R"($ORIGIN example.org.
$TTL 300
@ IN SOA ns1 hostmaster 1 7200 3600 1209600 60
@ IN NS ns1
ns1 IN A 192.0.2.1
www IN A 192.0.2.4
one IN TXT "only"
esc\.aped IN A 192.0.2.5
sp\032ace IN A 192.0.2.6
bin\000\255 IN A 192.0.2.7
)";

// With a set that is too large for a plain datagram and one that is too large for any of ours.
std::string zone_text_of_test() {
  std::string text(kFewNames);
  for (int i = 1; i < 50; ++i) text += fmt::format("some IN A 192.0.2.{}\n", i);
  for (int i = 1; i < 96; ++i) text += fmt::format("many IN A 192.0.2.{}\n", i);
  return text;
}

constexpr int kPatienceMs = 60'000;
constexpr uint16_t kProbeId = 0x7777;
constexpr uint16_t kTxt = 16, kSoa = 6, kIxfr = 251, kAxfr = 252, kAny = 255;

std::string wire(std::string_view name) { return Name::parse(name).value().wire(); }

struct Packet {
  uint16_t id = 0x1234;
  uint16_t flags = 0;
  std::string name = wire("www.example.org");
  uint16_t type = 1;
  uint16_t klass = 1;
  std::array<uint16_t, 3> counts{};  // answer, authority, additional
  std::string rest;                  // after the question

  std::string bytes() const {
    std::string out;
    for (const uint16_t number : {id, flags, uint16_t{1}, counts[0], counts[1], counts[2]})
      append_u16(out, number);
    out += name;
    append_u16(out, type);
    append_u16(out, klass);
    return out + rest;
  }
};

struct Opt {
  uint16_t size = 1232;
  uint8_t version = 0;
  uint16_t flags = 0;
  std::string options = {};
  std::string owner = std::string(1, '\0');

  std::string bytes() const {
    std::string out = owner;
    append_u16(out, 41);
    append_u16(out, size);
    out += '\0';
    out += static_cast<char>(version);
    append_u16(out, flags);
    append_u16(out, static_cast<uint16_t>(options.size()));
    return out + options;
  }
};

std::string option(uint16_t code, std::string_view data) {
  std::string out;
  append_u16(out, code);
  append_u16(out, static_cast<uint16_t>(data.size()));
  return out.append(data);
}

std::string plain(std::string_view name, uint16_t type = 1, uint16_t klass = 1) {
  return Packet{.name = wire(name), .type = type, .klass = klass}.bytes();
}
std::string flagged(uint16_t flags, std::string_view name = "www.example.org", uint16_t type = 1) {
  return Packet{.flags = flags, .name = wire(name), .type = type}.bytes();
}
std::string named(std::string name) { return Packet{.name = std::move(name)}.bytes(); }
std::string with_opt(const Opt& opt, std::string_view name = "www.example.org") {
  return Packet{.name = wire(name), .counts = {0, 0, 1}, .rest = opt.bytes()}.bytes();
}
std::string with_counts(std::array<uint16_t, 3> counts, std::string rest) {
  return Packet{.counts = counts, .rest = std::move(rest)}.bytes();
}
std::string opcode(uint16_t code, std::string_view name = kApex) {
  return flagged(static_cast<uint16_t>(code << 11), name, kSoa);
}
// An A record of the root, where a query has no records.
std::string stray_record() { return std::string("\0\0\1\0\1\0\0\0\0\0\4abcd", 15); }
std::string labels(std::initializer_list<size_t> sizes) {
  std::string name;
  for (const size_t size : sizes) name += static_cast<char>(size) + std::string(size, 'a');
  return name + wire(kApex);
}

struct Row {
  const char* what;
  std::string packet;
  const char* ours;
  const char* knot = nullptr;  // where it differs
  const char* bind = nullptr;
  const char* why = "";
};

constexpr const char* kAnswer = "0 NOERROR aa Q 1/0";
constexpr const char* kAnswerOpt = "0 NOERROR aa Q 1/0 v0";
constexpr const char* kNoData = "0 NOERROR aa Q 0/1";
constexpr const char* kFormErr = "0 FORMERR Q 0/0";
constexpr const char* kBareFormErr = "0 FORMERR 0/0";
constexpr const char* kRefused = "0 REFUSED Q 0/0";
constexpr const char* kSilence = "silence";
constexpr const char* kKnotIsSilent = "Knot drops what has no whole question; an error helps who debugs";
constexpr const char* kMetaType =
    "BIND has meta types of its own; no record has such a type, so there is none";
constexpr const char* kNoQuestion = "BIND does not repeat the question of an opcode that it does not know";
constexpr const char* kOtherOpcode =
    "what is not served is not implemented (RFC 1035 section 4.1.1): no transfers here";

std::vector<Row> rows() {
  return {
      {"a question", plain("www.example.org"), kAnswer},
      {"case is kept (0x20)", plain("wWw.ExaMple.ORG"), kAnswer},
      {"recursion desired", flagged(0x0100), "0 NOERROR aa rd Q 1/0"},
      {"checking disabled", flagged(0x0010), "0 NOERROR aa cd Q 1/0", kAnswer, nullptr,
       "RFC 4035 section 3.2.2 copies CD; Knot leaves it out"},
      {"flags that a query has no use for", flagged(0x0400 | 0x0200 | 0x0080 | 0x0040 | 0x0020), kAnswer},
      {"a response", flagged(0x8000), kSilence},
      {"eleven bytes", plain("www.example.org").substr(0, 11), kSilence},
      {"a header alone", plain("www.example.org").substr(0, 12), kBareFormErr, kSilence, nullptr,
       kKnotIsSilent},
      {"a name cut short", plain("www.example.org").substr(0, 20), kBareFormErr, kSilence, nullptr,
       kKnotIsSilent},
      {"a question cut short", plain("www.example.org").substr(0, 30), kBareFormErr, kSilence, nullptr,
       kKnotIsSilent},
      {"a pointer in the question", named(std::string("\xc0\x0c")), kBareFormErr, kSilence, nullptr,
       kKnotIsSilent},
      {"a label of 64", named(labels({64})), kBareFormErr, kSilence, nullptr, kKnotIsSilent},
      {"a label of 63", named(labels({63})), "0 NXDOMAIN aa Q 0/1"},
      {"a name of 255", named(labels({63, 63, 63, 49})), "0 NXDOMAIN aa Q 0/1"},
      {"a name of 256", named(labels({63, 63, 63, 50})), kBareFormErr, kSilence, nullptr, kKnotIsSilent},
      {"a dot within a label",
       named(std::string("\x09"
                         "esc.aped") +
             '\0'),
       kBareFormErr, kSilence, nullptr, kKnotIsSilent},
      {"a dot within a label of the zone",
       named("\x08"
             "esc.aped" +
             wire(kApex)),
       kAnswer},
      {"a blank within a label",
       named("\x06"
             "sp ace" +
             wire(kApex)),
       kAnswer},
      {"bytes that are no text",
       named(std::string("\x05"
                         "bin\0\xff",
                         6) +
             wire(kApex)),
       kAnswer},
      {"trailing bytes", plain("www.example.org") + "abc", kAnswer, kFormErr, nullptr,
       "be liberal: what follows the message is none of it"},
      {"a stray answer", with_counts({1, 0, 0}, stray_record()), kAnswer},
      {"a stray authority", with_counts({0, 1, 0}, stray_record()), kAnswer},
      {"a stray additional", with_counts({0, 0, 1}, stray_record()), kAnswer},

      {"EDNS", with_opt({}), kAnswerOpt},
      {"EDNS version 1", with_opt({.version = 1}), "0 BADVERS Q 0/0 v0"},
      {"EDNS version 255", with_opt({.version = 255}), "0 BADVERS Q 0/0 v0"},
      {"DNSSEC wanted", with_opt({.flags = 0x8000}), "0 NOERROR aa Q 1/0 v0 do"},
      {"an unknown flag", with_opt({.flags = 0x0001}), kAnswerOpt},
      {"an unknown option", with_opt({.options = option(65001, "abc")}), kAnswerOpt},
      {"a client cookie", with_opt({.options = option(10, "12345678")}), kAnswerOpt},
      {"a cookie of seven bytes", with_opt({.options = option(10, "1234567")}), kAnswerOpt, nullptr,
       "0 FORMERR Q 0/0 v0", "BIND reads cookies (RFC 7873); who does not, ignores them"},
      {"a client subnet", with_opt({.options = option(8, std::string("\0\1\x18\0\xc0\0\2", 7))}), kAnswerOpt},
      {"an option that overruns", with_opt({.options = std::string("\0\1\0\5a", 5)}), kFormErr},
      {"two OPT", with_counts({0, 0, 2}, Opt().bytes() + Opt().bytes()), kFormErr},
      {"OPT of another owner", with_opt({.owner = std::string("\1a\0", 3)}), kFormErr, kAnswerOpt, nullptr,
       "RFC 6891 section 6.1.2: the name must be the root; Knot does not look"},
      {"OPT cut short", with_counts({0, 0, 1}, Opt().bytes().substr(0, 9)), kFormErr},
      {"OPT among the answers", with_counts({1, 0, 0}, Opt().bytes()), kFormErr},
      {"OPT in the authority", with_counts({0, 1, 0}, Opt().bytes()), kFormErr},

      {"too much without EDNS", plain("some.example.org"), "0 NOERROR aa tc Q"},
      {"too much for 600 bytes", with_opt({.size = 600}, "some.example.org"), "0 NOERROR aa tc Q v0"},
      {"a size below 512 is 512", with_opt({.size = 0}, "some.example.org"), "0 NOERROR aa tc Q v0"},
      {"enough room in 1232 bytes", with_opt({}, "some.example.org"), "0 NOERROR aa Q 49/0 v0"},
      {"not more than 1232 bytes, whatever is offered", with_opt({.size = 4096}, "many.example.org"),
       "0 NOERROR aa tc Q v0"},

      {"ANY of one set", plain("one.example.org", kAny), kAnswer},
      {"ANY of no name", plain("no.example.org", kAny), "0 NXDOMAIN aa Q 0/1"},
      {"a whole zone", plain(kApex, kAxfr), kRefused, "0 NOTIMP Q 0/0", nullptr,
       "by UDP; Knot has no word of refusal for that"},
      {"what is new in a zone", plain(kApex, kIxfr), kRefused, "0 NOTAUTH Q 0/0", nullptr,
       "Knot refuses with NOTAUTH"},
      {"type 0", plain("www.example.org", 0), kNoData, "0 NOTIMP Q 0/0", nullptr,
       "no record has that type, so there is none"},
      {"type 65535", plain("www.example.org", 65535), kNoData},
      {"type OPT", plain("www.example.org", 41), kNoData, nullptr, kFormErr, kMetaType},
      {"type TSIG", plain("www.example.org", 250), kNoData, nullptr, kFormErr, kMetaType},
      {"type MAILB", plain("www.example.org", 253), kNoData, nullptr, "0 NOTIMP Q 0/0", kMetaType},
      {"class CH", plain("www.example.org", 1, 3), kRefused},
      {"class HS", plain("www.example.org", 1, 4), kRefused},
      {"the server's version", plain("version.bind", kTxt, 3), kRefused, "0 NOERROR Q 1/0",
       "0 NOERROR aa Q 1/0", "nobody outside needs our version"},
      {"class NONE", plain("www.example.org", 1, 254), kRefused, nullptr, kFormErr,
       "a class for updates (RFC 2136): not served, as other classes are not"},
      {"class ANY", plain("www.example.org", 1, 255), kAnswer, nullptr, kFormErr,
       "RFC 1035 section 3.2.5 allows it; BIND leaves it to updates"},
      {"class 0", plain("www.example.org", 1, 0), kRefused, nullptr, kFormErr, "as other classes"},
      {"a name of others", plain("www.other.net"), kRefused},
      {"the root", plain(".", 2), kRefused},

      {"IQUERY", opcode(1), "1 NOTIMP Q 0/0", nullptr, "1 NOTIMP 0/0", kNoQuestion},
      {"STATUS", opcode(2), "2 NOTIMP Q 0/0", nullptr, "2 NOTIMP 0/0", kNoQuestion},
      {"opcode 15", opcode(15), "15 NOTIMP Q 0/0", nullptr, "15 NOTIMP 0/0", kNoQuestion},
      {"NOTIFY", opcode(4), "4 NOTIMP Q 0/0", "4 NOTAUTH Q 0/0", "4 NOERROR aa Q 0/0", kOtherOpcode},
      {"NOTIFY of others", opcode(4, "other.net"), "4 NOTIMP Q 0/0", "4 NOTAUTH Q 0/0", "4 NOTAUTH Q 0/0",
       kOtherOpcode},
      {"UPDATE", opcode(5), "5 NOTIMP Q 0/0", "5 NOTAUTH Q 0/0", "5 REFUSED Q 0/0", kOtherOpcode},
      {"UPDATE of others", opcode(5, "other.net"), "5 NOTIMP Q 0/0", "5 NOTAUTH Q 0/0", "5 NOTAUTH Q 0/0",
       kOtherOpcode},
  };
}

size_t skip_name(std::string_view packet, size_t at) {
  while (at < packet.size()) {
    const auto length = static_cast<uint8_t>(packet[at]);
    if (length == 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    at += length + 1u;
  }
  return at;
}

// " v0 do" of the OPT record, and its part of the rcode.
struct EdnsSummary {
  std::string text;
  unsigned extended = 0;
};

EdnsSummary edns_of(std::string_view packet, size_t at, size_t records) {
  EdnsSummary edns;
  for (; records > 0 && at < packet.size(); --records) {
    at = skip_name(packet, at);
    if (at + 10 > packet.size()) break;
    if (read_u16(packet, at) == 41) {
      edns.extended = static_cast<uint8_t>(packet[at + 4]);
      edns.text = fmt::format(" v{}{}", static_cast<uint8_t>(packet[at + 5]),
                              read_u16(packet, at + 6) & 0x8000 ? " do" : "");
    }
    at += 10u + read_u16(packet, at + 8);
  }
  return edns;
}

// See the head of this file.
std::string summary(std::string_view sent, std::string_view packet) {
  if (packet.size() < 12) return "broken";
  const uint16_t flags = read_u16(packet, 2);
  const bool question = read_u16(packet, 4) == 1;
  const size_t after = question ? skip_name(packet, 12) + 4 : 12;
  const uint16_t answers = read_u16(packet, 6), authority = read_u16(packet, 8);
  const EdnsSummary edns = edns_of(packet, after, answers + authority + size_t{read_u16(packet, 10)});
  static const std::map<unsigned, const char*> rcodes{{0, "NOERROR"},  {1, "FORMERR"}, {2, "SERVFAIL"},
                                                      {3, "NXDOMAIN"}, {4, "NOTIMP"},  {5, "REFUSED"},
                                                      {9, "NOTAUTH"},  {16, "BADVERS"}};
  const unsigned rcode = edns.extended << 4 | (flags & 15);
  std::string out = fmt::format("{} {}", flags >> 11 & 15, rcodes.contains(rcode) ? rcodes.at(rcode) : "?");
  for (const auto& [bit, word] : std::initializer_list<std::pair<uint16_t, const char*>>{{0x0400, " aa"},
                                                                                         {0x0200, " tc"},
                                                                                         {0x0100, " rd"},
                                                                                         {0x0080, " ra"},
                                                                                         {0x0040, " z"},
                                                                                         {0x0020, " ad"},
                                                                                         {0x0010, " cd"}}) {
    if (flags & bit) out += word;
  }
  if (question)
    out += sent.substr(12, after - 12) == packet.substr(12, after - 12) ? " Q" : " other-question";
  if (!(flags & 0x0200)) out += fmt::format(" {}/{}", answers, authority);
  return out + edns.text;
}

class Client {
 public:
  Client(uint16_t port, int kind) : fd_(socket(AF_INET, kind | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send_bytes(std::string_view bytes) const {
    if (connected_) static_cast<void>(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
  }
  // A datagram, or what a stream has next; empty after kPatienceMs or at the end.
  std::string receive_some() const {
    pollfd waiting{fd_, POLLIN, 0};
    if (!connected_ || poll(&waiting, 1, kPatienceMs) <= 0) return {};
    std::string bytes(65'535, '\0');
    const ssize_t got = recv(fd_, bytes.data(), bytes.size(), 0);
    bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return bytes;
  }
  // The next message of a stream.
  std::string receive_frame() {
    for (;;) {
      const size_t size = buffered_.size() < 2 ? 0 : 2u + read_u16(buffered_, 0);
      if (size > 0 && buffered_.size() >= size) {
        std::string frame = buffered_.substr(2, size - 2);
        buffered_.erase(0, size);
        return frame;
      }
      const std::string more = receive_some();
      if (more.empty()) return {};
      buffered_ += more;
    }
  }

 private:
  int fd_;
  bool connected_ = false;
  std::string buffered_;
};

std::string frame(std::string_view packet) {
  std::string out;
  append_u16(out, static_cast<uint16_t>(packet.size()));
  return out.append(packet);
}

std::string probe() { return Packet{.id = kProbeId, .name = wire(kApex), .type = kSoa}.bytes(); }

// The answer to `packet`, or silence: a question that is answered for certain follows it on the same socket,
// and servers answer one client's datagrams in order.
std::string ask_udp(uint16_t port, const std::string& packet) {
  const Client client(port, SOCK_DGRAM);
  client.send_bytes(packet);
  client.send_bytes(probe());
  const std::string first = client.receive_some();
  if (first.empty()) return "nothing, not even to the probe";
  return first.size() >= 2 && read_u16(first, 0) == kProbeId ? kSilence : summary(packet, first);
}

std::string ask_tcp(uint16_t port, const std::string& packet) {
  Client client(port, SOCK_STREAM);
  client.send_bytes(frame(packet));
  return client.receive_frame();
}

// Three questions in one piece, a fourth once they are answered; the answers, in any order.
std::multiset<std::string> ask_many(uint16_t port) {
  Client client(port, SOCK_STREAM);
  std::string together;
  for (const char* name : {"www.example.org", "many.example.org", "no.example.org"})
    together += frame(plain(name));
  client.send_bytes(together);
  std::multiset<std::string> answers;
  for (int i = 0; i < 3; ++i) answers.insert(testing::decode(client.receive_frame()));
  client.send_bytes(frame(plain("one.example.org", kTxt)));
  answers.insert(testing::decode(client.receive_frame()));
  return answers;
}

class Protocol : public ::testing::Test {
 public:
  ~Protocol() override { runtime::run_blocking(thread_.loop(), ours_.stop()); }

 protected:
  Protocol() {
    const std::string text = zone_text_of_test();
    write_file(dir_ / std::string(kApex), text);
    auto zones = std::make_shared<Zones>();
    zones->for_anybody = ZoneSet({parse_zone(text, Name::parse(kApex).value()).value()});
    zones->for_cluster = zones->for_anybody;
    ours_.set_zones(std::move(zones));
    const auto started = runtime::run_blocking(thread_.loop(), start());
    EXPECT_TRUE(started) << started.error().message;
    knot_ = start_knot(dir_, knot_port_, {std::string(kApex)});
    bind_ = start_bind(dir_, bind_port_, {std::string(kApex)},
                       "minimal-responses yes; allow-transfer { none; };");
    EXPECT_TRUE(ready(knot_port_)) << knot_->output();
    EXPECT_TRUE(ready(bind_port_)) << bind_->output();
  }

  uint16_t our_port() const { return ours_.addresses()[0].port; }

  runtime::LoopThread thread_{"dns"};
  metrics::Registry registry_;
  Server ours_{
      thread_.loop(), {.listen = {{net::IpAddress::v4(0x7f000001), 0}}}, nullptr, registry_, Logger()};
  TempDir dir_;
  const uint16_t knot_port_ = free_port();
  const uint16_t bind_port_ = free_port();
  std::unique_ptr<Process> knot_;
  std::unique_ptr<Process> bind_;

 private:
  runtime::Task<Result<>> start() { co_return ours_.start(); }
  // By TCP, which refuses at once until the server is there.
  static bool ready(uint16_t port) {
    return eventually([port] { return testing::decode(ask_tcp(port, probe())).starts_with("NOERROR aa"); });
  }
};

TEST_F(Protocol, PacketsAreAnsweredAsByOthersButForWhatTheTableExplains) {
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.what);
    EXPECT_EQ((row.knot || row.bind), !std::string_view(row.why).empty());
    EXPECT_EQ(ask_udp(our_port(), row.packet), row.ours);
    EXPECT_EQ(ask_udp(knot_port_, row.packet), row.knot ? row.knot : row.ours) << "Knot; " << row.why;
    EXPECT_EQ(ask_udp(bind_port_, row.packet), row.bind ? row.bind : row.ours) << "BIND; " << row.why;
  }
}

TEST_F(Protocol, WhatWasTruncatedComesWholeByTcp) {
  for (const uint16_t port : {our_port(), knot_port_, bind_port_}) {
    const std::string packet = plain("many.example.org");
    EXPECT_EQ(ask_udp(port, packet), "0 NOERROR aa tc Q");
    EXPECT_EQ(summary(packet, ask_tcp(port, packet)), "0 NOERROR aa Q 95/0");
  }
}

TEST_F(Protocol, OneConnectionTakesSeveralQuestionsAtOnceAndOneAfterAnother) {
  const auto ours = ask_many(our_port());
  EXPECT_EQ(ours.size(), 4u);
  EXPECT_FALSE(ours.contains("broken"));
  const auto sorted = [](const std::multiset<std::string>& answers) {
    std::multiset<std::string> all;
    for (const std::string& answer : answers) {
      std::vector<std::string> lines;
      for (const std::string_view line : split(answer, '\n')) lines.emplace_back(line);
      std::ranges::sort(lines);
      all.insert(join(lines, "\n"));
    }
    return all;
  };
  EXPECT_EQ(sorted(ours), sorted(ask_many(knot_port_)));
  EXPECT_EQ(sorted(ours), sorted(ask_many(bind_port_)));
}

}  // namespace
}  // namespace cloudless::dns

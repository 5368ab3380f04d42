#include "workload.hpp"

#include <fmt/format.h>

#include "base/random.hpp"

namespace cloudless::bench {

std::string zone_text(int names) {
  std::string text =
      "$TTL 300\n"
      "@ IN SOA ns1 hostmaster 1 7200 3600 1209600 60\n"
      "@ IN NS ns1\n"
      "ns1 IN A 192.0.2.1\n"
      "*.apps IN A 192.0.2.2\n";
  for (int i = 0; i < names; ++i) {
    text += fmt::format("host{} IN A 10.{}.{}.{}\n", i, i >> 16 & 255, i >> 8 & 255, i & 255);
    if (i % 10 == 0) text += fmt::format("host{} IN AAAA 2001:db8::{:x}\n", i, i);
    if (i % 10 == 1) text += fmt::format("alias{} IN CNAME host{}\n", i, i);
    if (i % 10 == 2) text += fmt::format("host{} IN MX 10 host{}\n", i, i);
    if (i % 10 == 3) text += fmt::format("host{} IN TXT \"host number {}\"\n", i, i);
  }
  return text;
}

std::string questions(int names, int count) {
  SeededRandom random(1);
  std::string text;
  for (int i = 0; i < count; ++i) {
    const auto host = static_cast<int>(random.next() % static_cast<uint64_t>(names));
    const int tens = host / 10 * 10;
    switch (random.next() % 20) {
      case 0:
      case 1:
        text += fmt::format("missing{}.{} A\n", host, kApex);
        break;
      case 2:
        text += fmt::format("alias{}.{} A\n", tens + 1, kApex);
        break;
      case 3:
        text += fmt::format("host{}.{} MX\n", tens + 2, kApex);
        break;
      case 4:
        text += fmt::format("host{}.{} TXT\n", tens + 3, kApex);
        break;
      case 5:
        text += fmt::format("site{}.apps.{} A\n", host, kApex);
        break;
      case 6:
      case 7:
        text += fmt::format("host{}.{} AAAA\n", tens, kApex);
        break;
      case 8:
      case 9:
      case 10:
        text += fmt::format("host{}.{} AAAA\n", tens + 5, kApex);
        break;
      default:
        text += fmt::format("host{}.{} A\n", host, kApex);
    }
  }
  return text;
}

}  // namespace cloudless::bench

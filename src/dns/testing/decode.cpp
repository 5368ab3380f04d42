#include "dns/testing/decode.hpp"

#include <array>
#include <optional>

#include "dns/record.hpp"

namespace cloudless::dns::testing {

namespace {

// Reads a whole message, compression included, independently of the code under test.
struct Reader {
  std::string_view packet;
  size_t at = 12;
  bool ok = true;

  uint32_t number(size_t bytes) {
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; ++i) value = value << 8 | byte_at(at++);
    return value;
  }
  uint32_t byte_at(size_t position) {
    if (position >= packet.size()) {
      ok = false;
      return 0;
    }
    return static_cast<uint8_t>(packet[position]);
  }
  std::string name_wire() {
    std::string wire;
    size_t position = at;
    bool jumped = false;
    while (ok && wire.size() <= 255) {
      const uint32_t length = byte_at(position);
      if ((length & 0xc0) == 0xc0) {
        const size_t target = (length & 0x3f) << 8 | byte_at(position + 1);
        if (!jumped) at = position + 2;
        jumped = true;
        if (target >= position) ok = false;
        position = target;
        continue;
      }
      wire += packet.substr(position, length + 1);
      position += length + 1;
      if (length == 0) break;
    }
    if (!jumped) at = position;
    return wire;
  }
};

std::string uncompressed_rdata(Reader& reader, Type type, size_t length) {
  const size_t end = reader.at + length;
  std::string rdata;
  for (const FieldKind kind : fields_of(type)) {
    if (kind == FieldKind::kCompressibleName) {
      rdata += reader.name_wire();
    } else if (kind == FieldKind::kU16) {
      rdata += reader.packet.substr(reader.at, 2);
      reader.at += 2;
    } else {
      break;
    }
  }
  if (reader.at > end || end > reader.packet.size()) {
    reader.ok = false;
    return {};
  }
  rdata += reader.packet.substr(reader.at, end - reader.at);
  reader.at = end;
  return rdata;
}

std::string rcode_name(uint32_t rcode) {
  constexpr std::array<std::string_view, 6> kNames = {"NOERROR",  "FORMERR", "SERVFAIL",
                                                      "NXDOMAIN", "NOTIMP",  "REFUSED"};
  return rcode < kNames.size() ? std::string(kNames[rcode]) : "RCODE" + std::to_string(rcode);
}

}  // namespace

std::string decode(std::string_view packet) {
  if (packet.size() < 12) return "broken";
  Reader reader{packet, 2};
  const uint32_t flags = reader.number(2);
  std::array<uint32_t, 4> counts{};
  for (uint32_t& count : counts) count = reader.number(2);
  std::string out = rcode_name(flags & 15);
  if (flags & 0x0400) out += " aa";
  if (flags & 0x0200) out += " tc";
  if (flags & 0x0080) out += " ra";
  out += '\n';
  for (uint32_t i = 0; i < counts[0]; ++i) {
    reader.name_wire();
    reader.number(4);
  }
  constexpr std::array<std::string_view, 3> kSections = {"an", "au", "ad"};
  for (size_t section = 0; section < 3; ++section) {
    for (uint32_t i = 0; i < counts[section + 1] && reader.ok; ++i) {
      const auto owner = Name::from_wire(reader.name_wire());
      const Type type = static_cast<Type>(reader.number(2));
      reader.number(2);
      const uint32_t ttl = reader.number(4);
      const size_t length = reader.number(2);
      const std::string rdata = uncompressed_rdata(reader, type, length);
      if (!owner || !reader.ok) return "broken";
      if (type == Type::kOpt) continue;
      out += fmt::format("{} {} {} {} {}\n", kSections[section], owner->to_text(), ttl, to_text(type),
                         rdata_to_text(type, rdata));
    }
  }
  return reader.ok && reader.at == packet.size() ? out : "broken";
}

}  // namespace cloudless::dns::testing

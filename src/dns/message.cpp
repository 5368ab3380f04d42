#include "dns/message.hpp"

#include <cassert>

#include "base/strings.hpp"
#include "dns/wire.hpp"

namespace cloudless::dns {

namespace {

constexpr size_t kOptBytes = 11;

constexpr uint16_t kResponseFlag = 0x8000;
constexpr uint16_t kAuthoritativeFlag = 0x0400;
constexpr uint16_t kTruncatedFlag = 0x0200;
constexpr uint16_t kRecursionDesiredFlag = 0x0100;
constexpr uint16_t kRecursionAvailableFlag = 0x0080;
constexpr uint16_t kCheckingDisabledFlag = 0x0010;
constexpr uint16_t kDnssecOkFlag = 0x8000;
constexpr uint16_t kPointerBits = 0xc000;
constexpr size_t kMaxPointerTarget = 0x3fff;

// The length of an uncompressed name at `at`, its root label included; nothing where it is broken.
std::optional<size_t> plain_name_length(std::string_view packet, size_t at) {
  const size_t begin = at;
  while (at < packet.size()) {
    const auto length = static_cast<uint8_t>(packet[at]);
    if (length == 0) return at + 1 - begin <= kMaxNameBytes ? std::optional(at + 1 - begin) : std::nullopt;
    if (length > kMaxLabelBytes) return std::nullopt;
    at += length + 1u;
  }
  return std::nullopt;
}

// Skips a name that may end in a compression pointer; nothing where it runs out of the packet.
std::optional<size_t> skip_name(std::string_view packet, size_t at) {
  while (at < packet.size()) {
    const auto length = static_cast<uint8_t>(packet[at]);
    if (length == 0) return at + 1;
    if ((length & 0xc0) == 0xc0) return at + 2 <= packet.size() ? std::optional(at + 2) : std::nullopt;
    if (length > kMaxLabelBytes) return std::nullopt;
    at += length + 1u;
  }
  return std::nullopt;
}

// Whether the data of an OPT record is a list of options (RFC 6891 section 6.1.2). What they say is of no
// matter here.
bool are_options(std::string_view data) {
  while (data.size() >= 4) {
    const size_t length = 4u + read_u16(data, 2);
    if (length > data.size()) return false;
    data.remove_prefix(length);
  }
  return data.empty();
}

enum class OptMay { kNotStand, kStandOnce };

// Walks `count` records for OPT; others (TSIG, or what a query has no use for) are passed over. Moves `at`.
bool read_records(std::string_view packet, size_t& at, size_t count, OptMay opt, std::optional<Edns>& edns) {
  for (size_t i = 0; i < count; ++i) {
    const bool root_owner = at < packet.size() && packet[at] == 0;
    const auto after_name = skip_name(packet, at);
    if (!after_name || packet.size() < *after_name + 10) return false;
    const size_t fixed = *after_name;
    const size_t data = fixed + 10;
    const size_t size = read_u16(packet, fixed + 8);
    if (data + size > packet.size()) return false;
    if (read_u16(packet, fixed) == static_cast<uint16_t>(Type::kOpt)) {
      if (opt == OptMay::kNotStand || edns || !root_owner || !are_options(packet.substr(data, size)))
        return false;
      edns = Edns{.udp_limit = read_u16(packet, fixed + 2),
                  .version = static_cast<uint8_t>(packet[fixed + 5]),
                  .dnssec_ok = (read_u16(packet, fixed + 6) & kDnssecOkFlag) != 0};
    }
    at = data + size;
  }
  return true;
}

}  // namespace

std::expected<Query, BadQuery> read_query(std::string_view packet) {
  const auto bad = [](Rcode rcode) { return std::unexpected(BadQuery{rcode}); };
  if (packet.size() < kHeaderBytes) return std::unexpected(BadQuery{});
  const uint16_t flags = read_u16(packet, 2);
  if (flags & kResponseFlag) return std::unexpected(BadQuery{});
  Query query;
  query.id = read_u16(packet, 0);
  query.opcode = static_cast<Opcode>(flags >> 11 & 15);
  query.recursion_desired = (flags & kRecursionDesiredFlag) != 0;
  query.checking_disabled = (flags & kCheckingDisabledFlag) != 0;
  if (query.opcode != Opcode::kQuery) return bad(Rcode::kNotImp);
  if (read_u16(packet, 4) != 1) return bad(Rcode::kFormErr);
  const auto length = plain_name_length(packet, kHeaderBytes);
  if (!length || packet.size() < kHeaderBytes + *length + 4) return bad(Rcode::kFormErr);
  query.name = Name::from_wire(packet.substr(kHeaderBytes, *length)).value();
  const size_t after_name = kHeaderBytes + *length;
  query.type = read_u16(packet, after_name);
  query.klass = read_u16(packet, after_name + 2);
  size_t at = after_name + 4;
  const size_t before_additional = read_u16(packet, 6) + size_t{read_u16(packet, 8)};
  if (!read_records(packet, at, before_additional, OptMay::kNotStand, query.edns) ||
      !read_records(packet, at, read_u16(packet, 10), OptMay::kStandOnce, query.edns)) {
    return bad(Rcode::kFormErr);
  }
  return query;
}

ResponseWriter::ResponseWriter(const Query& query, size_t limit, std::string buffer)
    : query_(query), limit_(query.edns ? limit - kOptBytes : limit), out_(std::move(buffer)) {
  out_.reserve(kPlainUdpLimit);
  out_.assign(kHeaderBytes, '\0');
  write_name(query.name.wire());
  append_u16(out_, query.type);
  append_u16(out_, query.klass);
}

bool ResponseWriter::add(Section section, NameView owner, Type type, uint32_t ttl,
                         const std::vector<std::string>& rdatas) {
  if (truncated_) return false;
  const size_t size_before = out_.size();
  const size_t offsets_before = offset_count_;
  for (const std::string& rdata : rdatas) {
    write_name(owner.wire());
    append_u16(out_, static_cast<uint16_t>(type));
    append_u16(out_, kClassIn);
    append_u16(out_, static_cast<uint16_t>(ttl >> 16));
    append_u16(out_, static_cast<uint16_t>(ttl));
    write_rdata(type, rdata);
    if (out_.size() > limit_) break;
  }
  if (out_.size() > limit_) {
    out_.resize(size_before);
    offset_count_ = offsets_before;
    truncated_ = section != Section::kAdditional;
    return false;
  }
  uint16_t& count = counts_[static_cast<size_t>(section)];
  count = static_cast<uint16_t>(count + rdatas.size());
  return true;
}

void ResponseWriter::write_rdata(Type type, std::string_view rdata) {
  const size_t length_at = out_.size();
  append_u16(out_, 0);
  for (const FieldKind kind : fields_of(type)) {
    if (kind == FieldKind::kCompressibleName) {
      const size_t length = plain_name_length(rdata, 0).value_or(rdata.size());
      write_name(rdata.substr(0, length));
      rdata.remove_prefix(length);
    } else if (kind == FieldKind::kU16 && type == Type::kMx) {
      out_ += rdata.substr(0, 2);
      rdata.remove_prefix(2);
    } else {
      break;
    }
  }
  out_ += rdata;
  put_u16(out_, length_at, static_cast<uint16_t>(out_.size() - length_at - 2));
}

void ResponseWriter::write_name(std::string_view wire) {
  while (wire.size() > 1) {
    if (const auto target = find_name(wire)) {
      append_u16(out_, kPointerBits | *target);
      return;
    }
    if (out_.size() <= kMaxPointerTarget && offset_count_ < kMaxOffsets) {
      offsets_[offset_count_++] = static_cast<uint16_t>(out_.size());
    }
    const size_t label = static_cast<uint8_t>(wire[0]) + 1u;
    out_ += wire.substr(0, label);
    wire.remove_prefix(label);
  }
  out_ += '\0';
}

std::optional<uint16_t> ResponseWriter::find_name(std::string_view wire) const {
  for (size_t i = 0; i < offset_count_; ++i) {
    if (name_at(offsets_[i], wire)) return offsets_[i];
  }
  return std::nullopt;
}

bool ResponseWriter::name_at(size_t offset, std::string_view wire) const {
  // Pointers that we wrote point backwards, so following them ends.
  while (offset < out_.size()) {
    const auto length = static_cast<uint8_t>(out_[offset]);
    if ((length & 0xc0) == 0xc0) {
      if (offset + 2 > out_.size()) return false;
      offset = read_u16(out_, offset) & kMaxPointerTarget;
      continue;
    }
    if (out_.size() < offset + length + 1u || wire.size() < length + 1u) return false;
    if (!equal_ignoring_case(std::string_view(out_).substr(offset, length + 1u),
                             wire.substr(0, length + 1u))) {
      return false;
    }
    if (length == 0) return true;
    offset += length + 1u;
    wire.remove_prefix(length + 1u);
  }
  return false;
}

std::string ResponseWriter::finish(Rcode rcode, ResponseFlags flags) {
  const auto code = static_cast<uint16_t>(rcode);
  uint16_t word =
      kResponseFlag | static_cast<uint16_t>(static_cast<uint16_t>(query_.opcode) << 11) | (code & 15);
  if (flags.authoritative) word |= kAuthoritativeFlag;
  if (flags.recursion_available) word |= kRecursionAvailableFlag;
  if (truncated_) word |= kTruncatedFlag;
  if (query_.recursion_desired) word |= kRecursionDesiredFlag;
  if (query_.checking_disabled) word |= kCheckingDisabledFlag;
  put_u16(out_, 0, query_.id);
  put_u16(out_, 2, word);
  put_u16(out_, 4, 1);
  for (size_t i = 0; i < counts_.size(); ++i) put_u16(out_, 6 + 2 * i, counts_[i]);
  if (query_.edns) {
    out_ += '\0';
    append_u16(out_, static_cast<uint16_t>(Type::kOpt));
    append_u16(out_, kEdnsUdpLimit);
    out_ += static_cast<char>(code >> 4);
    out_ += '\0';
    append_u16(out_, query_.edns->dnssec_ok ? kDnssecOkFlag : 0);
    append_u16(out_, 0);
    put_u16(out_, 10, static_cast<uint16_t>(counts_[2] + 1));
  }
  return std::move(out_);
}

std::string error_response(std::string_view packet, Rcode rcode) {
  assert(packet.size() >= kHeaderBytes);
  std::string out(packet.substr(0, kHeaderBytes));
  const uint16_t kept = read_u16(packet, 2) & (0x7800 | kRecursionDesiredFlag | kCheckingDisabledFlag);
  put_u16(out, 2, kResponseFlag | kept | (static_cast<uint16_t>(rcode) & 15));
  for (const size_t at : {6, 8, 10}) put_u16(out, at, 0);
  const auto length = read_u16(packet, 4) == 1 ? plain_name_length(packet, kHeaderBytes) : std::nullopt;
  if (length && packet.size() >= kHeaderBytes + *length + 4) {
    out += packet.substr(kHeaderBytes, *length + 4);
  } else {
    put_u16(out, 4, 0);
  }
  return out;
}

}  // namespace cloudless::dns

#include "dns/cache.hpp"

#include <algorithm>

#include "base/strings.hpp"
#include "dns/wire.hpp"

namespace cloudless::dns {

namespace {

// Past the name at `at`, which may end in a pointer; 0 where it leaves the packet.
size_t skip_name(std::string_view packet, size_t at) {
  while (at < packet.size()) {
    const auto length = static_cast<uint8_t>(packet[at]);
    if (length == 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    if (length > kMaxLabelBytes) return 0;
    at += length + 1u;
  }
  return 0;
}

struct Walk {
  std::vector<uint16_t> ttl_offsets;
  uint32_t lowest_ttl = UINT32_MAX;
  std::optional<uint32_t> soa_lifetime;
};

Result<Walk> walk_records(std::string_view packet, size_t at, size_t count) {
  Walk walk;
  for (size_t i = 0; i < count; ++i) {
    at = skip_name(packet, at);
    if (at == 0 || at + 10 > packet.size()) return fail(Code::kInvalid, "a record runs out of the packet");
    const auto type = static_cast<Type>(read_u16(packet, at));
    const uint32_t ttl = read_u32(packet, at + 4);
    const size_t end = at + 10 + read_u16(packet, at + 8);
    if (end > packet.size()) return fail(Code::kInvalid, "a record runs out of the packet");
    if (type != Type::kOpt) {
      walk.ttl_offsets.push_back(static_cast<uint16_t>(at + 4));
      walk.lowest_ttl = std::min(walk.lowest_ttl, ttl);
    }
    if (type == Type::kSoa && end - at >= 14) walk.soa_lifetime = std::min(ttl, read_u32(packet, end - 4));
    at = end;
  }
  return walk;
}

}  // namespace

Result<ResponseScan> scan_response(std::string_view packet) {
  if (packet.size() < kHeaderBytes || packet.size() > kMaxMessageBytes) {
    return fail(Code::kInvalid, "not the size of a response");
  }
  const uint16_t flags = read_u16(packet, 2);
  if (!(flags & 0x8000) || read_u16(packet, 4) != 1)
    return fail(Code::kInvalid, "not a response to one question");
  const size_t after_name = skip_name(packet, kHeaderBytes);
  if (after_name == 0 || after_name + 4 > packet.size())
    return fail(Code::kInvalid, "the question is broken");
  ResponseScan scan{
      .id = read_u16(packet, 0), .rcode = static_cast<Rcode>(flags & 15), .truncated = (flags & 0x0200) != 0};
  scan.question = to_lower(packet.substr(kHeaderBytes, after_name - kHeaderBytes));
  scan.question += packet.substr(after_name, 4);
  const size_t answers = read_u16(packet, 6);
  const Walk walk =
      TRY(walk_records(packet, after_name + 4, answers + read_u16(packet, 8) + read_u16(packet, 10)));
  scan.ttl_offsets = walk.ttl_offsets;
  const bool positive = scan.rcode == Rcode::kNoError && answers > 0;
  if (positive) scan.lifetime_s = walk.lowest_ttl;
  if (!positive && (scan.rcode == Rcode::kNoError || scan.rcode == Rcode::kNxDomain)) {
    scan.lifetime_s = walk.soa_lifetime.value_or(0);
  }
  return scan;
}

std::string question_of(const Query& query) {
  std::string question = query.name.canonical().wire() + std::string(4, '\0');
  put_u16(question, question.size() - 4, query.type);
  put_u16(question, question.size() - 2, query.klass);
  return question;
}

// Answers differ by EDNS and by the DNSSEC bits of a query, so these are part of the key.
std::string Cache::key_of(const Query& query) {
  const int variant = (query.edns ? 1 : 0) | (query.edns && query.edns->dnssec_ok ? 2 : 0) |
                      (query.checking_disabled ? 4 : 0);
  return question_of(query) + static_cast<char>(variant);
}

std::optional<std::string> Cache::find(const Query& query, SteadyTime now) {
  const auto found = by_key_.find(key_of(query));
  if (found == by_key_.end()) return std::nullopt;
  if (found->second->expires <= now) {
    // The key's bytes live in the entry, so the table lets go of them first.
    const auto expired = found->second;
    by_key_.erase(found);
    entries_.erase(expired);
    return std::nullopt;
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  const Entry& entry = entries_.front();
  std::string packet = entry.packet;
  const auto age =
      static_cast<uint32_t>(std::chrono::floor<std::chrono::seconds>(now - entry.stored).count());
  for (const uint16_t at : entry.ttl_offsets) {
    const uint32_t ttl = read_u32(packet, at);
    put_u32(packet, at, ttl > age ? ttl - age : 0);
  }
  put_u16(packet, 0, query.id);
  std::ranges::copy(query.name.wire(), packet.begin() + kHeaderBytes);
  return packet;
}

void Cache::insert(const Query& query, std::string packet, const ResponseScan& scan, SteadyTime now) {
  if (scan.lifetime_s == 0 || scan.truncated || packet.size() > kMaxCachedBytes) return;
  std::string key = key_of(query);
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    const auto old = found->second;
    by_key_.erase(found);
    entries_.erase(old);
  }
  const auto lifetime = std::chrono::seconds(std::min(scan.lifetime_s, kMaxLifetimeS));
  entries_.push_front({std::move(key), std::move(packet), scan.ttl_offsets, now, now + lifetime});
  by_key_.emplace(entries_.front().key, entries_.begin());
  while (entries_.size() > kMaxEntries) {
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

}  // namespace cloudless::dns

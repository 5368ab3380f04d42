#include "store/journal.hpp"

#include <algorithm>

#include "store/crc32c.hpp"
#include "store/varint.hpp"

namespace cloudless::store {
namespace {

constexpr std::string_view kMagic = "CLJOURN1";
constexpr size_t kHeaderSize = 32;
constexpr size_t kHeaderChecked = 16;
constexpr size_t kFrameHeaderSize = 9;
constexpr uint8_t kEntry = 1;
constexpr uint8_t kFact = 2;
constexpr uint8_t kMark = 3;
constexpr uint8_t kSync = 4;
constexpr std::string_view kSyncMagic = "CLSYNC01";
constexpr size_t kSyncChecked = 24;
// The file grows by this much at a time.
constexpr uint64_t kFillStep = 1 << 20;
// Relaxed writes are made durable when they come to this, whatever the time.
constexpr size_t kMostPending = 1 << 18;

std::string encode_header(uint64_t generation) {
  std::string header(kMagic);
  put_fixed64(header, generation);
  put_fixed32(header, crc32c(header));
  header.resize(kHeaderSize, '\0');
  return header;
}

uint64_t decode_generation(std::string_view header) {
  if (header.size() < kHeaderSize || !header.starts_with(kMagic)) return 0;
  if (load_fixed32(header.data() + kHeaderChecked) != crc32c(header.substr(0, kHeaderChecked))) return 0;
  return load_fixed64(header.data() + kMagic.size());
}

std::string number_payload(uint64_t number) {
  std::string payload;
  put_fixed64(payload, number);
  return payload;
}

std::string sync_payload(uint64_t generation, uint64_t offset) {
  std::string payload(kSyncMagic);
  put_fixed64(payload, generation);
  put_fixed64(payload, offset);
  put_fixed32(payload, crc32c(payload));
  return payload;
}

// Whether a sync frame of this generation (0: of any) stands in the file behind `from`.
bool has_sync_behind(std::string_view bytes, uint64_t generation, uint64_t from) {
  for (size_t at = bytes.find(kSyncMagic, from); at != std::string_view::npos;
       at = bytes.find(kSyncMagic, at + 1)) {
    const std::string_view payload = bytes.substr(at, kSyncChecked + sizeof(uint32_t));
    if (payload.size() <= kSyncChecked || at < from + kFrameHeaderSize + 1) continue;
    const uint64_t found = load_fixed64(payload.data() + kSyncMagic.size());
    const uint64_t offset = at - kFrameHeaderSize;
    if ((generation == 0 || found == generation) && payload == sync_payload(found, offset)) return true;
  }
  return false;
}

Result<> visit_frame(uint8_t kind, std::string_view payload, const Journal::Visitor& visitor) {
  if (kind == kEntry && payload.size() >= sizeof(uint64_t)) {
    return visitor.entry(static_cast<Revision>(load_fixed64(payload.data())),
                         payload.substr(sizeof(uint64_t)));
  }
  if (kind == kFact) {
    ByteReader in(payload);
    const bool has_value = in.byte() != 0;
    const std::string_view key = in.bytes();
    visitor.fact(key, has_value ? std::optional(in.rest()) : std::nullopt);
  }
  return {};
}

}  // namespace

Result<uint64_t> Journal::generation() {
  const uint64_t size = TRY(file_->size());
  filled_end_ = size - size % file_->block_size();
  const std::string header = TRY(file_->read_at(0, kHeaderSize));
  if (const uint64_t generation = decode_generation(header)) return generation;
  // A header is within one block, so it is never torn, and it comes before all else.
  const bool blank = header.find_first_not_of('\0') == std::string::npos;
  if (!blank || has_sync_behind(TRY(file_->read_at(0, size)), 0, 0)) {
    return fail(Code::kDataLoss, "its header is damaged");
  }
  return 0;
}

Result<> Journal::recover(const Visitor& visitor, uint64_t mark) {
  const std::string bytes = TRY(file_->read_at(0, TRY(file_->size())));
  filled_end_ = bytes.size() - bytes.size() % file_->block_size();
  generation_ = decode_generation(bytes);
  chain_ = crc32c(std::string_view(encode_header(generation_)).substr(0, kHeaderChecked));
  std::string_view rest = std::string_view(bytes).substr(kHeaderSize);
  while (rest.size() >= kFrameHeaderSize) {
    const uint64_t length = load_fixed32(rest.data() + 4);
    if (length > rest.size() - kFrameHeaderSize) break;
    const std::string_view checked = rest.substr(4, kFrameHeaderSize - 4 + length);
    const uint32_t checksum = crc32c(checked, chain_);
    if (checksum != load_fixed32(rest.data())) break;
    TRY(visit_frame(static_cast<uint8_t>(rest[8]), rest.substr(kFrameHeaderSize, length), visitor));
    chain_ = checksum;
    rest.remove_prefix(kFrameHeaderSize + length);
  }
  durable_end_ = bytes.size() - rest.size();
  if (has_sync_behind(bytes, generation_, durable_end_)) {
    return fail(Code::kDataLoss, "it is damaged at byte {}, and what follows was acknowledged", durable_end_);
  }
  block_ =
      bytes.substr(durable_end_ - durable_end_ % file_->block_size(), durable_end_ % file_->block_size());
  pending_.clear();
  begin_pending();
  put_frame(kMark, number_payload(mark));
  return {};
}

void Journal::restart(uint64_t generation, uint64_t mark) {
  durable_end_ = 0;
  generation_ = generation;
  failure_mark_.reset();
  block_.clear();
  pending_ = encode_header(generation);
  chain_ = crc32c(std::string_view(pending_).substr(0, kHeaderChecked));
  put_frame(kMark, number_payload(mark));
}

void Journal::put_frame(uint8_t kind, std::string_view payload) {
  const size_t start = pending_.size();
  put_fixed32(pending_, 0);
  put_fixed32(pending_, static_cast<uint32_t>(payload.size()));
  pending_.push_back(static_cast<char>(kind));
  pending_ += payload;
  chain_ = crc32c(std::string_view(pending_).substr(start + 4), chain_);
  std::string checksum;
  put_fixed32(checksum, chain_);
  pending_.replace(start, checksum.size(), checksum);
}

void Journal::begin_pending() {
  if (pending_.empty()) put_frame(kSync, sync_payload(generation_, durable_end_));
}

Result<> Journal::fill_ahead(uint64_t end) {
  if (end <= filled_end_) return {};
  const std::string zeros(kFillStep, '\0');
  while (filled_end_ < end) {
    TRY(file_->write_at(filled_end_, zeros));
    filled_end_ += zeros.size();
  }
  return {};
}

Result<> Journal::sync() {
  if (pending_.empty()) return {};
  const size_t block_size = file_->block_size();
  const uint64_t start = durable_end_ - block_.size();
  std::string blocks = block_ + pending_;
  const size_t used = blocks.size();
  blocks.resize((used + block_size - 1) / block_size * block_size, '\0');
  TRY(fill_ahead(start + blocks.size()));
  TRY(file_->write_at(start, blocks));
  // Where this fails the kernel may have dropped what was written; the next sync() writes all of it again.
  TRY(file_->sync());
  durable_end_ += pending_.size();
  block_.assign(blocks, used - used % block_size, used % block_size);
  pending_.clear();
  failure_mark_.reset();
  return {};
}

Result<> Journal::append(const LogBatch& batch, uint64_t mark_if_failed) {
  if (!batch.entries.empty() || !batch.meta.empty()) begin_pending();
  const size_t size_before = pending_.size();
  const uint32_t chain_before = chain_;
  std::string payload;
  for (const LogEntry& entry : batch.entries) {
    payload.clear();
    put_fixed64(payload, static_cast<uint64_t>(entry.revision));
    payload += entry.record;
    put_frame(kEntry, payload);
  }
  for (const MetaChange& change : batch.meta) {
    payload.assign(1, change.value ? '\1' : '\0');
    put_bytes(payload, change.key);
    if (change.value) payload += *change.value;
    put_frame(kFact, payload);
  }
  if (batch.durability == Durability::kRelaxed && pending_.size() <= kMostPending) return {};
  const Result<> done = sync();
  if (done) return done;
  pending_.resize(size_before);
  chain_ = chain_before;
  put_failure_mark(mark_if_failed);
  return done;
}

// One mark is enough for any number of failures in a row.
void Journal::put_failure_mark(uint64_t mark) {
  if (failure_mark_ && failure_mark_->end == pending_.size()) {
    pending_.resize(failure_mark_->start);
    chain_ = failure_mark_->chain;
  }
  failure_mark_ = FailureMark{.start = pending_.size(), .end = 0, .chain = chain_};
  put_frame(kMark, number_payload(mark));
  failure_mark_->end = pending_.size();
}

}  // namespace cloudless::store

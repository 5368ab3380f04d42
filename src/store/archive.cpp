#include "store/archive.hpp"

#include <zstd.h>

#include "store/crc32c.hpp"
#include "store/varint.hpp"

namespace cloudless::store {
namespace {

constexpr std::string_view kMagic = "CLARCHV1";
constexpr size_t kHeaderSize = 20;
constexpr uint8_t kPair = 1;
constexpr uint8_t kLease = 2;
constexpr uint8_t kEnd = 3;
constexpr int kLevel = 3;
// Pairs that are read from the store at a time, and the bytes after which a block is closed.
constexpr int64_t kPagePairs = 500;
constexpr size_t kBlockBytes = 1 << 20;
// What a reader accepts: the largest request that etcd can be set to, and then some.
constexpr size_t kLongestBlock = 128 << 20;
// Puts of one import transaction to a store that makes its own revisions; etcd's default limit is 128
// operations and 1.5 MB.
constexpr size_t kPutsPerTxn = 100;
constexpr size_t kTxnBytes = 1 << 20;

std::unexpected<Error> damaged(std::string_view why) {
  return fail(Code::kDataLoss, "this is no intact archive: {}", why);
}

class BlockWriter {
 public:
  explicit BlockWriter(const ArchiveSink& sink) : sink_(sink) {}

  void put_pair(const KeyValue& kv) {
    items_.push_back(static_cast<char>(kPair));
    put_bytes(items_, kv.key);
    put_bytes(items_, view(kv.value));
    for (const int64_t number : {kv.create_revision, kv.mod_revision, kv.version, kv.lease}) {
      put_varint(items_, static_cast<uint64_t>(number));
    }
    ++pairs_;
  }
  void put_lease(const Lease& lease) {
    items_.push_back(static_cast<char>(kLease));
    put_varint(items_, static_cast<uint64_t>(lease.id));
    put_varint(items_, static_cast<uint64_t>(lease.granted_ttl.count()));
    ++leases_;
  }
  bool is_full() const { return items_.size() >= kBlockBytes; }

  runtime::Task<Result<>> flush() {
    if (items_.empty()) co_return Result<>();
    std::string payload(ZSTD_compressBound(items_.size()), '\0');
    const size_t size = ZSTD_compress(payload.data(), payload.size(), items_.data(), items_.size(), kLevel);
    if (ZSTD_isError(size)) co_return fail(Code::kInternal, "compressing the archive failed");
    payload.resize(size);
    items_.clear();
    std::string head;
    put_fixed32(head, static_cast<uint32_t>(payload.size()));
    put_fixed32(head, crc32c(payload));
    CO_TRY(co_await sink_(std::move(head)));
    co_return co_await sink_(std::move(payload));
  }
  runtime::Task<Result<>> finish() {
    CO_TRY(co_await flush());
    items_.push_back(static_cast<char>(kEnd));
    put_varint(items_, static_cast<uint64_t>(pairs_));
    put_varint(items_, static_cast<uint64_t>(leases_));
    co_return co_await flush();
  }
  int64_t pairs() const { return pairs_; }
  int64_t leases() const { return leases_; }

 private:
  const ArchiveSink& sink_;
  std::string items_;
  int64_t pairs_ = 0;
  int64_t leases_ = 0;
};

Result<std::string> read_block(const ArchiveSource& source) {
  const std::string head = TRY(source(8));
  if (head.size() < 8) return damaged("it is cut short");
  const uint32_t length = load_fixed32(head.data());
  if (length > kLongestBlock) return damaged("a block is too long");
  const std::string payload = TRY(source(length));
  if (payload.size() < length) return damaged("it is cut short");
  if (crc32c(payload) != load_fixed32(head.data() + 4)) return damaged("wrong checksum");
  const unsigned long long size = ZSTD_getFrameContentSize(payload.data(), payload.size());
  if (size > kLongestBlock) return damaged("a block is too long");
  std::string items(size, '\0');
  const size_t decoded = ZSTD_decompress(items.data(), items.size(), payload.data(), payload.size());
  if (ZSTD_isError(decoded) || decoded != size) return damaged("a block does not decompress");
  return items;
}

KeyValue read_pair(ByteReader& in) {
  KeyValue kv;
  kv.key = in.bytes();
  kv.value = share(std::string(in.bytes()));
  kv.create_revision = static_cast<Revision>(in.varint());
  kv.mod_revision = static_cast<Revision>(in.varint());
  kv.version = static_cast<int64_t>(in.varint());
  kv.lease = static_cast<LeaseId>(in.varint());
  return kv;
}

// True once the end has been read.
Result<bool> read_items(std::string_view items, ArchiveContents& contents) {
  ByteReader in(items);
  while (!in.at_end()) {
    const uint8_t kind = in.byte();
    if (kind == kPair) {
      contents.kvs.push_back(read_pair(in));
    } else if (kind == kLease) {
      Lease lease;
      lease.id = static_cast<LeaseId>(in.varint());
      lease.granted_ttl = std::chrono::seconds(in.varint());
      contents.leases.push_back(std::move(lease));
    } else if (kind == kEnd) {
      const uint64_t pairs = in.varint();
      const uint64_t leases = in.varint();
      if (!in.ok() || pairs != contents.kvs.size() || leases != contents.leases.size()) {
        return damaged("parts of it are missing");
      }
      return true;
    } else {
      return damaged("it holds what this program does not know");
    }
    if (!in.ok()) return damaged("an item is cut short");
  }
  return false;
}

runtime::Task<Result<>> export_leases(Store& store, BlockWriter& writer) {
  for (const LeaseId id : CO_TRY(co_await store.leases())) {
    const Lease lease = CO_TRY(co_await store.lease_time_to_live(id, false));
    if (lease.granted_ttl.count() > 0) writer.put_lease(lease);
  }
  co_return {};
}

// For stores that make their own revisions: everything again, in the order of its last change.
runtime::Task<Result<>> put_again(Store& store, const ArchiveContents& contents) {
  const RangeResponse existing = CO_TRY(co_await store.range(
      {.key = std::string(1, '\0'), .range_end = std::string(1, '\0'), .count_only = true}));
  if (existing.count > 0)
    co_return fail(Code::kConflict, "the store is not empty: it has {} keys", existing.count);
  for (const Lease& lease : contents.leases) CO_TRY(co_await store.grant_lease(lease.id, lease.granted_ttl));
  TxnRequest txn;
  size_t bytes = 0;
  for (const KeyValue& kv : contents.kvs) {
    bytes += kv.key.size() + view(kv.value).size();
    if (!txn.success.empty() && (txn.success.size() >= kPutsPerTxn || bytes > kTxnBytes)) {
      CO_TRY(co_await store.txn(std::exchange(txn, {})));
      bytes = kv.key.size() + view(kv.value).size();
    }
    txn.success.emplace_back(PutRequest{.key = kv.key, .value = kv.value, .lease = kv.lease});
  }
  if (!txn.success.empty()) CO_TRY(co_await store.txn(std::move(txn)));
  co_return {};
}

}  // namespace

runtime::Task<Result<ArchiveSummary>> export_archive(Store& store, Revision revision, ArchiveSink sink) {
  BlockWriter writer(sink);
  RangeRequest request{.key = std::string(1, '\0'),
                       .range_end = std::string(1, '\0'),
                       .limit = kPagePairs,
                       .revision = revision};
  bool more = true;
  while (more) {
    const RangeResponse page = CO_TRY(co_await store.range(request));
    if (request.revision == 0) request.revision = page.revision;
    if (writer.pairs() == 0) {
      std::string header(kMagic);
      put_fixed64(header, static_cast<uint64_t>(request.revision));
      put_fixed32(header, crc32c(header));
      CO_TRY(co_await sink(std::move(header)));
      CO_TRY(co_await export_leases(store, writer));
    }
    for (const KeyValue& kv : page.kvs) {
      writer.put_pair(kv);
      if (writer.is_full()) CO_TRY(co_await writer.flush());
    }
    more = page.more && !page.kvs.empty();
    if (more) request.key = page.kvs.back().key + '\0';
  }
  CO_TRY(co_await writer.finish());
  co_return ArchiveSummary{.revision = request.revision, .pairs = writer.pairs(), .leases = writer.leases()};
}

Result<ArchiveContents> read_archive(const ArchiveSource& source) {
  const std::string header = TRY(source(kHeaderSize));
  if (header.size() < kHeaderSize || !header.starts_with(kMagic)) return damaged("its header is missing");
  if (crc32c(std::string_view(header).substr(0, 16)) != load_fixed32(header.data() + 16)) {
    return damaged("its header is damaged");
  }
  ArchiveContents contents{.revision = static_cast<Revision>(load_fixed64(header.data() + kMagic.size()))};
  while (!TRY(read_items(TRY(read_block(source)), contents))) {
  }
  return contents;
}

runtime::Task<Result<ArchiveSummary>> import_archive(Store& store, ArchiveSource source) {
  co_return co_await import_contents(store, CO_TRY(read_archive(source)));
}

runtime::Task<Result<ArchiveSummary>> import_contents(Store& store, ArchiveContents contents) {
  ArchiveSummary summary{.revision = contents.revision,
                         .pairs = static_cast<int64_t>(contents.kvs.size()),
                         .leases = static_cast<int64_t>(contents.leases.size())};
  const Result<> restored = co_await store.restore(contents.revision, contents.kvs, contents.leases);
  if (restored) co_return summary;
  if (restored.error().code != Code::kUnimplemented) co_return std::unexpected(restored.error());
  CO_TRY(co_await put_again(store, contents));
  summary.kept_revisions = false;
  co_return summary;
}

}  // namespace cloudless::store

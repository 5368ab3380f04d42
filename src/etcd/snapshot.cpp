#include "etcd/snapshot.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include "etcd/bolt.hpp"
#include "etcd/convert.hpp"
#include "etcd/lease.pb.h"
#include "etcd/snapshot_format.hpp"

namespace cloudless::etcd {

using runtime::Task;

namespace {

using namespace snapshot;

// As etcd sends them (api/v3rpc/maintenance.go).
constexpr size_t kPieceBytes = 32 << 10;
// Pairs that are read from the store at a time.
constexpr int64_t kRangePairs = 500;
// In the order of their names, as bbolt needs them.
constexpr std::array<std::string_view, 10> kBuckets = {
    "alarm",    "auth",       "authRoles", "authUsers",       "cluster",
    kKeyBucket, kLeaseBucket, "members",   "members_removed", kMetaBucket};

// Cuts the file into messages and sums it up.
class Sender {
 public:
  Sender(size_t file_bytes, const SnapshotSink& send) : left_(file_bytes + kChecksumBytes), send_(send) {}

  Task<Result<>> write(std::string bytes) {
    hash_.add(bytes);
    for (size_t at = 0; at < bytes.size(); at += kPieceBytes) {
      CO_TRY(co_await send(bytes.substr(at, kPieceBytes)));
    }
    co_return Result<>();
  }
  Task<Result<>> finish() { co_return co_await send(hash_.finish()); }

 private:
  Task<Result<>> send(std::string blob) {
    left_ -= blob.size();
    etcdserverpb::SnapshotResponse piece;
    piece.set_blob(std::move(blob));
    piece.set_remaining_bytes(left_);
    co_return co_await send_(piece);
  }

  size_t left_;
  const SnapshotSink& send_;
  Sha256 hash_;
};

std::string encode(const store::KeyValue& kv) {
  mvccpb::KeyValue message;
  fill(message, kv);
  return message.SerializeAsString();
}

// Where a pair goes and how large it is.
struct Place {
  std::string key;
  store::Revision mod_revision = 0;
  uint64_t sub = 0;
  size_t value_bytes = 0;
};

struct Contents {
  store::Revision revision = 0;
  std::vector<Place> places;  // by revision
  std::vector<bolt::Item> leases;
};

// Which of the changes of one revision a pair was is not kept: those of one transaction get an order of their
// own.
void put_in_order(std::vector<Place>& places) {
  std::ranges::sort(places, [](const Place& a, const Place& b) {
    return std::tie(a.mod_revision, a.key) < std::tie(b.mod_revision, b.key);
  });
  for (size_t i = 1; i < places.size(); ++i) {
    if (places[i].mod_revision == places[i - 1].mod_revision) places[i].sub = places[i - 1].sub + 1;
  }
}

Task<Result<std::vector<bolt::Item>>> read_leases(store::Store& store) {
  std::vector<bolt::Item> items;
  for (const store::LeaseId id : CO_TRY(co_await store.leases())) {
    const store::Lease lease = CO_TRY(co_await store.lease_time_to_live(id, false));
    if (lease.granted_ttl.count() <= 0) continue;
    leasepb::Lease message;
    message.set_id(id);
    message.set_ttl(lease.granted_ttl.count());
    message.set_remainingttl(lease.ttl.count());
    items.push_back({big_endian(static_cast<uint64_t>(id)), message.SerializeAsString()});
  }
  std::ranges::sort(items, {}, &bolt::Item::key);
  co_return items;
}

Task<Result<Contents>> survey(store::Store& store) {
  Contents contents;
  store::RangeRequest request{
      .key = std::string(1, '\0'), .range_end = std::string(1, '\0'), .limit = kRangePairs};
  for (bool more = true; more;) {
    const store::RangeResponse page = CO_TRY(co_await store.range(request));
    contents.revision = request.revision = request.revision == 0 ? page.revision : request.revision;
    for (const store::KeyValue& kv : page.kvs) {
      contents.places.push_back({kv.key, kv.mod_revision, 0, encode(kv).size()});
    }
    more = page.more && !page.kvs.empty();
    if (more) request.key = page.kvs.back().key + '\0';
  }
  put_in_order(contents.places);
  contents.leases = CO_TRY(co_await read_leases(store));
  co_return contents;
}

bolt::Tree lay_out(uint64_t first_page, const std::vector<bolt::Item>& items) {
  return {first_page, items.size(), [&](size_t i) { return items[i].key; },
          [&](size_t i) { return items[i].value.size(); }};
}
bolt::Tree lay_out(uint64_t first_page, const std::vector<Place>& places) {
  return {first_page, places.size(),
          [&](size_t i) { return revision_key(places[i].mod_revision, places[i].sub); },
          [&](size_t i) { return places[i].value_bytes; }};
}

std::string small_tree(const bolt::Tree& tree, const std::vector<bolt::Item>& items) {
  std::string bytes;
  for (const bolt::Tree::Leaf& leaf : tree.leaves()) {
    const auto begin = items.begin();
    bytes += bolt::leaf_pages(
        leaf, {begin + static_cast<ptrdiff_t>(leaf.begin), begin + static_cast<ptrdiff_t>(leaf.end)});
  }
  return bytes + tree.branches();
}

Task<Result<>> write_pairs(store::Store& store, const Contents& contents, const bolt::Tree& tree,
                           Sender& sender) {
  for (const bolt::Tree::Leaf& leaf : tree.leaves()) {
    std::vector<bolt::Item> items;
    for (size_t i = leaf.begin; i < leaf.end; ++i) {
      const Place& place = contents.places[i];
      const auto found = CO_TRY(co_await store.range({.key = place.key, .revision = contents.revision}));
      std::string value = found.kvs.empty() ? std::string() : encode(found.kvs.front());
      if (value.size() != place.value_bytes) {
        co_return fail(Code::kInternal, "a pair of revision {} is not as it was before", contents.revision);
      }
      items.push_back({revision_key(place.mod_revision, place.sub), std::move(value)});
    }
    CO_TRY(co_await sender.write(bolt::leaf_pages(leaf, items)));
  }
  co_return co_await sender.write(tree.branches());
}

}  // namespace

Task<Result<>> send_snapshot(Backend& backend, SnapshotSink send) {
  const Contents contents = CO_TRY(co_await survey(backend.store));
  const std::vector<bolt::Item> meta = {
      {std::string(kConsistentIndex), big_endian(static_cast<uint64_t>(contents.revision))},
      {std::string(kFinishedCompaction), revision_key(contents.revision, 0)}};
  const std::vector<bolt::Item> nothing;
  const auto items_of = [&](std::string_view bucket) -> const std::vector<bolt::Item>& {
    return bucket == kMetaBucket ? meta : bucket == kLeaseBucket ? contents.leases : nothing;
  };

  std::vector<bolt::Tree> trees;
  std::vector<bolt::NamedRoot> roots;
  uint64_t next_page = bolt::kHeadPages;
  for (const std::string_view bucket : kBuckets) {
    trees.push_back(bucket == kKeyBucket ? lay_out(next_page, contents.places)
                                         : lay_out(next_page, items_of(bucket)));
    roots.push_back({std::string(bucket), trees.back().root()});
    next_page = trees.back().end_page();
  }

  Sender sender(next_page * bolt::kPageBytes, send);
  CO_TRY(co_await sender.write(bolt::head_pages(next_page, roots)));
  for (size_t i = 0; i < kBuckets.size(); ++i) {
    if (kBuckets[i] == kKeyBucket) {
      CO_TRY(co_await write_pairs(backend.store, contents, trees[i], sender));
    } else {
      CO_TRY(co_await sender.write(small_tree(trees[i], items_of(kBuckets[i]))));
    }
  }
  co_return co_await sender.finish();
}

}  // namespace cloudless::etcd

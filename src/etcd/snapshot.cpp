#include "etcd/snapshot.hpp"

#include <algorithm>
#include <array>

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

// Where a pair goes.
struct Place {
  store::Revision revision = 0;
  uint64_t sub = 0;
  std::string name;
};

store::RangeRequest everything_at(store::Revision revision) {
  return {.key = std::string(1, '\0'), .range_end = std::string(1, '\0'), .revision = revision};
}

// The places of all pairs at one revision of the store, in their order, a window at a time.
class Places {
 public:
  Places(store::Store& store, store::Revision at, size_t window) : store_(store), at_(at), window_(window) {}

  /// None at the end.
  Task<Result<std::vector<Place>>> next() {
    std::vector<Place> places;
    if (done_) co_return places;
    store::RangeResponse found = CO_TRY(co_await from(next_, 0, static_cast<int64_t>(window_)));
    if (found.more) {
      // What the limit may have cut in two goes into the next window, unless it is all there is.
      const store::Revision cut = found.kvs.back().mod_revision;
      if (found.kvs.front().mod_revision == cut) {
        found = CO_TRY(co_await from(cut, cut, 0));
        next_ = cut + 1;
      } else {
        while (found.kvs.back().mod_revision == cut) found.kvs.pop_back();
        next_ = cut;
      }
    } else {
      done_ = true;
    }
    // Which of the changes of one revision a pair was is not kept: those of one transaction get an order of
    // their own, that of their keys.
    places.reserve(found.kvs.size());
    for (store::KeyValue& kv : found.kvs) {
      const bool same = !places.empty() && places.back().revision == kv.mod_revision;
      places.push_back({kv.mod_revision, same ? places.back().sub + 1 : 0, std::move(kv.key)});
    }
    co_return places;
  }

 private:
  Task<Result<store::RangeResponse>> from(store::Revision low, store::Revision high, int64_t limit) {
    store::RangeRequest request = everything_at(at_);
    request.limit = limit;
    request.keys_only = true;
    request.sort_order = store::SortOrder::kAscend;
    request.sort_target = store::SortTarget::kMod;
    request.min_mod_revision = low;
    request.max_mod_revision = high;
    return store_.range(std::move(request));
  }

  store::Store& store_;
  const store::Revision at_;
  const size_t window_;
  store::Revision next_ = 0;
  bool done_ = false;
};

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

// A snapshot in the making: the same walk twice, for the numbers and for the pages.
class Snapshot {
 public:
  Snapshot(store::Store& store, store::Revision at, std::vector<bolt::Item> leases, size_t window)
      : store_(store), at_(at), leases_(std::move(leases)), window_(window) {}

  Task<Result<>> send(const SnapshotSink& sink) {
    std::vector<bolt::NamedRoot> roots;
    uint64_t end_page = bolt::kHeadPages;
    for (const std::string_view bucket : kBuckets) {
      bolt::TreeBuilder tree(end_page, Output::kNumbers);
      CO_TRY(co_await fill(bucket, tree, nullptr));
      roots.push_back({std::string(bucket), tree.root()});
      end_page = tree.end_page();
    }
    Sender sender(end_page * bolt::kPageBytes, sink);
    CO_TRY(co_await sender.write(bolt::head_pages(end_page, roots)));
    uint64_t next_page = bolt::kHeadPages;
    for (size_t i = 0; i < kBuckets.size(); ++i) {
      bolt::TreeBuilder tree(next_page, Output::kPages);
      CO_TRY(co_await fill(kBuckets[i], tree, &sender));
      next_page = tree.end_page();
      if (tree.root() != roots[i].root) {
        co_return fail(Code::kInternal, "revision {} is not as it was before", at_);
      }
    }
    if (next_page != end_page) co_return fail(Code::kInternal, "revision {} is not as it was before", at_);
    co_return co_await sender.finish();
  }

 private:
  using Output = bolt::TreeBuilder::Output;

  // `sender`: null where the numbers alone are wanted.
  Task<Result<>> fill(std::string_view bucket, bolt::TreeBuilder& tree, Sender* sender) {
    if (bucket == kKeyBucket) {
      CO_TRY(co_await fill_pairs(tree, sender));
    } else if (bucket == kLeaseBucket) {
      for (const bolt::Item& lease : leases_) CO_TRY(co_await add(lease, tree, sender));
    } else if (bucket == kMetaBucket) {
      CO_TRY(co_await add({std::string(kConsistentIndex), big_endian(static_cast<uint64_t>(at_))}, tree,
                          sender));
      CO_TRY(co_await add({std::string(kFinishedCompaction), revision_key(at_, 0)}, tree, sender));
    }
    std::string rest = tree.finish();
    if (sender) CO_TRY(co_await sender->write(std::move(rest)));
    co_return Result<>();
  }

  Task<Result<>> fill_pairs(bolt::TreeBuilder& tree, Sender* sender) {
    Places places(store_, at_, window_);
    for (;;) {
      const std::vector<Place> window = CO_TRY(co_await places.next());
      if (window.empty()) co_return Result<>();
      for (const Place& place : window) {
        const auto found = CO_TRY(co_await store_.range({.key = place.name, .revision = at_}));
        if (found.kvs.empty()) co_return fail(Code::kInternal, "{} is not in revision {}", place.name, at_);
        CO_TRY(
            co_await add({revision_key(place.revision, place.sub), encode(found.kvs.front())}, tree, sender));
      }
    }
  }

  static Task<Result<>> add(bolt::Item item, bolt::TreeBuilder& tree, Sender* sender) {
    if (!sender) {
      tree.add_size(std::move(item.key), item.value.size());
      co_return Result<>();
    }
    std::string pages = tree.add(std::move(item));
    if (!pages.empty()) CO_TRY(co_await sender->write(std::move(pages)));
    co_return Result<>();
  }

  store::Store& store_;
  const store::Revision at_;
  const std::vector<bolt::Item> leases_;
  const size_t window_;
};

}  // namespace

Task<Result<>> send_snapshot(store::Store& store, SnapshotSink send, size_t window) {
  store::RangeRequest present = everything_at(0);
  present.count_only = true;
  const store::Revision at = CO_TRY(co_await store.range(std::move(present))).revision;
  Snapshot snapshot(store, at, CO_TRY(co_await read_leases(store)), window);
  co_return co_await snapshot.send(send);
}

}  // namespace cloudless::etcd

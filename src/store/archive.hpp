// Archive: a consistent copy of a store at one revision, in one portable file that any other store takes in.
//
//     header: "CLARCHV1" revision(8) crc32c(4, of the 16 bytes before)
//     block:  length(4) crc32c(4, of the payload) payload(length)
//             payload is zstd of:  items, each kind(1) and
//               kind 1, pair:  key(bytes) value(bytes) create(varint) mod(varint) version(varint)
//               lease(varint) kind 2, lease: id(varint) granted ttl, seconds(varint) kind 3, end:
//               pairs(varint) leases(varint)
//
// Numbers are little-endian; `bytes` is a length(varint) and so many bytes. Pairs come in the order of their
// keys. The end is alone in the last block; a file without it was cut short. Reading bounds everything it
// allocates.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "store/store.hpp"

namespace cloudless::store {

/// Where an archive goes to, piece by piece; it may wait, for a slow peer.
using ArchiveSink = std::function<runtime::Task<Result<>>(std::string bytes)>;
/// Up to `size` bytes of an archive; fewer at its end.
using ArchiveSource = std::function<Result<std::string>(size_t size)>;

struct ArchiveSummary {
  Revision revision = 0;
  int64_t pairs = 0;
  int64_t leases = 0;
  /// False where the target gave the pairs new revisions (a remote etcd).
  bool kept_revisions = true;
};

/// Writes the store as it is at `revision` (0: now). Reads page by page, so a store of any size needs little
/// memory; a compaction beyond the revision meanwhile fails it with kCompacted.
runtime::Task<Result<ArchiveSummary>> export_archive(Store& store, Revision revision, ArchiveSink sink);

struct ArchiveContents {
  Revision revision = 0;
  std::vector<KeyValue> kvs;
  std::vector<Lease> leases;
};
/// kDataLoss where the archive is damaged, cut short or none.
Result<ArchiveContents> read_archive(const ArchiveSource& source);

/// Fills an empty store: with the revisions of the archive where the store can keep them, else by putting
/// each pair again. kConflict where the store has keys.
runtime::Task<Result<ArchiveSummary>> import_contents(Store& store, ArchiveContents contents);
/// The same with what read_archive() gives.
runtime::Task<Result<ArchiveSummary>> import_archive(Store& store, ArchiveSource source);

}  // namespace cloudless::store

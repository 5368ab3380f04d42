// Snapshots come from other programs and old disks. Damage below intact first pages is what is tried here:
// the input is the pages after them, with their numbers put right.
#include <cstdint>
#include <cstring>

#include "etcd/bolt.hpp"
#include "etcd/snapshot_import.hpp"

using namespace cloudless::etcd;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static_cast<void>(read_snapshot(bolt::source_of({reinterpret_cast<const char*>(bytes), size})));
  const uint64_t pages = bolt::kHeadPages + (size + bolt::kPageBytes - 1) / bolt::kPageBytes;
  std::string file = bolt::head_pages(pages, {{"key", 4}, {"lease", 5}, {"meta", 6}});
  file.append(reinterpret_cast<const char*>(bytes), size);
  file.resize(pages * bolt::kPageBytes, '\0');
  for (uint64_t page = bolt::kHeadPages; page < pages; ++page) {
    std::memcpy(file.data() + page * bolt::kPageBytes, &page, sizeof page);
  }
  static_cast<void>(read_snapshot(bolt::source_of(file)));
  return 0;
}

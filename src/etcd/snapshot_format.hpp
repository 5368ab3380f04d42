// What the writer and the reader of snapshots agree on (server/storage/mvcc/revision.go and
// server/storage/schema upstream).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace cloudless::etcd::snapshot {

// bbolt's smallest unit: what is beyond a multiple of it is the checksum (client/v3/snapshot/v3_snapshot.go).
inline constexpr size_t kUnit = 512;
inline constexpr size_t kChecksumBytes = 32;
inline constexpr size_t kRevisionBytes = 17;

inline constexpr std::string_view kKeyBucket = "key";
inline constexpr std::string_view kLeaseBucket = "lease";
inline constexpr std::string_view kMetaBucket = "meta";
inline constexpr std::string_view kFinishedCompaction = "finishedCompactRev";
inline constexpr std::string_view kConsistentIndex = "consistent_index";

inline std::string big_endian(uint64_t number) {
  std::string bytes(sizeof number, '\0');
  for (size_t i = bytes.size(); i-- > 0; number >>= 8) bytes[i] = static_cast<char>(number & 0xff);
  return bytes;
}
inline uint64_t from_big_endian(std::string_view bytes) {
  uint64_t number = 0;
  for (const char byte : bytes.substr(0, sizeof number)) number = number << 8 | static_cast<uint8_t>(byte);
  return number;
}
inline std::string revision_key(int64_t main, uint64_t sub) {
  return big_endian(static_cast<uint64_t>(main)) + '_' + big_endian(sub);
}

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void add(std::string_view bytes);
  std::string finish();

 private:
  evp_md_ctx_st* const context_;
};

}  // namespace cloudless::etcd::snapshot

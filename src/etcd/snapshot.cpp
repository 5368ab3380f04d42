#include "etcd/snapshot.hpp"

#include <openssl/evp.h>

#include <algorithm>

#include "store/archive.hpp"

namespace cloudless::etcd {

using runtime::Task;

namespace {

// bbolt's smallest unit: etcdctl takes 32 bytes beyond a multiple of it for the checksum
// (client/v3/snapshot/v3_snapshot.go).
constexpr size_t kPadding = 512;
// As etcd sends them (api/v3rpc/maintenance.go).
constexpr size_t kPieceBytes = 32 << 10;

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new()) { EVP_DigestInit_ex(context_, EVP_sha256(), nullptr); }
  ~Sha256() { EVP_MD_CTX_free(context_); }
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void add(std::string_view bytes) { EVP_DigestUpdate(context_, bytes.data(), bytes.size()); }
  std::string finish() {
    std::string digest(EVP_MAX_MD_SIZE, '\0');
    unsigned size = 0;
    EVP_DigestFinal_ex(context_, reinterpret_cast<unsigned char*>(digest.data()), &size);
    digest.resize(size);
    return digest;
  }

 private:
  EVP_MD_CTX* context_;
};

class SnapshotWriter {
 public:
  SnapshotWriter(uint64_t expected_bytes, const SnapshotSink& send)
      : expected_bytes_(expected_bytes), send_(send) {}

  Task<Result<>> write(std::string bytes) {
    hash_.add(bytes);
    for (size_t at = 0; at < bytes.size(); at += kPieceBytes) {
      CO_TRY(co_await send(bytes.substr(at, kPieceBytes), std::max<uint64_t>(1, left())));
    }
    co_return Result<>();
  }
  Task<Result<>> finish() {
    std::string tail((kPadding - sent_ % kPadding) % kPadding, '\0');
    hash_.add(tail);
    tail += hash_.finish();
    co_return co_await send(std::move(tail), 0);
  }

 private:
  uint64_t left() const { return expected_bytes_ > sent_ ? expected_bytes_ - sent_ : 0; }
  Task<Result<>> send(std::string blob, uint64_t remaining) {
    sent_ += blob.size();
    etcdserverpb::SnapshotResponse piece;
    piece.set_blob(std::move(blob));
    piece.set_remaining_bytes(remaining);
    co_return co_await send_(piece);
  }

  const uint64_t expected_bytes_;
  const SnapshotSink& send_;
  Sha256 hash_;
  uint64_t sent_ = 0;
};

}  // namespace

Task<Result<>> send_snapshot(Backend& backend, SnapshotSink send) {
  const store::Status status = CO_TRY(co_await backend.store.status());
  SnapshotWriter writer(static_cast<uint64_t>(status.db_size_in_use_bytes), send);
  const auto sink = [&writer](std::string bytes) { return writer.write(std::move(bytes)); };
  CO_TRY(co_await store::export_archive(backend.store, 0, sink));
  co_return co_await writer.finish();
}

}  // namespace cloudless::etcd

// A disk for tests, in memory, that loses what was not synced, tears what was being written, and fails on
// demand.
#pragma once

#include <map>
#include <mutex>
#include <optional>

#include "base/random.hpp"
#include "store/file.hpp"

namespace cloudless::store::testing {

class FaultyDisk final : public Files {
 public:
  static constexpr size_t kBlock = 512;

  explicit FaultyDisk(uint64_t seed) : random_(seed) {}

  Result<std::unique_ptr<File>> open(const std::string& path) override;

  /// Every write and sync fails with this from now on; nothing: they work again.
  void fail_with(std::optional<Error> error) {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(error);
  }
  /// Each of the blocks that were not synced is written or lost, by chance.
  void lose_power();

 private:
  class Handle;
  struct Content {
    std::string durable;
    std::map<uint64_t, std::string> unsynced;  // blocks by offset
    std::string now() const;
  };

  std::mutex mutex_;
  SeededRandom random_;
  std::map<std::string, Content> contents_;
  std::optional<Error> failure_;
};

class FaultyDisk::Handle final : public File {
 public:
  Handle(FaultyDisk& disk, Content& content) : disk_(disk), content_(content) {}
  size_t block_size() const override { return kBlock; }
  Result<> write_at(uint64_t offset, std::string_view blocks) override {
    const std::lock_guard lock(disk_.mutex_);
    if (offset % kBlock || blocks.size() % kBlock) return fail(Code::kInternal, "an unaligned write");
    for (size_t i = 0; i < blocks.size(); i += kBlock) {
      // A failing write may have got somewhere.
      if (disk_.failure_ && disk_.random_.below(2)) return std::unexpected(*disk_.failure_);
      content_.unsynced[offset + i] = std::string(blocks.substr(i, kBlock));
    }
    if (disk_.failure_) return std::unexpected(*disk_.failure_);
    return {};
  }
  Result<std::string> read_at(uint64_t offset, size_t size) override {
    const std::lock_guard lock(disk_.mutex_);
    const std::string now = content_.now();
    return offset < now.size() ? now.substr(offset, size) : std::string();
  }
  Result<> sync() override {
    const std::lock_guard lock(disk_.mutex_);
    if (disk_.failure_) {
      // As Linux does: what could not be written is dropped, and the next sync knows nothing of it.
      content_.unsynced.clear();
      return std::unexpected(*disk_.failure_);
    }
    content_.durable = content_.now();
    content_.unsynced.clear();
    return {};
  }
  Result<uint64_t> size() override {
    const std::lock_guard lock(disk_.mutex_);
    return content_.now().size();
  }
  Result<bool> try_lock() override { return true; }

 private:
  FaultyDisk& disk_;
  Content& content_;
};

inline std::string FaultyDisk::Content::now() const {
  std::string bytes = durable;
  for (const auto& [offset, block] : unsynced) {
    if (bytes.size() < offset + block.size()) bytes.resize(offset + block.size(), '\0');
    bytes.replace(offset, block.size(), block);
  }
  return bytes;
}

inline Result<std::unique_ptr<File>> FaultyDisk::open(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return std::make_unique<Handle>(*this, contents_[path]);
}

inline void FaultyDisk::lose_power() {
  const std::lock_guard lock(mutex_);
  for (auto& [path, content] : contents_) {
    std::erase_if(content.unsynced, [&](const auto&) { return random_.below(2) == 0; });
    content.durable = content.now();
    content.unsynced.clear();
  }
}

}  // namespace cloudless::store::testing

#include "etcd/bolt.hpp"

#include <bit>
#include <cstring>
#include <optional>
#include <utility>

namespace cloudless::etcd::bolt {

namespace {

static_assert(std::endian::native == std::endian::little);

constexpr uint32_t kMagic = 0xED0CDAED;
constexpr uint32_t kVersion = 2;
constexpr uint16_t kBranch = 0x01;
constexpr uint16_t kLeaf = 0x02;
constexpr uint16_t kMeta = 0x04;
constexpr uint16_t kFreelist = 0x10;
constexpr uint32_t kBucketItem = 0x01;
constexpr size_t kPageHead = 16;
constexpr size_t kEntry = 16;  // of a leaf and of a branch
constexpr size_t kMetaBytes = 64;
constexpr size_t kBucketBytes = 16;
constexpr uint64_t kFreelistPage = 2;
constexpr uint64_t kRootPage = 3;
// A tree of 4 KB pages with two children each is no deeper than this within 2^64 bytes.
constexpr int kMaxDepth = 64;
constexpr size_t kLargestPage = 64 << 10;

template <class Number>
void put(std::string& out, Number number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}
template <class Number>
Number get(std::string_view bytes, size_t at) {
  Number number;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

uint64_t fnv1a(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes) hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
  return hash;
}

std::string page_head(uint64_t id, uint16_t flags, size_t count, size_t overflow) {
  std::string page;
  put(page, id);
  put(page, flags);
  put(page, static_cast<uint16_t>(count));
  put(page, static_cast<uint32_t>(overflow));
  return page;
}

std::string meta_page(uint64_t txid, uint64_t pages) {
  std::string meta;
  put(meta, kMagic);
  put(meta, kVersion);
  put(meta, static_cast<uint32_t>(kPageBytes));
  put(meta, uint32_t{0});
  put(meta, kRootPage);
  put(meta, uint64_t{0});
  put(meta, kFreelistPage);
  put(meta, pages);
  put(meta, txid);
  put(meta, fnv1a(meta));
  std::string page = page_head(txid, kMeta, 0, 0) + meta;
  page.resize(kPageBytes, '\0');
  return page;
}

std::string leaf_page(uint64_t id, size_t pages, uint32_t item_flags, const std::vector<Item>& items) {
  std::string page = page_head(id, kLeaf, items.size(), pages - 1);
  std::string data;
  for (size_t i = 0; i < items.size(); ++i) {
    put(page, item_flags);
    put(page, static_cast<uint32_t>((items.size() - i) * kEntry + data.size()));
    put(page, static_cast<uint32_t>(items[i].key.size()));
    put(page, static_cast<uint32_t>(items[i].value.size()));
    data += items[i].key;
    data += items[i].value;
  }
  page += data;
  page.resize(pages * kPageBytes, '\0');
  return page;
}

std::unexpected<Error> damaged(std::string_view why) {
  return fail(Code::kDataLoss, "this is no intact snapshot of etcd: {}", why);
}

}  // namespace

std::string TreeBuilder::add(Item item) {
  const size_t value_bytes = item.value.size();
  add_size(std::move(item.key), value_bytes);
  if (output_ == Output::kPages) items_.back().value = std::move(item.value);
  return std::exchange(full_, {});
}

void TreeBuilder::add_size(std::string key, size_t value_bytes) {
  const size_t bytes = kEntry + key.size() + value_bytes;
  if (!items_.empty() && kPageHead + leaf_bytes_ + bytes > kPageBytes) close_leaf();
  leaf_bytes_ += bytes;
  items_.push_back({.key = std::move(key)});
}

std::string TreeBuilder::finish() {
  if (!items_.empty() || branches_.empty()) close_leaf();
  // The level with one child, and none above it, is not written: the child is the root.
  for (size_t level = 0; level + 1 < branches_.size() || branches_[level].children.size() > 1; ++level) {
    close_branch(level);
  }
  root_ = branches_.back().children.front().page;
  return std::exchange(full_, {});
}

void TreeBuilder::close_leaf() {
  const size_t pages = (kPageHead + leaf_bytes_ + kPageBytes - 1) / kPageBytes;
  if (output_ == Output::kPages) full_ += leaf_page(next_page_, pages, 0, items_);
  Child leaf{.key = items_.empty() ? "" : std::move(items_.front().key), .page = next_page_};
  next_page_ += pages;
  items_.clear();
  leaf_bytes_ = 0;
  put_child(0, std::move(leaf));
}

// At least two children to a page, so that levels get shorter.
void TreeBuilder::put_child(size_t level, Child child) {
  if (level == branches_.size()) branches_.emplace_back();
  const size_t bytes = kEntry + child.key.size();
  const Branch& branch = branches_[level];
  if (branch.children.size() >= 2 && kPageHead + branch.bytes + bytes > kPageBytes) close_branch(level);
  branches_[level].bytes += bytes;
  branches_[level].children.push_back(std::move(child));
}

void TreeBuilder::close_branch(size_t level) {
  Branch branch = std::exchange(branches_[level], {});
  if (output_ == Output::kPages) full_ += branch_page(next_page_, branch.children);
  put_child(level + 1, {std::move(branch.children.front().key), next_page_++});
}

std::string TreeBuilder::branch_page(uint64_t id, const std::vector<Child>& children) {
  std::string page = page_head(id, kBranch, children.size(), 0);
  std::string data;
  for (size_t i = 0; i < children.size(); ++i) {
    put(page, static_cast<uint32_t>((children.size() - i) * kEntry + data.size()));
    put(page, static_cast<uint32_t>(children[i].key.size()));
    put(page, children[i].page);
    data += children[i].key;
  }
  page += data;
  page.resize(kPageBytes, '\0');
  return page;
}

std::string head_pages(uint64_t pages, const std::vector<NamedRoot>& buckets) {
  std::string head = meta_page(0, pages) + meta_page(1, pages);
  head += page_head(kFreelistPage, kFreelist, 0, 0);
  head.resize(kRootPage * kPageBytes, '\0');
  std::vector<Item> items;
  for (const NamedRoot& bucket : buckets) {
    items.push_back({.key = bucket.name});
    put(items.back().value, bucket.root);
    put(items.back().value, uint64_t{0});
  }
  return head + leaf_page(kRootPage, 1, kBucketItem, items);
}

struct Reader::Page {
  uint16_t flags = 0;
  size_t count = 0;
  std::string whole;  // with its head and what it goes on over

  std::string_view bytes() const { return std::string_view(whole).substr(kPageHead); }
};

Source source_of(std::string_view file) {
  return {file.size(), [file](uint64_t offset, size_t size) -> Result<std::string> {
            return std::string(file.substr(offset, size));
          }};
}

bool Reader::recognizes(std::string_view file) {
  return file.size() >= kPageHead + sizeof kMagic && get<uint32_t>(file, kPageHead) == kMagic;
}

Result<Reader> Reader::open(Source file) {
  Reader reader;
  reader.file_ = std::move(file);
  std::optional<uint64_t> newest;
  // The second meta's place depends on the page size, which is in the first; a damaged first leaves the
  // usual.
  size_t second = kPageBytes;
  for (size_t at = 0;; at = second) {
    if (reader.file_.bytes >= at + kPageHead + kMetaBytes) {
      const std::string read = TRY(reader.file_.read(at + kPageHead, kMetaBytes));
      const std::string_view meta = read;
      const auto size = get<uint32_t>(meta, 8);
      const auto txid = get<uint64_t>(meta, 48);
      const bool intact = get<uint32_t>(meta, 0) == kMagic && get<uint32_t>(meta, 4) == kVersion &&
                          get<uint64_t>(meta, 56) == fnv1a(meta.substr(0, 56)) && std::has_single_bit(size) &&
                          size >= 1024 && size <= kLargestPage;
      if (intact && (!newest || txid > *newest)) {
        newest = txid;
        reader.page_bytes_ = size;
        reader.root_ = get<uint64_t>(meta, 16);
        if (at == 0) second = size;
      }
    }
    if (at != 0) break;
  }
  if (!newest) return damaged("its first pages are damaged");
  return reader;
}

Result<Reader::Page> Reader::page(uint64_t id) const {
  if (id >= pages()) return damaged("a page is missing");
  Page page{.whole = TRY(file_.read(id * page_bytes_, page_bytes_))};
  const size_t pages = size_t{1} + get<uint32_t>(page.whole, 12);
  if (get<uint64_t>(page.whole, 0) != id || pages > this->pages() - id ||
      pages > kLongestPage / page_bytes_) {
    return damaged("a page is not where it belongs");
  }
  page.flags = get<uint16_t>(page.whole, 8);
  page.count = get<uint16_t>(page.whole, 10);
  if (pages > 1) page.whole += TRY(file_.read((id + 1) * page_bytes_, (pages - 1) * page_bytes_));
  return page;
}

Result<> Reader::walk_leaf(std::string_view bytes, size_t count, const VisitItem& visit) {
  if (count * kEntry > bytes.size()) return damaged("a leaf is too short");
  size_t bytes_left = bytes.size();
  for (size_t i = 0; i < count; ++i) {
    const size_t at = i * kEntry;
    const uint64_t key = at + get<uint32_t>(bytes, at + 4);
    const uint64_t key_size = get<uint32_t>(bytes, at + 8);
    const uint64_t value_size = get<uint32_t>(bytes, at + 12);
    if (key + key_size + value_size > bytes.size() || key_size + value_size > bytes_left) {
      return damaged("an item reaches beyond its page");
    }
    bytes_left -= key_size + value_size;
    TRY(visit(get<uint32_t>(bytes, at), bytes.substr(key, key_size),
              bytes.substr(key + key_size, value_size)));
  }
  return {};
}

Result<> Reader::walk(uint64_t id, int depth, size_t& pages_left, const VisitItem& visit) const {
  if (depth > kMaxDepth || pages_left-- == 0) return damaged("its pages go in circles");
  const Page page = TRY(this->page(id));
  const std::string_view bytes = page.bytes();
  if (page.flags == kLeaf) return walk_leaf(bytes, page.count, visit);
  if (page.flags != kBranch || page.count * kEntry > bytes.size())
    return damaged("a page is of a wrong kind");
  for (size_t i = 0; i < page.count; ++i) {
    const size_t at = i * kEntry;
    const uint64_t key = at + get<uint32_t>(bytes, at);
    const uint64_t key_size = get<uint32_t>(bytes, at + 4);
    if (key + key_size > bytes.size()) return damaged("a key reaches beyond its page");
    TRY(walk(get<uint64_t>(bytes, at + 8), depth + 1, pages_left, visit));
  }
  return {};
}

Result<> Reader::visit(std::string_view bucket, const Visit& visit) const {
  const VisitItem each = [&](uint32_t, std::string_view key, std::string_view value) {
    return visit(key, value);
  };
  size_t top_pages_left = pages();
  size_t pages_left = top_pages_left;
  const VisitItem find = [&](uint32_t flags, std::string_view name, std::string_view value) -> Result<> {
    if (!(flags & kBucketItem) || name != bucket) return {};
    if (value.size() < kBucketBytes) return damaged("a bucket is too short");
    const auto root = get<uint64_t>(value, 0);
    if (root != 0) return walk(root, 0, pages_left, each);
    if (value.size() < kBucketBytes + kPageHead) return damaged("a bucket is too short");
    return walk_leaf(value.substr(kBucketBytes + kPageHead), get<uint16_t>(value, kBucketBytes + 10), each);
  };
  return walk(root_, 0, top_pages_left, find);
}

}  // namespace cloudless::etcd::bolt

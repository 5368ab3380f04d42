// The file format of etcd's database, bbolt (go.etcd.io/bbolt: page.go, bucket.go, db.go), as far as
// snapshots need it: laying trees out over pages, and walking the trees of a file that may be damaged. No
// I/O. Numbers are little-endian.
//
//     page:    id(8) flags(2) count(2) overflow(4), then what its kind says; it goes on over `overflow` pages
//     meta:    magic(4) version(4) page size(4) flags(4) root bucket(16) freelist(8) pages(8) txid(8)
//              FNV-1a of the 56 bytes before(8); pages 0 and 1, the one with the higher txid counts
//     leaf:    count * { flags(4) pos(4) key size(4) value size(4) }, then keys and values
//     branch:  count * { pos(4) key size(4) page(8) }, then keys: the least of each child
//     bucket:  root page(8) sequence(8), the value of a leaf's item with flag 1; root page 0: a leaf follows
//     inline
//
// `pos` counts from the start of its own entry.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace cloudless::etcd::bolt {

inline constexpr size_t kPageBytes = 4096;

struct Item {
  std::string key;
  std::string value;
};

/// Lays out the tree of one bucket over pages while its items come, in the order of their keys. Holds one
/// open page of each level, so a tree of any size needs little memory; pages come out as they get full, their
/// numbers ascending from the first on. A tree without items is one empty leaf.
class TreeBuilder {
 public:
  /// kPages: with what is on them. kNumbers: where the same items would go, told by the sizes of their
  /// values.
  enum class Output { kPages, kNumbers };

  TreeBuilder(uint64_t first_page, Output output) : output_(output), next_page_(first_page) {}

  /// The pages that are full by now, for kPages; often none.
  std::string add(Item item);
  void add_size(std::string key, size_t value_bytes);
  /// The pages that are left. Then root() and end_page() count.
  std::string finish();

  uint64_t root() const { return root_; }
  uint64_t end_page() const { return next_page_; }

 private:
  struct Child {
    std::string key;
    uint64_t page = 0;
  };
  struct Branch {
    std::vector<Child> children;
    size_t bytes = 0;
  };

  void close_leaf();
  void close_branch(size_t level);
  void put_child(size_t level, Child child);
  static std::string branch_page(uint64_t id, const std::vector<Child>& children);

  const Output output_;
  uint64_t next_page_;
  uint64_t root_ = 0;
  std::string full_;         // pages that are not given out yet
  std::vector<Item> items_;  // of the open leaf; without values for kNumbers
  size_t leaf_bytes_ = 0;
  std::vector<Branch> branches_;  // the open one of each level, the lowest first
};

struct NamedRoot {
  std::string name;
  uint64_t root = 0;
};
/// Trees begin after the head of the file.
inline constexpr uint64_t kHeadPages = 4;
/// The head of a file of `pages` pages: both metas, an empty freelist, and the buckets, in the order of their
/// names, as many as fit on a page.
std::string head_pages(uint64_t pages, const std::vector<NamedRoot>& buckets);

/// A file to read from.
struct Source {
  uint64_t bytes = 0;  // of the file
  /// `size` bytes from `offset` on, which are all within the file.
  std::function<Result<std::string>(uint64_t offset, size_t size)> read;
};
/// One that is in memory already, and outlives the source.
Source source_of(std::string_view file);

/// What a page with those that it goes on over may have: an item is never larger than a request.
inline constexpr size_t kLongestPage = 128 << 20;

/// Reads a file page by page; holds one page of each level of a tree.
class Reader {
 public:
  using Visit = std::function<Result<>(std::string_view key, std::string_view value)>;

  /// True where the bytes begin as a bbolt file does.
  static bool recognizes(std::string_view file);
  /// kDataLoss where there is no intact meta page.
  static Result<Reader> open(Source file);

  /// Visits the items of a bucket at the top in the order of its keys; none where there is no such bucket.
  /// kDataLoss where a page is damaged.
  Result<> visit(std::string_view bucket, const Visit& visit) const;

 private:
  struct Page;
  using VisitItem = std::function<Result<>(uint32_t flags, std::string_view key, std::string_view value)>;

  Result<Page> page(uint64_t id) const;
  /// `pages_left`: a tree has no more pages than the file, however its pages refer to each other.
  Result<> walk(uint64_t id, int depth, size_t& pages_left, const VisitItem& visit) const;
  static Result<> walk_leaf(std::string_view bytes, size_t count, const VisitItem& visit);
  uint64_t pages() const { return file_.bytes / page_bytes_; }

  Source file_;
  size_t page_bytes_ = 0;
  uint64_t root_ = 0;
};

}  // namespace cloudless::etcd::bolt

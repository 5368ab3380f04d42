// NameMap<T>: an immutable table from canonical names to values whose copies share what they have in common.
// A copy costs nothing; a copy with one name changed costs a few small allocations, whatever the table's size
// (a hash array mapped trie: Bagwell 2001, in Steindorfer's layout of 2015).
//
//     root --5 bits of the hash--> branch --the next 5--> branch --> entry {name, value}
//
// A branch has two dense arrays, entries and branches, and for each a word of bits that tells which of its 32
// places are in the array. Below the last bits of the hash a branch is a plain list.
//
// Readers of a table need no lock while editors make others from it.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include "dns/name.hpp"

namespace cloudless::dns {

template <class T>
class NameMap {
 public:
  class Editor;

  NameMap() : root_(std::make_shared<Branch>()) {}

  size_t size() const { return size_; }
  /// Null where there is none. Valid as long as this table or a copy that still has the name.
  const T* find(NameView name) const { return find_in(*root_, name); }
  /// Calls `visit(name, value)` for all, in no particular order.
  template <class Visit>
  void for_each(const Visit& visit) const {
    for_each_in(*root_, visit);
  }

 private:
  static constexpr int kBits = 5;
  static constexpr int kDepth = (64 + kBits - 1) / kBits;

  // `version`: of the table whose editor made it; that editor alone may change it.
  struct Entry {
    uint64_t version;
    Name name;
    T value;
  };
  struct Branch {
    uint64_t version = 0;
    uint32_t entry_bits = 0;
    uint32_t branch_bits = 0;
    std::vector<std::shared_ptr<Entry>> entries;
    std::vector<std::shared_ptr<Branch>> branches;
  };

  static uint64_t hash_of(NameView name) { return NameHash()(name); }
  static uint32_t bit_of(uint64_t hash) { return 1u << (hash & ((1u << kBits) - 1)); }
  // Where the place of `bit` is in the dense array that `bits` describes.
  static size_t index_of(uint32_t bits, uint32_t bit) {
    return static_cast<size_t>(std::popcount(bits & (bit - 1)));
  }

  static const T* find_in(const Branch& root, NameView name) {
    const Branch* branch = &root;
    uint64_t hash = hash_of(name);
    for (int depth = 0; depth < kDepth; ++depth, hash >>= kBits) {
      const uint32_t bit = bit_of(hash);
      if (branch->entry_bits & bit) {
        const Entry& entry = *branch->entries[index_of(branch->entry_bits, bit)];
        return entry.name == name ? &entry.value : nullptr;
      }
      if (!(branch->branch_bits & bit)) return nullptr;
      branch = branch->branches[index_of(branch->branch_bits, bit)].get();
    }
    for (const auto& entry : branch->entries) {
      if (entry->name == name) return &entry->value;
    }
    return nullptr;
  }

  template <class Visit>
  static void for_each_in(const Branch& branch, const Visit& visit) {
    for (const auto& entry : branch.entries) visit(entry->name, entry->value);
    for (const auto& below : branch.branches) for_each_in(*below, visit);
  }

  std::shared_ptr<Branch> root_;
  size_t size_ = 0;
  uint64_t version_ = 0;  // above that of everything it shares with others
};

/// Makes a changed table from another, which stays as it is. What it has made itself it changes in place, so
/// many changes cost little more than a table that is not shared.
template <class T>
class NameMap<T>::Editor {
 public:
  explicit Editor(const NameMap& from) : map_(from) { ++map_.version_; }

  const T* find(NameView name) const { return map_.find(name); }
  /// The value of `name`, made where there is none. The reference is valid until the next call.
  T& at(const Name& name);
  void erase(NameView name);
  NameMap finish() && { return std::move(map_); }

 private:
  using BranchPtr = std::shared_ptr<Branch>;
  using EntryPtr = std::shared_ptr<Entry>;

  // What `pointer` leads to, copied first where others may see it.
  template <class Node>
  Node& own(std::shared_ptr<Node>& pointer) {
    if (pointer->version != map_.version_) {
      pointer = std::make_shared<Node>(*pointer);
      pointer->version = map_.version_;
    }
    return *pointer;
  }
  EntryPtr make_entry(const Name& name) {
    ++map_.size_;
    return std::make_shared<Entry>(Entry{map_.version_, name, T()});
  }
  // Two names share the place: the one that is there goes one level down.
  void push_down(Branch& branch, uint32_t bit, int depth);
  // True where the branch is empty now.
  bool erase_from(BranchPtr& pointer, NameView name, uint64_t hash, int depth);

  NameMap map_;
};

template <class T>
T& NameMap<T>::Editor::at(const Name& name) {
  BranchPtr* pointer = &map_.root_;
  uint64_t hash = hash_of(name);
  for (int depth = 0; depth < kDepth; ++depth, hash >>= kBits) {
    Branch& branch = own(*pointer);
    const uint32_t bit = bit_of(hash);
    if (branch.entry_bits & bit) {
      EntryPtr& entry = branch.entries[index_of(branch.entry_bits, bit)];
      if (entry->name == name) return own(entry).value;
      push_down(branch, bit, depth);
    } else if (!(branch.branch_bits & bit)) {
      const auto place = branch.entries.begin() + static_cast<ptrdiff_t>(index_of(branch.entry_bits, bit));
      branch.entry_bits |= bit;
      return (*branch.entries.insert(place, make_entry(name)))->value;
    }
    pointer = &branch.branches[index_of(branch.branch_bits, bit)];
  }
  Branch& list = own(*pointer);
  for (EntryPtr& entry : list.entries) {
    if (entry->name == name) return own(entry).value;
  }
  return list.entries.emplace_back(make_entry(name))->value;
}

template <class T>
void NameMap<T>::Editor::push_down(Branch& branch, uint32_t bit, int depth) {
  const auto from = branch.entries.begin() + static_cast<ptrdiff_t>(index_of(branch.entry_bits, bit));
  auto below = std::make_shared<Branch>();
  below->version = map_.version_;
  if (depth + 1 < kDepth) below->entry_bits = bit_of(hash_of((*from)->name) >> (kBits * (depth + 1)));
  below->entries.push_back(std::move(*from));
  branch.entries.erase(from);
  branch.entry_bits &= ~bit;
  const auto to = branch.branches.begin() + static_cast<ptrdiff_t>(index_of(branch.branch_bits, bit));
  branch.branches.insert(to, std::move(below));
  branch.branch_bits |= bit;
}

template <class T>
void NameMap<T>::Editor::erase(NameView name) {
  if (!find(name)) return;
  erase_from(map_.root_, name, hash_of(name), 0);
  --map_.size_;
}

template <class T>
bool NameMap<T>::Editor::erase_from(BranchPtr& pointer, NameView name, uint64_t hash, int depth) {
  Branch& branch = own(pointer);
  if (depth == kDepth) {
    std::erase_if(branch.entries, [&](const EntryPtr& entry) { return entry->name == name; });
    return branch.entries.empty();
  }
  const uint32_t bit = bit_of(hash);
  if (branch.entry_bits & bit) {
    branch.entries.erase(branch.entries.begin() + static_cast<ptrdiff_t>(index_of(branch.entry_bits, bit)));
    branch.entry_bits &= ~bit;
  } else {
    const auto below = branch.branches.begin() + static_cast<ptrdiff_t>(index_of(branch.branch_bits, bit));
    if (erase_from(*below, name, hash >> kBits, depth + 1)) {
      branch.branches.erase(below);
      branch.branch_bits &= ~bit;
    }
  }
  return branch.entries.empty() && branch.branches.empty();
}

}  // namespace cloudless::dns

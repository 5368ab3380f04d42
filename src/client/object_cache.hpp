// ObjectCache<T>: the objects of one resource as an informer knows them; what plans read. No I/O.
//
// Objects are immutable and shared. The cache keeps them ordered by key ("namespace/name"), so a namespace is
// a range, and in named indexes. It belongs to one executor.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "client/resource.hpp"

namespace cloudless::client {

template <class T>
class ObjectCache {
 public:
  using Ptr = std::shared_ptr<const T>;
  using Objects = std::map<std::string, Ptr, std::less<>>;
  /// The values under which an object is found.
  using IndexFunction = std::function<std::vector<std::string>(const T&)>;

  const Objects& all() const { return objects_; }
  size_t size() const { return objects_.size(); }

  /// Null where there is none.
  Ptr get(std::string_view key) const {
    const auto found = objects_.find(key);
    return found == objects_.end() ? nullptr : found->second;
  }
  Ptr get(std::string_view ns, std::string_view name) const { return get(object_key(ns, name)); }

  /// The objects of a namespace by name; all objects where `ns` is empty.
  std::vector<Ptr> in_namespace(std::string_view ns) const {
    std::vector<Ptr> found;
    const std::string prefix = ns.empty() ? std::string() : std::string(ns) + '/';
    for (auto it = objects_.lower_bound(prefix); it != objects_.end() && it->first.starts_with(prefix);
         ++it) {
      found.push_back(it->second);
    }
    return found;
  }

  /// Adds an index; a second one of the same name is the same index.
  void add_index(const std::string& name, IndexFunction function) {
    auto [index, is_new] = indexes_.try_emplace(name);
    if (!is_new) return;
    index->second.function = std::move(function);
    for (const auto& [key, object] : objects_) index->second.insert(key, *object);
  }
  /// The objects under `value`, by key. The index must exist.
  std::vector<Ptr> by_index(const std::string& name, const std::string& value) const {
    std::vector<Ptr> found;
    const Index& index = indexes_.at(name);
    const auto keys = index.keys.find(value);
    if (keys == index.keys.end()) return found;
    for (const std::string& key : keys->second) found.push_back(objects_.at(key));
    return found;
  }

  /// Puts `object` and returns the one that it replaces.
  Ptr put(const std::string& key, Ptr object) {
    Ptr& slot = objects_[key];
    Ptr old = std::exchange(slot, std::move(object));
    for (auto& [name, index] : indexes_) {
      if (old) index.erase(key, *old);
      index.insert(key, *slot);
    }
    return old;
  }
  Ptr erase(std::string_view key) {
    const auto found = objects_.find(key);
    if (found == objects_.end()) return nullptr;
    Ptr old = std::move(found->second);
    for (auto& [name, index] : indexes_) index.erase(found->first, *old);
    objects_.erase(found);
    return old;
  }

 private:
  struct Index {
    IndexFunction function;
    std::map<std::string, std::set<std::string>> keys;

    void insert(const std::string& key, const T& object) {
      for (const std::string& value : function(object)) keys[value].insert(key);
    }
    void erase(const std::string& key, const T& object) {
      for (const std::string& value : function(object)) {
        const auto found = keys.find(value);
        if (found == keys.end()) continue;
        found->second.erase(key);
        if (found->second.empty()) keys.erase(found);
      }
    }
  };

  Objects objects_;
  std::map<std::string, Index> indexes_;
};

}  // namespace cloudless::client

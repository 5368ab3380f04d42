// CachedObject: one version of one object as the watch cache holds it: its JSON, encoded once and shared by
// every list and watch that sends it, and beside it nothing more than what selectors look at.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apiserver/pipeline.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"

namespace cloudless::apiserver {

/// A field that a field selector may name.
struct SelectableField {
  std::string label;              // "spec.nodeName"
  std::vector<std::string> path;  // {"spec", "nodeName"}
  std::string fallback;           // the value where the object has none
};
/// Besides metadata.name and metadata.namespace, which every resource has.
using FieldIndex = std::vector<SelectableField>;

struct CachedObject {
  std::string key;  // the store's
  uint64_t revision = 0;
  std::string namespace_;
  std::string name;
  std::vector<std::pair<std::string, std::string>> labels;
  std::vector<std::string> fields;  // values, in the order of the resource's FieldIndex
  SharedBytes json;                 // with resourceVersion, in the storage version

  /// The same object in another format, kept after the first use. `encode` may run twice when two ask at
  /// once.
  template <class Encode>
  SharedBytes protobuf(Encode encode) const {
    SharedBytes bytes = protobuf_.load();
    if (!bytes) protobuf_.store(bytes = encode(*this));
    return bytes;
  }

  ObjectPtr decode() const;

 private:
  mutable std::atomic<SharedBytes> protobuf_;
};

using CachedObjectPtr = std::shared_ptr<const CachedObject>;

/// From what is stored at `key` as of `revision`, in any form that stored_form.hpp knows. kDataLoss where
/// that is no object.
Result<CachedObjectPtr> make_cached_object(std::string key, std::string_view stored, uint64_t revision,
                                           const FieldIndex& fields);
/// The same object under a later revision: what a deletion shows.
CachedObjectPtr at_revision(const CachedObject& object, uint64_t revision);

}  // namespace cloudless::apiserver

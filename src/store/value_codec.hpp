// ValueCodec: how values become small. Kubernetes writes the same JSON again and again with a few bytes
// changed, so a value is stored as what differs from an earlier version of its key, or else against a
// dictionary of the words that all Kubernetes objects share.
//
//     version:   1      2      3      4      5      6
//     stored:    full   delta  delta  delta  full   delta
//                ^--------+------+      |      ^------+
//                base of 2, 3 and 4 ----'      a new base, once deltas have grown
//
// A delta extends a full version directly, never another delta, so reading any value takes two records at the
// most. The dictionary is part of the format: it never changes; a better one gets a number of its own.
//
// One thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "store/record.hpp"

namespace cloudless::store {

class ValueCodec {
 public:
  ValueCodec();
  ~ValueCodec();

  struct Encoded {
    Encoding encoding = Encoding::kRaw;
    /// Views the value itself or the codec's buffer; valid until the next encode().
    std::string_view payload;
  };
  /// `base`: an earlier full version of the key, if one is at hand.
  Encoded encode(std::string_view value, std::optional<std::string_view> base);

  /// The value. `base` is the decoded base of a delta; ignored otherwise. kDataLoss where the payload does
  /// not decode to `size` bytes.
  Result<std::string> decode(Encoding encoding, std::string_view payload, uint64_t size,
                             std::string_view base);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cloudless::store

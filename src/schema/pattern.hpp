// Pattern: a regular expression of a custom resource's schema, in Go's syntax (RE2), matched in time linear
// in the text. Immutable; thread-safe. For .cpp files of schema.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.hpp"

namespace cloudless::schema {

class Pattern {
 public:
  virtual ~Pattern() = default;
  /// kInvalid with what is wrong for an expression that does not compile, or is too large.
  static Result<std::shared_ptr<const Pattern>> compile(std::string_view expression);
  /// Whether a part of `text` matches.
  virtual bool is_found_in(std::string_view text) const = 0;
};

}  // namespace cloudless::schema

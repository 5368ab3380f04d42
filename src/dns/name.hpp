// Name: a domain name in wire form (RFC 1035 section 3.1), always absolute, at most 255 bytes, labels at
// most 63.
//
// Names keep the case they were given and compare without it (RFC 4343). As keys they are used in lower case,
// which canonical() makes; a Zone holds canonical owner names only.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace cloudless::dns {

inline constexpr size_t kMaxNameBytes = 255;
inline constexpr size_t kMaxLabelBytes = 63;

class Name {
 public:
  /// The root, ".".
  Name() : wire_(1, '\0') {}

  /// From presentation form with its escapes ("\." and "\DDD", RFC 1035 section 5.1). A name without a final
  /// dot is relative to `origin`; "@" alone is the origin.
  static Result<Name> parse(std::string_view text, const Name& origin = Name());
  /// From uncompressed wire form that ends with the root label.
  static Result<Name> from_wire(std::string_view wire);

  const std::string& wire() const { return wire_; }
  /// Presentation form with the final dot.
  std::string to_text() const;
  Name canonical() const;

  bool is_root() const { return wire_.size() == 1; }
  size_t label_count() const;
  /// The first label, without its length byte; empty for the root.
  std::string_view first_label() const;
  /// Without the first label. Not for the root.
  Name parent() const;
  /// True where this name is `ancestor` or below it.
  bool is_within(const Name& ancestor) const;
  /// `label` in front. kInvalid where a limit is broken.
  Result<Name> with_label(std::string_view label) const;
  /// The labels of this name in front of `suffix`. kInvalid where it grows too long.
  Result<Name> appended_to(const Name& suffix) const;

  /// Byte for byte: canonical names compare equal when they are the same name.
  friend bool operator==(const Name&, const Name&) = default;
  friend auto operator<=>(const Name&, const Name&) = default;

 private:
  explicit Name(std::string wire) : wire_(std::move(wire)) {}
  std::string wire_;
};

/// A name in wire form that something else holds: for walking from a name to its ancestors, and looking them
/// up, without copies.
class NameView {
 public:
  NameView(const Name& name)
      : wire_(name.wire()) {}  // NOLINT(google-explicit-constructor): as string_view does
  /// `wire` is a whole name.
  explicit NameView(std::string_view wire) : wire_(wire) {}

  std::string_view wire() const { return wire_; }
  bool is_root() const { return wire_.size() == 1; }
  /// Without the first label. Not for the root.
  NameView parent() const { return NameView(wire_.substr(static_cast<uint8_t>(wire_[0]) + 1u)); }

  friend bool operator==(NameView, NameView) = default;
  friend auto operator<=>(NameView, NameView) = default;

 private:
  std::string_view wire_;
};

/// The canonical form of a name in memory of its own, so that looking a name up allocates nothing.
class CanonicalName {
 public:
  explicit CanonicalName(const Name& name);
  operator NameView() const { return view(); }  // NOLINT(google-explicit-constructor)
  NameView view() const { return NameView(std::string_view(bytes_.data(), size_)); }

 private:
  std::array<char, kMaxNameBytes> bytes_;
  size_t size_;
};

/// Hash and equality for tables of names that are asked by Name or NameView.
struct NameHash {
  using is_transparent = void;
  size_t operator()(NameView name) const { return std::hash<std::string_view>()(name.wire()); }
};
struct NameEqual {
  using is_transparent = void;
  bool operator()(NameView a, NameView b) const { return a == b; }
};

}  // namespace cloudless::dns

// The values that generated structs hold besides the standard ones, and how the generic codec reaches into
// optional, boxed, list and map members without knowing their element type.
//
// Generated structs are plain data: copyable, comparable, without invariants. A Go pointer to a scalar is
// std::optional, a Go pointer to a struct is Boxed (same use), a slice is std::vector, a map is std::map.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "schema/quantity.hpp"

namespace cloudless::schema {

/// metav1.Time and metav1.MicroTime: unset, or a wall time. The schema knows which of the two a field is;
/// Time is written with whole seconds, MicroTime with six digits.
using Time = std::optional<WallTime>;

/// JSON kept as text: runtime.RawExtension, metav1.FieldsV1, JSON schemas. Empty text is the absent value.
struct RawJson {
  std::string text;

  bool empty() const { return text.empty(); }
  friend bool operator==(const RawJson&, const RawJson&) = default;
};

/// intstr.IntOrString: a 32-bit number or a string (a port's name, a percentage).
struct IntOrString {
  bool is_string = false;
  int32_t number = 0;
  std::string text;

  IntOrString() = default;
  IntOrString(int32_t value) : number(value) {}  // NOLINT: converts like the Go helpers
  IntOrString(std::string value) : is_string(true), text(std::move(value)) {}
  IntOrString(const char* value) : is_string(true), text(value) {}

  /// "80" or "http".
  std::string to_string() const { return is_string ? text : std::to_string(number); }
  friend bool operator==(const IntOrString&, const IntOrString&) = default;
};

enum class Rounding { kUp, kDown };
/// A number as it is, or the percentage `"25%"` of `total`, rounded (intstr.GetScaledValueFromIntOrPercent).
/// Fails for a string that is no percentage.
Result<int32_t> scaled_value(const IntOrString& value, int32_t total, Rounding rounding);

/// An optional that keeps its value on the heap, so that rare members cost a pointer and types may nest.
/// Copies are deep. Used like std::optional.
template <class T>
class Boxed {
 public:
  Boxed() = default;
  Boxed(std::nullopt_t) {}                                             // NOLINT: as std::optional
  Boxed(const T& value) : value_(std::make_unique<T>(value)) {}        // NOLINT
  Boxed(T&& value) : value_(std::make_unique<T>(std::move(value))) {}  // NOLINT
  Boxed(const Boxed& other) : value_(other ? std::make_unique<T>(*other) : nullptr) {}
  Boxed(Boxed&&) noexcept = default;
  Boxed& operator=(const Boxed& other) {
    if (this != &other) value_ = other ? std::make_unique<T>(*other) : nullptr;
    return *this;
  }
  Boxed& operator=(Boxed&&) noexcept = default;
  ~Boxed() = default;

  bool has_value() const { return value_ != nullptr; }
  explicit operator bool() const { return has_value(); }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return value_.get(); }
  const T* operator->() const { return value_.get(); }
  T& value() { return *value_; }
  const T& value() const { return *value_; }
  /// The value or a default one.
  T value_or(T fallback) const { return value_ ? *value_ : std::move(fallback); }
  /// A new default value in place of what was there.
  T& emplace() { return *(value_ = std::make_unique<T>()); }
  /// The value, made if there was none.
  T& get_or_emplace() { return value_ ? *value_ : emplace(); }
  void reset() { value_.reset(); }

  friend bool operator==(const Boxed& a, const Boxed& b) {
    return a.has_value() == b.has_value() && (!a.has_value() || *a == *b);
  }

 private:
  std::unique_ptr<T> value_;
};

/// Reaches into std::optional<T> or Boxed<T>.
struct OptionalOps {
  void* (*emplace)(void* member);
  const void* (*get)(const void* member);  // null when unset
};

/// Reaches into std::vector<T>.
struct ListOps {
  void (*resize)(void* list, size_t size);
  size_t (*size)(const void* list);
  const void* (*at)(const void* list, size_t index);
};

/// Reaches into std::map<std::string, T>.
struct MapOps {
  void (*clear)(void* map);
  void* (*insert)(void* map, std::string key);
  size_t (*size)(const void* map);
  /// Calls `visit` per entry in key order.
  void (*each)(const void* map, void* context,
               void (*visit)(void* context, const std::string& key, const void* value));
};

template <class Optional>
inline constexpr OptionalOps kOptionalOps = {
    [](void* member) -> void* { return &static_cast<Optional*>(member)->emplace(); },
    [](const void* member) -> const void* {
      const auto& optional = *static_cast<const Optional*>(member);
      return optional.has_value() ? &*optional : nullptr;
    }};

template <class T>
inline constexpr ListOps kListOps = {
    [](void* list, size_t size) { static_cast<std::vector<T>*>(list)->resize(size); },
    [](const void* list) { return static_cast<const std::vector<T>*>(list)->size(); },
    [](const void* list, size_t index) -> const void* {
      return &(*static_cast<const std::vector<T>*>(list))[index];
    }};

template <class T>
inline constexpr MapOps kMapOps = {
    [](void* map) { static_cast<std::map<std::string, T>*>(map)->clear(); },
    [](void* map, std::string key) -> void* {
      return &(*static_cast<std::map<std::string, T>*>(map))[std::move(key)];
    },
    [](const void* map) { return static_cast<const std::map<std::string, T>*>(map)->size(); },
    [](const void* map, void* context, void (*visit)(void*, const std::string&, const void*)) {
      for (const auto& [key, value] : *static_cast<const std::map<std::string, T>*>(map))
        visit(context, key, &value);
    }};

}  // namespace cloudless::schema

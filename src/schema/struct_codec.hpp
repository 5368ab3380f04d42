// Generated structs from and to JSON, by the offsets of their schema.
//
// `decode<core::v1::Pod>(json)` takes what any API server sends: unknown fields are skipped, null is unset.
// `encode` writes fields in Go's order with Go's omitempty rules, and kind and apiVersion first for kinds.
#pragma once

#include <boost/json/value.hpp>
#include <concepts>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "schema/schema.hpp"

namespace cloudless::schema {

/// A struct generated from /api.
template <class T>
concept Described = requires {
  { T::describe() } -> std::same_as<const Schema&>;
};

/// Fills `out`, an object of the struct that `schema` describes. Fails with kInvalid and Go's words.
Result<> decode_struct(std::string_view json, const Schema& schema, void* out);
Result<> struct_from_value(const boost::json::value& json, const Schema& schema, void* out);
/// Appends to `out`.
void encode_struct(const Schema& schema, const void* object, std::string& out);
boost::json::value struct_to_value(const Schema& schema, const void* object);

template <Described T>
Result<T> decode(std::string_view json) {
  T out;
  TRY(decode_struct(json, T::describe(), &out));
  return out;
}

template <Described T>
std::string encode(const T& object) {
  std::string out;
  encode_struct(T::describe(), &object, out);
  return out;
}

/// From a dynamic object.
template <Described T>
Result<T> from_value(const boost::json::value& json) {
  T out;
  TRY(struct_from_value(json, T::describe(), &out));
  return out;
}

/// To a dynamic object. (A parameter for the type keeps boost::json::value incomplete here.)
template <Described T, class Value = boost::json::value>
Value to_value(const T& object) {
  return struct_to_value(T::describe(), &object);
}

}  // namespace cloudless::schema

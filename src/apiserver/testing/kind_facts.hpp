// What a test must know of single kinds to bring every field of theirs through the server: members that
// belong together, what the server decides itself, and what no request can set, each with upstream's reason.
//
// Paths are those of field_paths.hpp; "*" in a pattern stands for any text.
#pragma once

#include <boost/json.hpp>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cloudless::apiserver::testing {

/// A patch that turns an object with every field set into one whose members fit together. Turns that differ
/// bring members that exclude each other. As a JSON merge patch (RFC 7386), but "=name" puts its value in the
/// member's place and "+name" adds its items to the member's.
boost::json::object variant_of(std::string_view resource, int turn);
void merge_into(boost::json::object& object, const boost::json::object& patch);

/// Removes what the server decides itself, whoever writes the object and whatever he says.
void erase_decided(std::string_view resource, boost::json::object& object);

/// Whether the server itself writes to objects of the resource while others do.
bool has_other_writers(std::string_view resource);

/// A field that stays unset, and why.
struct Unset {
  std::string_view resource;  // "*": all
  std::string_view path;      // a pattern
  std::string_view reason;
};
std::span<const Unset> unset_fields();
bool matches(const Unset& unset, std::string_view resource, std::string_view path);

}  // namespace cloudless::apiserver::testing

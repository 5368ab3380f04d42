// FieldSet: a set of places in an object, as FieldsV1 writes it.
//
// A tree whose edges are path elements in their written form: "f:spec", `k:{"name":"a"}`, `v:"x"`, "i:0". A
// node that is a member stands for the place itself; written as "." when it has children too.
#pragma once

#include <boost/json/fwd.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "schema/schema.hpp"

namespace cloudless::schema {

struct FieldSet {
  bool member = false;
  std::map<std::string, FieldSet, std::less<>> children;

  bool empty() const { return !member && children.empty(); }
  /// The node below, or null.
  const FieldSet* find(std::string_view element) const;
  /// Inserts the place that the elements lead to.
  void insert(const std::vector<std::string>& path);
  void merge(const FieldSet& other);
  /// Removes the members of `other`.
  void subtract(const FieldSet& other);
  FieldSet intersection(const FieldSet& other) const;
  /// Members as text: ".spec.containers[name=\"a\"].image".
  std::vector<std::string> paths() const;
  friend bool operator==(const FieldSet&, const FieldSet&) = default;
};

Result<FieldSet> parse_field_set(const boost::json::value& fields_v1);
boost::json::value to_fields_v1(const FieldSet& set);

/// The element of an item of a list of type map or set.
std::string list_element(const boost::json::value& item, const Schema& list);
/// How server-side apply sees a value: granular ones are walked into, all others are owned as a whole.
enum class Granularity { kLeaf, kStruct, kMap, kListMap, kListSet };
Granularity granularity(const boost::json::value& value, const Schema& schema, const Field* field);

/// A member of a granular object: its schema and field (null below maps and in undescribed objects).
struct MemberType {
  const Schema* schema;
  const Field* field;
};
MemberType member_type(const Schema& schema, std::string_view name);

/// The fields that an applied configuration sets.
FieldSet fields_of(const boost::json::value& object, const Schema& schema);

struct Comparison {
  FieldSet added, modified, removed;
};
/// What changed from `old_object` to `new_object`.
Comparison compare_fields(const boost::json::value& old_object, const boost::json::value& new_object,
                          const Schema& schema);

/// `live` with everything that `config` sets.
boost::json::value merge_applied(const boost::json::value& live, const boost::json::value& config,
                                 const Schema& schema);
/// `object` without the members of `gone`.
boost::json::value remove_fields(const boost::json::value& object, const FieldSet& gone,
                                 const Schema& schema);

}  // namespace cloudless::schema

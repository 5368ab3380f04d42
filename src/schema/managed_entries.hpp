// The entries of metadata.managedFields: one manager, how and in which version it wrote, and what it owns.
#pragma once

#include <boost/json/fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "schema/field_set.hpp"

namespace cloudless::schema {

struct ManagedEntry {
  std::string manager;
  bool applied = false;
  std::string api_version;
  std::string subresource;
  std::string time;
  FieldSet fields;

  /// Appliers are the same across versions, updaters are not.
  bool same_manager(const ManagedEntry& other) const;
  /// `"helm" using apps/v1`, as conflicts name it.
  std::string shown() const;
};

/// metadata.managedFields, or null.
const boost::json::array* managed_fields_of(const boost::json::value& object);
/// Nothing where one of them cannot be read: a damaged list counts for nothing, as upstream.
std::optional<std::vector<ManagedEntry>> read_entries(const boost::json::array& list);
/// Of an object; none where there are none or they cannot be read.
std::vector<ManagedEntry> entries_of(const boost::json::value& object);
/// Writes them in upstream's order. Entries that own nothing go, and the oldest of too many updaters are
/// folded into one. The member goes where nothing is left.
void write_entries(boost::json::value& object, std::vector<ManagedEntry> entries, const Schema& schema);

}  // namespace cloudless::schema

// Tables: objects as rows of the columns that kubectl shows (meta.k8s.io Table). Each kind has a list of
// columns, each column a small function from the object to a cell.
#pragma once

#include <boost/json/fwd.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "apiserver/request/call.hpp"
#include "base/clock.hpp"

namespace cloudless::apiserver {

struct Column {
  std::string name;
  std::string type = "string";
  std::string format;
  std::string description;
  int priority = 0;  // above 0: only with -o wide
};

/// Cells of one object in the order of the columns.
using RowFunction = boost::json::array (*)(const boost::json::object& object, WallTime now);

/// The Table of `objects` in the representation of the call. What a row carries of its object is the query's
/// includeObject: Metadata (the default), Object, None.
boost::json::object make_table(const Call& call, std::vector<boost::json::object> objects,
                               boost::json::object metadata, TableHead head);
/// The same of one Scale.
boost::json::object make_scale_table(const Call& call, boost::json::object scale);

/// Indented by two blanks and with a line end, as upstream indents for people.
std::string pretty_json(const boost::json::value& value);

/// How long ago, as kubectl says it: "5d3h", "7m", "12s"; "<invalid>" for the future, "<unknown>" for no
/// time.
std::string human_age(std::string_view timestamp, WallTime now);

}  // namespace cloudless::apiserver

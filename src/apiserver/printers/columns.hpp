// The columns of each kind. Built-in kinds have theirs in kinds_*.cpp as upstream's printers have them
// (kubernetes/pkg/printers/internalversion/printers.go); custom resources name them in their definition.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "apiserver/json_fields.hpp"
#include "apiserver/printers/table.hpp"

namespace cloudless::apiserver {

struct Printer {
  std::vector<Column> columns;
  std::function<json::array(const json::object& object, WallTime now)> row;
};
using PrinterPtr = std::shared_ptr<const Printer>;

/// The printer of a resource; Name and Age where it has none of its own.
PrinterPtr printer_of(const ResourceType& type, const Representation& representation);
/// Of the Scale of any resource.
PrinterPtr scale_printer();

/// A built-in kind's columns. A "*" behind a name: only with -o wide; types are strings but for those of
/// kNumbers.
struct BuiltinPrinter {
  std::string_view group;
  std::string_view resource;
  std::string_view columns;  // "Name,Ready,Age,IP*"
  RowFunction row;
};
std::span<const BuiltinPrinter> workload_printers();
std::span<const BuiltinPrinter> network_printers();
std::span<const BuiltinPrinter> config_printers();
std::span<const BuiltinPrinter> cluster_printers();

// Cells that many kinds have.
json::value text_cell(std::string_view text, std::string_view if_empty = "<none>");
json::value age_cell(const json::object& object, WallTime now);
/// "a=1,b=2" of a map of labels, or "<none>".
std::string format_labels(const json::object* labels);
/// Of a metav1.LabelSelector.
std::string format_selector(const json::object* selector);
/// Names and images of a pod template's containers, joined by commas.
std::string container_names(const json::array& containers);
std::string container_images(const json::array& containers);

}  // namespace cloudless::apiserver

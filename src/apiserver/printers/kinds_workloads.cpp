// Columns of what runs: pods and the controllers that make them.
#include "apiserver/printers/columns.hpp"

namespace cloudless::apiserver {

std::span<const BuiltinPrinter> workload_printers() { return {}; }
std::span<const BuiltinPrinter> network_printers() { return {}; }
std::span<const BuiltinPrinter> config_printers() { return {}; }
std::span<const BuiltinPrinter> cluster_printers() { return {}; }

}  // namespace cloudless::apiserver

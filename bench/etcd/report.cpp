#include "report.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace cloudless::bench {
namespace {

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace

void Report::add(Peer peer, const std::string& name, double value) {
  auto row = std::ranges::find(rows_, name, &Row::name);
  if (row == rows_.end()) row = rows_.insert(row, Row{.name = name, .values = {}});
  row->values[peer].push_back(value);
}

void Report::print() const {
  fmt::print("{:<42} {:>11} {:>11} {:>8} {:>16}\n", "", "etcd", "cloudless", "ratio", "of all rounds");
  for (const Row& row : rows_) {
    std::vector<double> ratios;
    const auto& [theirs, ours] = row.values;
    for (size_t i = 0; i < std::min(theirs.size(), ours.size()); ++i) {
      if (theirs[i] != 0) ratios.push_back(ours[i] / theirs[i]);
    }
    fmt::print("{:<42} {:>11.2f} {:>11.2f}", row.name, median(theirs), median(ours));
    if (!ratios.empty()) {
      const auto [lowest, highest] = std::ranges::minmax(ratios);
      fmt::print(" {:>7.2f}x {:>7.2f} to {:.2f}", median(ratios), lowest, highest);
    }
    fmt::print("\n");
  }
}

}  // namespace cloudless::bench

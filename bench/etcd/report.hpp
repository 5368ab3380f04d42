// Report: what was measured of two peers, in turns and several times over, as a table with ratios.
#pragma once

#include <string>
#include <vector>

namespace cloudless::bench {

/// The peers, in the order of the table's columns.
enum Peer : int { kTheirs = 0, kOurs = 1 };

class Report {
 public:
  void add(Peer peer, const std::string& row, double value);
  /// A row's values are the medians of all rounds; its ratio is that of ours to theirs in one round, the
  /// median of all, with the lowest and highest behind it.
  void print() const;

 private:
  struct Row {
    std::string name;
    std::vector<double> values[2];  // one a round
  };
  std::vector<Row> rows_;
};

}  // namespace cloudless::bench

// RuleTable: what one nf_tables table of ours should hold, by owner, and the script that brings the kernel
// there. Pure.
//
// Each owner (a Service) contributes a Fragment: elements of shared maps, and chains and sets. Contributions
// are counted: a chain that several owners need is made for the first and removed after the last. Where two
// owners claim one key of a map, the one whose name sorts first has it, and the other gets it afterwards.
//
// Invariant: applying full_script(), then each script in the order that replace() returned it, leaves the
// kernel with exactly this table. A script that was not applied must be followed by a new full_script().
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace cloudless::network {

struct Fragment {
  /// map or set -> key -> value (empty for sets)
  std::map<std::string, std::map<std::string, std::string>> elements;
  /// chain -> its rules
  std::map<std::string, std::vector<std::string>> chains;
  /// set -> its declaration, the text between the braces
  std::map<std::string, std::string> sets;

  friend bool operator==(const Fragment&, const Fragment&) = default;
};

class RuleTable {
 public:
  /// `family`: "ip", "ip6" or "inet". `base`: the declarations that are always there, one line each, written
  /// for the inside of `table ... { }`.
  RuleTable(std::string family, std::string name, std::string base);

  /// Changes what `owner` contributes and returns the commands for it; empty where nothing changes. An empty
  /// fragment removes the owner.
  std::string replace(const std::string& owner, Fragment fragment);
  /// The commands that make the whole table anew in one transaction, whatever is there.
  std::string full_script() const;
  /// The commands that remove the table; no error where it is absent.
  std::string removal_script() const;

  const Fragment& fragment_of(const std::string& owner) const;

 private:
  struct Shared {
    std::set<std::string> owners;
    std::vector<std::string> text;
  };
  using Claims = std::map<std::string, std::string>;  // owner -> value
  struct Delta;

  void retract(const std::string& owner, const Fragment& old, Delta& delta);
  void contribute(const std::string& owner, const Fragment& fragment, Delta& delta);
  std::string render(const Delta& delta) const;
  std::string address(std::string_view object) const;

  const std::string family_;
  const std::string name_;
  const std::string base_;
  std::map<std::string, Fragment> fragments_;
  std::map<std::string, std::map<std::string, Claims>> elements_;
  std::map<std::string, Shared> chains_;
  std::map<std::string, Shared> sets_;
};

}  // namespace cloudless::network

// FlagSet: flags as the Kubernetes programs take them (spf13/pflag): "--name=value" or "--name value",
// "--name" alone for a truth, lists by commas or by repetition, and an error in pflag's words for what is not
// known. A program that takes another's place also accepts the flags that have no meaning here; which of them
// a line names is told, so that nobody wonders.
//
// Parsing touches nothing but the variables that the flags were bound to.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace cloudless::cli {

class FlagSet {
 public:
  // Each binds a variable, which keeps its value where the flag is not given and outlives parse().
  void text(std::string_view name, std::string& value, std::string_view usage);
  /// "a,b" adds both; the first use replaces the default.
  void list(std::string_view name, std::vector<std::string>& value, std::string_view usage);
  /// Repeated, not split at commas.
  void repeated(std::string_view name, std::vector<std::string>& value, std::string_view usage);
  void truth(std::string_view name, bool& value, std::string_view usage);
  void number(std::string_view name, int64_t& value, std::string_view usage);
  void port(std::string_view name, uint16_t& value, std::string_view usage);
  /// Go's duration text: "5m0s".
  void duration(std::string_view name, Duration& value, std::string_view usage);

  enum class Takes { kValue, kTruth };
  /// Flags that are accepted and do nothing.
  void without_effect(Takes takes, std::initializer_list<std::string_view> names);
  /// Flags that change what a user relies on and that this program cannot do: giving one is an error.
  void refused(std::initializer_list<std::string_view> names, std::string_view why);

  /// kInvalid with pflag's words.
  Result<> parse(std::span<const std::string> arguments);
  /// Whether the line named it. After parse().
  bool given(std::string_view name) const;
  /// The names that were given without effect, in order.
  const std::vector<std::string>& ineffective() const { return ineffective_; }
  /// "--name type   usage", one a line, by name; without those that have no effect.
  std::string help() const;

 private:
  struct Flag {
    std::string type;   // as help shows it; empty for a truth
    std::string usage;  // empty: not shown
    bool is_truth = false;
    bool effective = true;
    bool given = false;
    std::function<Result<>(const std::string&)> set;
  };
  Flag& add(std::string_view name, std::string_view type, std::string_view usage,
            std::function<Result<>(const std::string&)> set);
  Result<> take(std::span<const std::string> arguments, size_t& at);

  std::map<std::string, Flag, std::less<>> flags_;
  std::vector<std::string> ineffective_;
};

}  // namespace cloudless::cli

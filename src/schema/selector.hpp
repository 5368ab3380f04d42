// Label and field selectors: upstream's syntax, errors and matching (k8s.io/apimachinery labels and fields).
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace cloudless::schema {

using Labels = std::map<std::string, std::string>;

enum class SelectorOperator {
  kIn,
  kNotIn,
  kEquals,
  kDoubleEquals,
  kNotEquals,
  kExists,
  kDoesNotExist,
  kGreaterThan,
  kLessThan
};

struct Requirement {
  std::string key;
  SelectorOperator op = SelectorOperator::kEquals;
  std::vector<std::string> values;  // sorted

  bool matches(const std::function<std::optional<std::string_view>(std::string_view key)>& value_of) const;
  friend bool operator==(const Requirement&, const Requirement&) = default;
};

/// All requirements hold. Without requirements everything matches, unless it is `nothing()`.
class LabelSelector {
 public:
  LabelSelector() = default;
  explicit LabelSelector(std::vector<Requirement> requirements);
  static LabelSelector nothing();

  /// `app=web,tier in (front,back),!legacy,size>3`; empty text matches everything. Fails with upstream's
  /// words: "unable to parse requirement: found '...', expected: ...".
  static Result<LabelSelector> parse(std::string_view text);
  /// From a metav1.LabelSelector object ({"matchLabels", "matchExpressions"}); null matches nothing, {}
  /// everything.
  static Result<LabelSelector> from_value(const boost::json::value& value);
  /// Equality with every pair.
  static LabelSelector from_map(const Labels& labels);

  bool matches(const Labels& labels) const;
  /// On the labels of a dynamic object; null or missing labels count as none.
  bool matches(const boost::json::value* labels) const;
  bool empty() const { return !nothing_ && requirements_.empty(); }
  const std::vector<Requirement>& requirements() const { return requirements_; }
  /// Canonical text: sorted by key.
  std::string to_string() const;
  friend bool operator==(const LabelSelector&, const LabelSelector&) = default;

 private:
  std::vector<Requirement> requirements_;
  bool nothing_ = false;
};

/// From a generated metav1.LabelSelector; any struct with matchLabels and matchExpressions.
template <class MetaSelector>
Result<LabelSelector> label_selector(const MetaSelector& selector);

/// `metadata.name=web,status.phase!=Running`: equality only, joined by commas; \\, \, and \= escape.
class FieldSelector {
 public:
  struct Term {
    std::string field;
    bool equals = true;
    std::string value;
    friend bool operator==(const Term&, const Term&) = default;
  };

  FieldSelector() = default;
  explicit FieldSelector(std::vector<Term> terms) : terms_(std::move(terms)) {}
  /// Fails with upstream's words: `invalid selector: 'x'; can't understand 'x'`.
  static Result<FieldSelector> parse(std::string_view text);

  /// `value_of` gives the value of a field; a missing field counts as the empty string.
  bool matches(const std::function<std::string(std::string_view field)>& value_of) const;
  bool empty() const { return terms_.empty(); }
  const std::vector<Term>& terms() const { return terms_; }
  /// The value the field must equal, when a term says so.
  std::optional<std::string> required_value(std::string_view field) const;
  std::string to_string() const;

 private:
  std::vector<Term> terms_;
};

/// A term per requirement with the operator's text ("In", "NotIn", "Exists", "DoesNotExist"); fails as
/// upstream's LabelSelectorAsSelector: `"x" is not a valid label selector operator`.
Result<Requirement> make_requirement(std::string key, std::string_view op, std::vector<std::string> values);

template <class MetaSelector>
Result<LabelSelector> label_selector(const MetaSelector& selector) {
  std::vector<Requirement> requirements;
  for (const auto& [key, value] : selector.matchLabels) {
    requirements.push_back({key, SelectorOperator::kEquals, {value}});
  }
  for (const auto& expression : selector.matchExpressions) {
    requirements.push_back(TRY(make_requirement(expression.key, expression.operator_, expression.values)));
  }
  return LabelSelector(std::move(requirements));
}

}  // namespace cloudless::schema

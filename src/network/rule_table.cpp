#include "network/rule_table.hpp"

#include <fmt/format.h>

#include <iterator>
#include <optional>
#include <utility>

namespace cloudless::network {

namespace {

/// nft reads a line at a time; a full sync's elements are spread over lines of this many.
constexpr size_t kElementsPerLine = 500;

std::string element_text(const std::string& key, const std::string& value) {
  return value.empty() ? key : key + " : " + value;
}

class ElementLines {
 public:
  ElementLines(std::string& script, std::string head) : script_(script), head_(std::move(head)) {}
  ~ElementLines() { flush(); }
  void add(const std::string& element) {
    line_ += line_.empty() ? element : ", " + element;
    if (++count_ == kElementsPerLine) flush();
  }

 private:
  void flush() {
    if (!line_.empty()) script_ += fmt::format("{} {{ {} }}\n", head_, line_);
    line_.clear();
    count_ = 0;
  }
  std::string& script_;
  const std::string head_;
  std::string line_;
  size_t count_ = 0;
};

}  // namespace

// What was there before a change, of everything that the change touches.
struct RuleTable::Delta {
  std::map<std::string, std::map<std::string, std::optional<std::string>>> elements;
  std::map<std::string, std::optional<std::vector<std::string>>> chains;
  std::map<std::string, bool> sets;
};

RuleTable::RuleTable(std::string family, std::string name, std::string base)
    : family_(std::move(family)), name_(std::move(name)), base_(std::move(base)) {}

std::string RuleTable::address(std::string_view object) const {
  return fmt::format("{} {} {}", family_, name_, object);
}

const Fragment& RuleTable::fragment_of(const std::string& owner) const {
  static const Fragment none;
  const auto found = fragments_.find(owner);
  return found == fragments_.end() ? none : found->second;
}

void RuleTable::retract(const std::string& owner, const Fragment& old, Delta& delta) {
  for (const auto& [set, entries] : old.elements) {
    auto& keys = elements_[set];
    for (const auto& [key, value] : entries) {
      const auto found = keys.find(key);
      delta.elements[set].try_emplace(key, found->second.begin()->second);
      found->second.erase(owner);
      if (found->second.empty()) keys.erase(found);
    }
  }
  for (const auto& [chain, rules] : old.chains) {
    const auto found = chains_.find(chain);
    delta.chains.try_emplace(chain, found->second.text);
    found->second.owners.erase(owner);
    if (found->second.owners.empty()) chains_.erase(found);
  }
  for (const auto& [set, declaration] : old.sets) {
    const auto found = sets_.find(set);
    delta.sets.try_emplace(set, true);
    found->second.owners.erase(owner);
    if (found->second.owners.empty()) sets_.erase(found);
  }
}

void RuleTable::contribute(const std::string& owner, const Fragment& fragment, Delta& delta) {
  for (const auto& [set, entries] : fragment.elements) {
    for (const auto& [key, value] : entries) {
      Claims& claims = elements_[set][key];
      delta.elements[set].try_emplace(key,
                                      claims.empty() ? std::nullopt : std::optional(claims.begin()->second));
      claims[owner] = value;
    }
  }
  for (const auto& [chain, rules] : fragment.chains) {
    auto [found, is_new] = chains_.try_emplace(chain);
    delta.chains.try_emplace(chain, is_new ? std::nullopt : std::optional(found->second.text));
    found->second.owners.insert(owner);
    found->second.text = rules;
  }
  for (const auto& [set, declaration] : fragment.sets) {
    auto [found, is_new] = sets_.try_emplace(set);
    delta.sets.try_emplace(set, !is_new);
    found->second.owners.insert(owner);
    found->second.text = {declaration};
  }
}

std::string RuleTable::replace(const std::string& owner, Fragment fragment) {
  const auto old = fragments_.find(owner);
  if (old != fragments_.end() ? old->second == fragment : fragment == Fragment()) return {};
  Delta delta;
  if (old != fragments_.end()) {
    retract(owner, old->second, delta);
    fragments_.erase(old);
  }
  contribute(owner, fragment, delta);
  if (!(fragment == Fragment())) fragments_.emplace(owner, std::move(fragment));
  return render(delta);
}

// Sets before the chains that look into them, chains before the elements that go to them; removal the other
// way round, in the same transaction.
std::string RuleTable::render(const Delta& delta) const {
  std::string script, removal;
  for (const auto& [set, existed] : delta.sets) {
    const auto now = sets_.find(set);
    if (now != sets_.end() && !existed)
      script += fmt::format("add set {} {{ {} }}\n", address(set), now->second.text.front());
    if (now == sets_.end() && existed) removal += fmt::format("delete set {}\n", address(set));
  }
  std::string bodies, chain_removal;
  for (const auto& [chain, before] : delta.chains) {
    const auto now = chains_.find(chain);
    if (now == chains_.end()) {
      if (!before) continue;
      script += fmt::format("flush chain {}\n", address(chain));
      chain_removal += fmt::format("delete chain {}\n", address(chain));
      continue;
    }
    if (before == now->second.text) continue;
    if (!before) script += fmt::format("add chain {}\n", address(chain));
    if (before) bodies += fmt::format("flush chain {}\n", address(chain));
    for (const std::string& rule : now->second.text)
      bodies += fmt::format("add rule {} {}\n", address(chain), rule);
  }
  script += bodies;
  for (const auto& [set, keys] : delta.elements) {
    const auto& present = elements_.at(set);
    std::string added;
    {
      ElementLines removed_lines(script, "delete element " + address(set));
      ElementLines added_lines(added, "add element " + address(set));
      for (const auto& [key, before] : keys) {
        const auto now = present.find(key);
        const std::string* value = now == present.end() ? nullptr : &now->second.begin()->second;
        if (before && (!value || *value != *before)) removed_lines.add(key);
        if (value && (!before || *value != *before)) added_lines.add(element_text(key, *value));
      }
    }
    script += added;
  }
  return script + chain_removal + removal;
}

std::string RuleTable::full_script() const {
  std::string script = removal_script();
  script += fmt::format("table {} {} {{\n{}", family_, name_, base_);
  for (const auto& [set, shared] : sets_)
    script += fmt::format("set {} {{ {} }}\n", set, shared.text.front());
  for (const auto& [chain, shared] : chains_) script += fmt::format("chain {} {{\n}}\n", chain);
  script += "}\n";
  for (const auto& [chain, shared] : chains_) {
    for (const std::string& rule : shared.text)
      script += fmt::format("add rule {} {}\n", address(chain), rule);
  }
  for (const auto& [set, keys] : elements_) {
    ElementLines lines(script, "add element " + address(set));
    for (const auto& [key, claims] : keys) lines.add(element_text(key, claims.begin()->second));
  }
  return script;
}

std::string RuleTable::removal_script() const {
  return fmt::format("add table {0} {1}\ndelete table {0} {1}\n", family_, name_);
}

}  // namespace cloudless::network

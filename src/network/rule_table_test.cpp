#include "network/rule_table.hpp"

#include <gtest/gtest.h>

namespace cloudless::network {
namespace {

Fragment element(const std::string& key, const std::string& value) {
  Fragment fragment;
  fragment.elements["vips"][key] = value;
  return fragment;
}

Fragment with_chain(const std::string& key) {
  Fragment fragment = element(key, "goto pick-2");
  fragment.chains["pick-2"] = {"dnat to 192.0.2.1"};
  return fragment;
}

TEST(RuleTable, AnUnchangedOwnerGivesNoCommands) {
  RuleTable table("ip", "t", "");
  EXPECT_NE(table.replace("a", element("k", "v")), "");
  EXPECT_EQ(table.replace("a", element("k", "v")), "");
  EXPECT_EQ(table.replace("nobody", {}), "");
}

TEST(RuleTable, AChangedValueIsRemovedBeforeItIsAdded) {
  RuleTable table("ip", "t", "");
  table.replace("a", element("k", "old"));
  EXPECT_EQ(table.replace("a", element("k", "new")),
            "delete element ip t vips { k }\nadd element ip t vips { k : new }\n");
}

TEST(RuleTable, AChainStaysUntilItsLastOwnerGoes) {
  RuleTable table("ip", "t", "");
  EXPECT_EQ(table.replace("a", with_chain("k1")),
            "add chain ip t pick-2\nadd rule ip t pick-2 dnat to 192.0.2.1\n"
            "add element ip t vips { k1 : goto pick-2 }\n");
  EXPECT_EQ(table.replace("b", with_chain("k2")), "add element ip t vips { k2 : goto pick-2 }\n");
  EXPECT_EQ(table.replace("a", {}), "delete element ip t vips { k1 }\n");
  EXPECT_EQ(table.replace("b", {}),
            "flush chain ip t pick-2\ndelete element ip t vips { k2 }\ndelete chain ip t pick-2\n");
}

TEST(RuleTable, TheFirstNameOwnsAKeyThatTwoClaimAndTheOtherInheritsIt) {
  RuleTable table("ip", "t", "");
  table.replace("b", element("k", "of-b"));
  EXPECT_EQ(table.replace("a", element("k", "of-a")),
            "delete element ip t vips { k }\nadd element ip t vips { k : of-a }\n");
  EXPECT_EQ(table.replace("c", element("k", "of-c")), "");
  EXPECT_EQ(table.replace("a", {}), "delete element ip t vips { k }\nadd element ip t vips { k : of-b }\n");
}

TEST(RuleTable, AFullScriptReplacesWhateverIsThere) {
  RuleTable table("ip", "t", "set hairpin { type ipv4_addr; }\n");
  table.replace("a", with_chain("k1"));
  EXPECT_EQ(table.full_script(),
            "add table ip t\ndelete table ip t\n"
            "table ip t {\nset hairpin { type ipv4_addr; }\nchain pick-2 {\n}\n}\n"
            "add rule ip t pick-2 dnat to 192.0.2.1\n"
            "add element ip t vips { k1 : goto pick-2 }\n");
}

}  // namespace
}  // namespace cloudless::network

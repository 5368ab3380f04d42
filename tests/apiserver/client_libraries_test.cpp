// Client libraries of other languages: client_node.mjs and client_python.py say what they do.
#include "apiserver/cluster.hpp"

namespace cloudless::testing {
namespace {

TEST(ClientLibraries, JavaScriptWorksUnchanged) {
  const Cluster cluster;
  const CommandResult result = cluster.shell("node " CLOUDLESS_TEST_SCRIPTS "/client_node.mjs");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output, "ok\n");
}

TEST(ClientLibraries, PythonWorksUnchanged) {
  const Cluster cluster;
  const CommandResult result =
      cluster.shell("/usr/bin/python3 -W ignore " CLOUDLESS_TEST_SCRIPTS "/client_python.py");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output, "ok\n");
}

}  // namespace
}  // namespace cloudless::testing

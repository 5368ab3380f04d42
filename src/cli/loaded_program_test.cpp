#include "cli/loaded_program.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.hpp"
#include "bootstrap/testing.hpp"
#include "cli/files.hpp"

namespace cloudless::cli {
namespace {

int run(const std::string& path) {
  const pid_t child = fork();
  if (child == 0) {
    execl(path.c_str(), path.c_str(), "--gtest_list_tests", nullptr);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// This very test program, with its libraries' names, relocations and thread-local data.
TEST(LoadedPart, OfAProgramIsSmallerAndRuns) {
  const bootstrap::testing::TemporaryFolder folder;
  const std::string whole = read_archive("/proc/self/exe").value();
  const std::string part = loaded_part(whole);
  EXPECT_LT(part.size(), whole.size());
  const std::string path = folder.file("program");
  ASSERT_TRUE(write_file(path, part, 0755));
  EXPECT_EQ(run(path), 0);
}

TEST(LoadedPart, LeavesWhatIsNoProgramAlone) {
  for (const std::string text : {"", "#!/bin/sh\n", "\177ELF"}) EXPECT_EQ(loaded_part(text), text);
  std::string cut = read_archive("/proc/self/exe").value().substr(0, 100);
  EXPECT_EQ(loaded_part(cut), cut);
}

}  // namespace
}  // namespace cloudless::cli

#include "store/libpq.hpp"

#include <gmock/gmock.h>

namespace cloudless::store {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(LibpqLoading, WhereTheLibraryIsMissingTheErrorSaysWhatToInstall) {
  const auto opened = open_libpq("libpq-of-nobody.so.5");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kNotFound);
  EXPECT_THAT(opened.error().message,
              AllOf(HasSubstr("libpq-of-nobody.so.5"), HasSubstr("install the package libpq5")));
}

TEST(LibpqLoading, AnotherLibraryIsNotTakenForIt) {
  const auto opened = open_libpq("libc.so.6");
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("libc.so.6 has no PQ"));
}

TEST(LibpqLoading, TheInstalledOneIsLoadedOnce) {
  ASSERT_TRUE(load_libpq()) << load_libpq().error().message;
  const Libpq* const first = &libpq();
  ASSERT_TRUE(load_libpq());
  EXPECT_EQ(&libpq(), first);
}

}  // namespace
}  // namespace cloudless::store

#include "apiserver/status.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace cloudless::apiserver {
namespace {

TEST(ApiStatus, MessagesAreUpstreams) {
  EXPECT_EQ(not_found({"", "pods"}, "x").message, "pods \"x\" not found");
  EXPECT_EQ(already_exists({"apps", "deployments"}, "x").message, "deployments.apps \"x\" already exists");
  EXPECT_EQ(modified_conflict({"", "pods"}, "x").message,
            "Operation cannot be fulfilled on pods \"x\": the object has been modified; please apply your "
            "changes to "
            "the latest version and try again");
  EXPECT_EQ(forbidden({"", "pods"}, "", "no").message, "pods is forbidden: no");
  EXPECT_EQ(forbidden({"", "pods"}, "x", "no").message, "pods \"x\" is forbidden: no");
  EXPECT_EQ(forbidden({}, "", "no").message, "forbidden: no");
}

TEST(ApiStatus, SeveralCausesStandInBracketsOnce) {
  EXPECT_EQ(
      invalid("apps", "Deployment", "x", {{"FieldValueRequired", "Required value", "spec.selector"}}).message,
      "Deployment.apps \"x\" is invalid: spec.selector: Required value");
  EXPECT_EQ(invalid("", "Pod", "x", {{"r", "a", "f"}, {"r", "b", "g"}, {"r", "a", "f"}}).message,
            "Pod \"x\" is invalid: [f: a, g: b]");
}

TEST(ApiStatus, IsWrittenWithItsFieldsInGosOrder) {
  EXPECT_EQ(
      encode(not_found({"apps", "deployments"}, "x")),
      R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"deployments.apps \"x\" )"
      R"(not found","reason":"NotFound","details":{"name":"x","group":"apps","kind":"deployments"},"code":404})"
      "\n");
}

TEST(ApiStatus, AnErrorFromBelowKeepsItsMeaning) {
  EXPECT_EQ(ApiStatus(Error{Code::kCompacted, "gone"}).code, 410);
  EXPECT_EQ(ApiStatus(Error{Code::kUnavailable, "down"}).code, 503);
  EXPECT_EQ(ApiStatus(Error{Code::kInternal, "bug"}).message, "Internal error occurred: bug");
}

}  // namespace
}  // namespace cloudless::apiserver

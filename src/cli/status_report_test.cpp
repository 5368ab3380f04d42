#include "cli/status_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace cloudless::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const WallTime kNow = parse_rfc3339("2026-11-22T12:00:00Z").value();

StatusReport good() {
  StatusReport report;
  report.processes = {{"agent", 12}, {"containerd", 13}};
  report.certificates = {{"apiserver.crt", kNow + 200 * 24h}};
  report.nodes = {{"box", true, "192.0.2.1", "v1.35.0"}};
  report.announcements = {{"demo/web", {"192.0.2.80"}, "box"}};
  report.store_bytes = 1'250'000;
  return report;
}

TEST(StatusReport, SaysThatAllIsWell) {
  EXPECT_THAT(problems_of(good(), kNow), IsEmpty());
  const std::string text = status_text(good(), kNow);
  EXPECT_THAT(text, HasSubstr("all is well"));
  EXPECT_THAT(text, HasSubstr("192.0.2.80 demo/web announced by box"));
  EXPECT_THAT(text, HasSubstr("1.2 MB"));
}

TEST(StatusReport, NamesEachProblem) {
  StatusReport bad = good();
  bad.processes[0].pid = 0;
  bad.certificates = {{"apiserver.crt", kNow - 1h}, {"admin.conf", kNow + 24h}};
  bad.nodes[0].ready = false;
  bad.announcements[0].node.clear();
  EXPECT_THAT(problems_of(bad, kNow),
              ElementsAre("agent does not run", "the certificate apiserver.crt has expired",
                          "the certificate admin.conf expires in 1 days and was not renewed",
                          "the node box is not Ready", "nobody announces the addresses of demo/web"));
  bad.api_error = "connection refused";
  const auto parsed = boost::json::parse(status_json(bad, kNow));
  EXPECT_EQ(parsed.at("problems").as_array().size(), 6u);
  EXPECT_FALSE(parsed.at("nodes").at(0).at("ready").as_bool());
}

}  // namespace
}  // namespace cloudless::cli

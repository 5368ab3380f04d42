#include "cli/status_report.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/strings.hpp"

namespace cloudless::cli {

namespace json = boost::json;

namespace {

constexpr uint64_t kMegabyte = 1'000'000;

int64_t days_left(WallTime end, WallTime now) {
  return std::chrono::duration_cast<std::chrono::days>(end - now).count();
}

std::string megabytes(uint64_t bytes) {
  return fmt::format("{}.{} MB", bytes / kMegabyte, bytes % kMegabyte / (kMegabyte / 10));
}

}  // namespace

std::vector<std::string> problems_of(const StatusReport& report, WallTime now) {
  std::vector<std::string> problems;
  for (const auto& process : report.processes) {
    if (process.pid == 0) problems.push_back(fmt::format("{} does not run", process.name));
  }
  for (const auto& certificate : report.certificates) {
    if (certificate.not_after <= now)
      problems.push_back(fmt::format("the certificate {} has expired", certificate.file));
    else if (certificate.not_after - now < kCertificateAlarm)
      problems.push_back(fmt::format("the certificate {} expires in {} days and was not renewed",
                                     certificate.file, days_left(certificate.not_after, now)));
  }
  if (!report.api_error.empty())
    problems.push_back(fmt::format("the API server cannot be asked: {}", report.api_error));
  for (const auto& node : report.nodes) {
    if (!node.ready) problems.push_back(fmt::format("the node {} is not Ready", node.name));
  }
  for (const auto& announcement : report.announcements) {
    if (announcement.node.empty())
      problems.push_back(fmt::format("nobody announces the addresses of {}", announcement.service));
  }
  return problems;
}

std::string status_text(const StatusReport& report, WallTime now) {
  std::string out;
  for (const auto& process : report.processes) {
    out += fmt::format("{:<14}{}\n", process.name,
                       process.pid == 0 ? "does not run" : fmt::format("process {}", process.pid));
  }
  if (report.store_bytes) out += fmt::format("{:<14}{}\n", "store", megabytes(*report.store_bytes));
  for (const auto& certificate : report.certificates)
    out += fmt::format("{:<14}{} until {} ({} days)\n", "certificate", certificate.file,
                       format_rfc3339(certificate.not_after), days_left(certificate.not_after, now));
  for (const auto& node : report.nodes)
    out += fmt::format("{:<14}{} {} {} {}\n", "node", node.name, node.ready ? "Ready" : "NotReady",
                       node.address, node.version);
  for (const auto& announcement : report.announcements)
    out +=
        fmt::format("{:<14}{} {} {}\n", "address", join(announcement.addresses, ","), announcement.service,
                    announcement.node.empty() ? "announced by nobody" : "announced by " + announcement.node);
  const auto problems = problems_of(report, now);
  for (const std::string& problem : problems) out += fmt::format("{:<14}{}\n", "PROBLEM", problem);
  if (problems.empty()) out += "all is well\n";
  return out;
}

std::string status_json(const StatusReport& report, WallTime now) {
  json::object out;
  json::array& processes = out["processes"].emplace_array();
  for (const auto& process : report.processes)
    processes.push_back(
        json::object{{"name", process.name}, {"pid", process.pid}, {"running", process.pid != 0}});
  json::array& certificates = out["certificates"].emplace_array();
  for (const auto& certificate : report.certificates)
    certificates.push_back(
        json::object{{"file", certificate.file}, {"notAfter", format_rfc3339(certificate.not_after)}});
  json::array& nodes = out["nodes"].emplace_array();
  for (const auto& node : report.nodes)
    nodes.push_back(json::object{
        {"name", node.name}, {"ready", node.ready}, {"address", node.address}, {"version", node.version}});
  json::array& announcements = out["addresses"].emplace_array();
  for (const auto& announcement : report.announcements)
    announcements.push_back(
        json::object{{"service", announcement.service},
                     {"addresses", json::array(announcement.addresses.begin(), announcement.addresses.end())},
                     {"node", announcement.node}});
  if (report.store_bytes) out["storeBytes"] = *report.store_bytes;
  json::array& problems = out["problems"].emplace_array();
  for (const std::string& problem : problems_of(report, now)) problems.emplace_back(problem);
  return json::serialize(out) + "\n";
}

}  // namespace cloudless::cli

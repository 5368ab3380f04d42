// StatusReport: what `cloudless status` has found out about this machine and its cluster, and how it is told.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace cloudless::cli {

/// A certificate nearer to its end than this is a problem: it should have been renewed long before.
inline constexpr std::chrono::hours kCertificateAlarm{24 * 30};

struct StatusReport {
  struct Process {
    std::string name;
    int pid = 0;  // 0: does not run
  };
  struct CertificateEnd {
    std::string file;
    WallTime not_after;
  };
  struct NodeState {
    std::string name;
    bool ready = false;
    std::string address;
    std::string version;
  };
  struct Announcement {
    std::string service;  // "namespace/name"
    std::vector<std::string> addresses;
    std::string node;  // empty: nobody announces it
  };

  std::vector<Process> processes;
  std::vector<CertificateEnd> certificates;
  /// Why the API server could not be asked; empty: it answered.
  std::string api_error;
  std::vector<NodeState> nodes;
  std::vector<Announcement> announcements;
  /// Of the store on this machine; nothing where there is none.
  std::optional<uint64_t> store_bytes;
};

/// What somebody should do something about, one sentence each. None: all is well.
std::vector<std::string> problems_of(const StatusReport& report, WallTime now);
std::string status_text(const StatusReport& report, WallTime now);
std::string status_json(const StatusReport& report, WallTime now);

}  // namespace cloudless::cli

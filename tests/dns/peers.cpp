#include "peers.hpp"

#include <fmt/format.h>

namespace cloudless::dns {

using cloudless::testing::Process;
using cloudless::testing::TempDir;
using cloudless::testing::write_file;

std::unique_ptr<Process> start_knot(const TempDir& dir, uint16_t port,
                                    const std::vector<std::string>& apexes) {
  std::string config =
      fmt::format("server:\n    rundir: {0}\n    listen: 127.0.0.1@{1}\ndatabase:\n    storage: {0}\nzone:\n",
                  dir.path(), port);
  for (const std::string& apex : apexes)
    config += fmt::format("  - domain: {0}\n    file: {1}/{0}\n    semantic-checks: off\n", apex, dir.path());
  write_file(dir / "knot.conf", config);
  return std::make_unique<Process>(std::vector<std::string>{"knotd", "-c", dir / "knot.conf"},
                                   dir / "knot.log");
}

std::unique_ptr<Process> start_bind(const TempDir& dir, uint16_t port, const std::vector<std::string>& apexes,
                                    const std::string& options) {
  std::string config = fmt::format(
      "options {{ directory \"{0}\"; pid-file \"{0}/named.pid\"; session-keyfile \"{0}/session.key\";\n"
      "  listen-on port {1} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no;\n"
      "  zero-no-soa-ttl no; dnssec-validation no; check-names primary ignore; {2} }};\ncontrols {{ }};\n",
      dir.path(), port, options);
  for (const std::string& apex : apexes)
    config += fmt::format("zone \"{0}\" {{ type primary; file \"{1}/{0}\"; }};\n", apex, dir.path());
  write_file(dir / "named.conf", config);
  return std::make_unique<Process>(
      std::vector<std::string>{"named", "-g", "-c", dir / "named.conf", "-n", "1"}, dir / "named.log");
}

}  // namespace cloudless::dns

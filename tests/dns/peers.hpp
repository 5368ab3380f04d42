// The name servers that ours is compared with, started on one port of loopback with the zone files of a
// folder.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "support/process.hpp"

namespace cloudless::dns {

/// `apexes`: the zones; each one's file has its name and lies in `dir`. Names and types are taken as they
/// stand: what zone files usually hold is not checked.
std::unique_ptr<cloudless::testing::Process> start_knot(const cloudless::testing::TempDir& dir, uint16_t port,
                                                        const std::vector<std::string>& apexes);
/// `options`: more of named's, as text.
std::unique_ptr<cloudless::testing::Process> start_bind(const cloudless::testing::TempDir& dir, uint16_t port,
                                                        const std::vector<std::string>& apexes,
                                                        const std::string& options);

}  // namespace cloudless::dns

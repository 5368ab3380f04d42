// Discovery: which resources the server has, custom ones included.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "client/client.hpp"

namespace cloudless::client {

struct DiscoveredResource {
  Resource resource;
  std::set<std::string> verbs;

  bool can(const std::string& verb) const { return verbs.contains(verb); }
};

struct Discovered {
  std::vector<DiscoveredResource> resources;  // no subresources; each group in its preferred version
  /// The group versions that did not answer, with why.
  std::vector<std::string> failures;
};

/// Asks /api, /apis and each group's preferred version. A group that does not answer is left out and named in
/// `failures`.
runtime::Task<Result<Discovered>> discover(const Client& client);

}  // namespace cloudless::client

// RemoteStore: a store::Store whose data an etcd cluster keeps. Requests go to the first endpoint that can be
// reached; another one is taken when it goes away. Reads are tried again there, writes are not: whether they
// happened is not known, as with any etcd client. Watches go on where they were, on whichever endpoint
// answers.
//
// Revisions are the cluster's own, so restore() is kUnimplemented. Of status(), what etcd does not tell
// (compact_revision) is the last one that this process has seen.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "etcd/server.hpp"
#include "store/open.hpp"

namespace cloudless::etcd {

struct RemoteOptions {
  /// "http://host:port" or "https://host:port", each a member of one cluster.
  std::vector<std::string> endpoints;
  /// For https: the CA of the servers, and the certificate to show them.
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
};

/// The members of "http://a:2379,http://b:2379". kInvalid where http and https are mixed.
Result<std::vector<std::string>> parse_endpoints(std::string_view urls);

/// Connects at first use. kNotFound where a file cannot be read.
Result<std::unique_ptr<store::Store>> make_remote_store(RemoteOptions options);

}  // namespace cloudless::etcd

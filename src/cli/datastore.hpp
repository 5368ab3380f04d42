// The datastore that a command opens: its endpoint and what is needed to reach it, with kine's flags.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "store/open.hpp"

namespace CLI {
class App;
}

namespace cloudless::cli {

/// How to reach the datastore, and how safe a write is.
struct DatastoreOptions {
  std::string endpoint;
  /// For the connection to PostgreSQL or a remote etcd: PEM files.
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  bool skip_verify = false;
  std::string durability = "relaxed";
  std::vector<std::string> relaxed_prefixes = store::Options().relaxed_prefixes;
  int64_t quota_bytes = store::Options().quota_bytes;
};

/// The flags of these options, named as kine's.
void add_datastore_flags(CLI::App& command, DatastoreOptions& options);
/// PostgreSQL's URL with the TLS files in libpq's words; any other endpoint as it is.
std::string endpoint_with_tls(const DatastoreOptions& options);
/// Whether servers of other machines may open the same datastore.
bool is_shared_datastore(const std::string& endpoint);
/// Opens what the options name. Blocks. The references outlive the store.
Result<std::unique_ptr<store::Store>> open_datastore(const DatastoreOptions& options, const Clock& clock,
                                                     Random& random, const Logger& log);

}  // namespace cloudless::cli

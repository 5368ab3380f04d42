// A PostgreSQL server of the tests' own: in a temporary directory, on a Unix socket, as user postgres, gone
// with the object or the test program.
#pragma once

#include <string>

#include "store/testing.hpp"

namespace cloudless::store::testing {

class PostgresServer {
 public:
  PostgresServer();
  ~PostgresServer();

  /// The one that a test program shares; started at first use.
  static PostgresServer& shared();

  /// The URL of a database that does not exist yet.
  std::string new_database();
  /// As a power cut would: everything is ended at once.
  void crash();
  void start();

 private:
  TempDir directory_;
  int pid_ = 0;
  int databases_ = 0;
};

}  // namespace cloudless::store::testing

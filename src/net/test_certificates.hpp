// Certificates for the tests of TLS: a CA and what it signs, made on the spot.
#pragma once

#include <string>

namespace cloudless::net::test {

struct Issued {
  std::string certificate;  // PEM
  std::string key;          // PEM
};

/// A self-signed CA.
Issued make_ca(const std::string& name);
/// A leaf for server and client use, with "localhost", 127.0.0.1 and `name` as subject alternative names.
Issued issue(const Issued& ca, const std::string& name);

}  // namespace cloudless::net::test

// Origin: the object that asks for records, and what is told about it. Problem: why something that it asks
// for is not served; becomes a Warning event on it.
#pragma once

#include <string>
#include <tuple>

namespace cloudless::dns {

struct Origin {
  std::string kind;
  std::string api_version;
  std::string ns;
  std::string name;
  std::string uid;

  friend bool operator==(const Origin&, const Origin&) = default;
};

/// By namespace, name and kind: the order in which objects win where they exclude each other. An object that
/// was made anew under its old name has its place.
struct OriginOrder {
  bool operator()(const Origin& a, const Origin& b) const {
    return std::tie(a.ns, a.name, a.kind) < std::tie(b.ns, b.name, b.kind);
  }
};

struct Problem {
  Origin origin;
  std::string reason;  // CamelCase
  std::string message;

  friend bool operator==(const Problem&, const Problem&) = default;
};

}  // namespace cloudless::dns

// AddressStore: which pod has which address on this node, one file for each address given out.
//
//   <directory>/10.244.1.7     one JSON object: container, interface, host ports
//   <directory>/last.v4        the address given last, so that addresses are reused late
//   <directory>/lock           held (flock) while a command runs
//
// A record appears whole or not at all (written aside, then linked to its name, which fails where the address
// is taken), so a kill at any point neither tears a record nor gives an address twice. Records are not
// synced: a power-off ends the pods as well, and their sandboxes are deleted when the runtime starts again.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "net/address.hpp"

namespace cloudless::network {

/// One interface of one sandbox, as CNI names it.
struct Attachment {
  std::string container_id;
  std::string interface;
  friend auto operator<=>(const Attachment&, const Attachment&) = default;
};

struct HostPort {
  std::string protocol;  // "tcp", "udp" or "sctp"
  uint16_t host_port = 0;
  uint16_t container_port = 0;
  std::optional<net::IpAddress> host_ip;  // absent: all of the node's
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

struct AddressRecord {
  net::IpAddress address;
  Attachment owner;
  std::vector<HostPort> host_ports;
};

class AddressStore {
 public:
  /// Makes the directory where needed, and waits until no other process holds it, kLockTimeout at the most.
  static Result<AddressStore> open(const std::string& directory);
  AddressStore(AddressStore&&) noexcept;
  AddressStore& operator=(AddressStore&&) noexcept;
  ~AddressStore();

  /// A free address of `range` for `owner`, who gets the one it has where it has one in that range. The
  /// first two and the last addresses are never given. kResourceExhausted where none is free.
  Result<net::IpAddress> allocate(const net::Prefix& range, const Attachment& owner,
                                  const std::vector<HostPort>& host_ports);
  Result<std::vector<AddressRecord>> records() const;
  /// Removes what `owner` has; the records removed.
  Result<std::vector<AddressRecord>> release(const Attachment& owner);
  Result<> remove(const net::IpAddress& address);

 private:
  AddressStore(std::string directory, int lock) : directory_(std::move(directory)), lock_(lock) {}
  Result<bool> try_claim(const AddressRecord& record);
  std::string directory_;
  int lock_;
};

}  // namespace cloudless::network

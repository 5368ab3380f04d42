// What the CNI specification says on the wire: environment and standard input in, JSON result or error out.
// Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "net/address.hpp"
#include "network/address_store.hpp"
#include "network/cni.hpp"

namespace cloudless::network {

/// CNI specification 1.1.0, "Error": the well-known codes.
enum class CniErrorCode {
  kIncompatibleVersion = 1,
  kUnsupportedField = 2,
  kUnknownContainer = 3,
  kInvalidEnvironment = 4,
  kIo = 5,
  kDecodingFailed = 6,
  kInvalidConfig = 7,
  kTryAgain = 11,
  kNoAddress = 100,  // ours: every address of the node's pod CIDR is in use
};

struct CniError {
  CniErrorCode code;
  std::string message;
  std::string details;
};

template <class T>
using CniResult = std::expected<T, CniError>;

enum class CniCommand { kAdd, kDel, kCheck, kVersion, kGc, kStatus };

struct CniRequest {
  CniCommand command = CniCommand::kVersion;
  std::string version;  // cniVersion of the configuration
  Attachment attachment;
  std::string netns;  // may be empty for DEL
  CniConfig config;
  std::vector<HostPort> host_ports;
  std::vector<Attachment> valid_attachments;  // GC
};

using Environment = std::function<std::optional<std::string>(const std::string& name)>;

CniResult<CniRequest> parse_cni_request(const Environment& environment, std::string_view input);

/// What ADD answers. `addresses`: the pod's, one per family.
struct CniAttachmentResult {
  std::string host_interface;
  std::string host_mac;
  std::string pod_mac;
  std::vector<net::IpAddress> addresses;
};

std::string format_cni_result(const CniRequest& request, const CniAttachmentResult& result);
std::string format_cni_versions(std::string_view version);
std::string format_cni_error(std::string_view version, const CniError& error);

/// The gateway that pods of this family see: link-local, answered by a permanent neighbour entry.
net::IpAddress pod_gateway(const net::IpAddress& pod_address);

}  // namespace cloudless::network

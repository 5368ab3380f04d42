// What the files of a configMap, secret, downwardAPI or projected volume hold, as data. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kubelet/pod/environment.hpp"

namespace cloudless::kubelet {

struct PayloadFile {
  std::string content;
  uint32_t mode = 0644;
  std::optional<int64_t> uid;  // owner; root otherwise
  friend bool operator==(const PayloadFile&, const PayloadFile&) = default;
};

/// Files by path below the volume's folder.
using Payload = std::map<std::string, PayloadFile>;

inline constexpr uint32_t kDefaultFileMode = 0644;

/// What volumes read besides the pod: see ObjectSource. Tokens by audience, expiry and path.
struct VolumeObjects {
  NamedObjects named;
  std::map<std::string, std::string> tokens;  // by token_key()
};

/// Identifies a serviceAccountToken projection within a pod.
std::string token_key(const core::ServiceAccountTokenProjection& projection);

/// Config maps and secrets that a pod's volumes name, and the tokens they ask for.
struct VolumeNeeds {
  ObjectNames names;
  std::vector<core::ServiceAccountTokenProjection> tokens;
};
VolumeNeeds needs_of(const core::Volume& volume);

/// True for volumes whose files come from a payload.
bool has_payload(const core::Volume& volume);

/// kInvalid in upstream's words where something that is not optional is missing, or a path leads outside.
Result<Payload> make_payload(const core::Pod& pod, const core::Volume& volume, const VolumeObjects& objects,
                             const DownwardFacts& facts);

}  // namespace cloudless::kubelet

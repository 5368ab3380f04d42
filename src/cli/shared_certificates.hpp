// What all control-plane nodes of a cluster have in common and only they may know: the CAs and their keys,
// the key that signs service account tokens, the key that encrypts Secrets at rest, and how to reach the
// external store. `init --upload-certs` hands it to `join --control-plane` through the API, as kubeadm does
// (cmd/kubeadm/app/phases/copycerts):
//
//     Secret kube-system/kubeadm-certs      name -> AES-256-GCM (nonce, ciphertext, tag) of the content
//       ownerReference: a bootstrap token without uses that expires after two hours; the garbage collector
//       takes the
//                       Secret with it
//     certificate key                       32 bytes as 64 hexadecimal digits; only people carry it
//
// kubeadm's names are kept for what it shares; ours come beside them.
#pragma once

#include <map>
#include <string>

#include "api/kubeadm_v1beta4.hpp"
#include "base/clock.hpp"
#include "base/random.hpp"
#include "cli/node_layout.hpp"
#include "client/client.hpp"

namespace cloudless::cli {

inline constexpr std::string_view kCertificatesSecret = "kubeadm-certs";
inline constexpr std::chrono::hours kCertificatesLifetime{2};

/// By name ("ca.key"): contents, plain or sealed.
using SharedValues = std::map<std::string, std::string>;

std::string make_certificate_key(Random& random);
/// kInvalid unless it is 32 bytes in hexadecimal digits.
Result<> check_certificate_key(const std::string& key);

Result<SharedValues> seal_values(const SharedValues& plain, const std::string& certificate_key);
/// kUnauthenticated where the key is another one.
Result<SharedValues> open_values(const SharedValues& sealed, const std::string& certificate_key);

/// From the files of a control-plane node and its own configuration. Blocking.
Result<SharedValues> read_shared_values(const NodeLayout& layout,
                                        const api::kubeadm::v1beta4::ClusterConfiguration& cluster);
/// Puts the files in place, and into `cluster` what its published form does not tell. Blocking.
Result<> store_shared_values(const SharedValues& values, const NodeLayout& layout,
                             api::kubeadm::v1beta4::ClusterConfiguration& cluster);
/// Which files that a control-plane node cannot make itself are not there. Blocking.
std::vector<std::string> missing_shared_files(const NodeLayout& layout);

/// Makes the Secret anew, with an owner of two hours, and lets joining nodes read it.
runtime::Task<Result<>> upload_shared_values(const client::Client& client, SharedValues sealed,
                                             Random& random, WallTime now);
/// kNotFound, with what to do, where there is none any more.
runtime::Task<Result<SharedValues>> download_shared_values(const client::Client& client);

/// The configuration as anybody who joins may read it: without the store's password.
api::kubeadm::v1beta4::ClusterConfiguration published_configuration(
    api::kubeadm::v1beta4::ClusterConfiguration cluster);

/// Why a cluster of this configuration cannot have a further control-plane node.
Result<> check_takes_control_planes(const api::kubeadm::v1beta4::ClusterConfiguration& cluster);

}  // namespace cloudless::cli

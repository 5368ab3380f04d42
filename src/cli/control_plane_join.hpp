// `join --control-plane`: this machine as a further control-plane node, as kubeadm joins one:
//
//     discover    the cluster is who it says it is
//     ask         kubeadm-config: can the cluster have another API server? kubeadm-certs: what they share
//     prepare     certificates, kubeconfigs, manifests, as `init` makes them
//     join        as any node (node_join.hpp); its agent starts the static pods
//     mark        labels and taints, once the API server of this node answers
//
// What the cluster refuses is told before anything but its CA is written.
#pragma once

#include "cli/join_plan.hpp"
#include "cli/node_program.hpp"

namespace cloudless::cli {

/// `options`: the node's agent as `join` would run it. Blocks until the program ends.
Result<> join_control_plane(const JoinPlan& plan, NodeProgramOptions options, const Logger& log,
                            const ReadyReport& ready);

}  // namespace cloudless::cli

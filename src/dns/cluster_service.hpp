// ClusterService: the Service kube-system/kube-dns, by which pods reach the DNS server of their own node.
//
// It has no selector: its endpoints are the nodes themselves, on which every NodeAgent answers DNS. With
// internalTrafficPolicy Local a pod's question stays on its node.
#pragma once

#include <memory>
#include <string>

#include "api/core_v1.hpp"
#include "api/discovery_v1.hpp"
#include "client/event_recorder.hpp"
#include "client/informers.hpp"
#include "client/reconciler.hpp"
#include "net/address.hpp"

namespace cloudless::dns {

struct ClusterServiceOptions {
  net::IpAddress address;   // the Service's ClusterIP
  uint16_t node_port = 53;  // where nodes answer, on their InternalIP
};

/// What is to be written so that the Service and its EndpointSlice are as the nodes ask for. Pure.
client::Plan plan_cluster_service(const ClusterServiceOptions& options,
                                  const client::ObjectCache<api::core::v1::Node>& nodes,
                                  const client::ObjectCache<api::core::v1::Service>& services,
                                  const client::ObjectCache<api::discovery::v1::EndpointSlice>& slices);

class ClusterService {
 public:
  /// All references outlive this.
  ClusterService(ClusterServiceOptions options, client::Informers& informers, runtime::Executor& executor,
                 Random& random, Logger log);

  void start();
  runtime::Task<void> stop();

 private:
  runtime::TaskScope scope_;
  client::EventRecorder recorder_;
  client::Performer performer_;
  client::Reconciler reconciler_;
};

}  // namespace cloudless::dns

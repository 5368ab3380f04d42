// What kubectl describe shows of a pod's life: events in upstream's words (pkg/kubelet/events).
#pragma once

#include <functional>
#include <string>

#include "client/action.hpp"
#include "kubelet/pod/pod_runtime.hpp"

namespace cloudless::kubelet {

/// Takes an event without waiting; drops it where there is no API.
using EventSink = std::function<void(client::EventText)>;

/// About the pod as a whole.
client::EventText pod_event(const core::Pod& pod, client::EventLevel level, std::string reason,
                            std::string message);
/// About one of its containers: fieldPath is "spec.containers{name}".
client::EventText container_event(const core::Pod& pod, const std::string& container,
                                  client::EventLevel level, std::string reason, std::string message);

}  // namespace cloudless::kubelet

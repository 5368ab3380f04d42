// For tests: pods as the API server would hand them out, with its defaults.
#pragma once

#include <string>
#include <vector>

#include "kubelet/pod/pod_runtime.hpp"

namespace cloudless::kubelet::testing {

inline core::Container make_container(std::string name, std::string image,
                                      std::vector<std::string> command = {}) {
  core::Container container;
  container.name = std::move(name);
  container.image = std::move(image);
  container.command = std::move(command);
  container.imagePullPolicy = "IfNotPresent";
  container.terminationMessagePath = "/dev/termination-log";
  container.terminationMessagePolicy = "File";
  return container;
}

inline core::Pod make_pod(std::string name, std::vector<core::Container> containers) {
  core::Pod pod;
  pod.metadata.name = name;
  pod.metadata.namespace_ = "default";
  pod.metadata.uid = "uid-" + name;
  pod.spec.containers = std::move(containers);
  pod.spec.restartPolicy = "Always";
  pod.spec.dnsPolicy = "ClusterFirst";
  pod.spec.terminationGracePeriodSeconds = 30;
  pod.spec.nodeName = "node-1";
  return pod;
}

}  // namespace cloudless::kubelet::testing

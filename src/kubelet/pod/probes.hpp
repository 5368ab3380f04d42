// Probes: asking a container whether it has started, lives, and is ready (pkg/kubelet/prober).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/log.hpp"
#include "kubelet/pod/pod_plan.hpp"
#include "runtime/worker_pool.hpp"

namespace cloudless::kubelet {

enum class ProbeKind { kStartup, kLiveness, kReadiness };
/// "Startup", "Liveness", "Readiness".
std::string_view to_string(ProbeKind kind);

struct ProbeOutcome {
  bool success = false;
  std::string output;  // why not
};

/// Counts outcomes in a row against the thresholds; pure.
class ProbeCounter {
 public:
  explicit ProbeCounter(const core::Probe& probe);
  /// The verdict once a threshold is reached: true for success, false for failure; nothing before.
  std::optional<bool> add(bool success);

 private:
  int success_threshold_;
  int failure_threshold_;
  int run_ = 0;
  bool last_ = false;
};

/// What holds of a running container before its first probe: that it is not ready and, with a startup probe,
/// not started. What the pod's last status says of this very container (by id) holds on instead, so that the
/// restart of an agent takes no pod out of service (KEP-4781).
ProbeVerdict verdict_before_probes(const core::Container& container, const std::string& id,
                                   const core::PodStatus& last);

/// Where to reach a container.
struct ProbeTarget {
  std::string pod_ip;
  std::string container_id;
};

/// Performs single probes and lifecycle hooks; a test has its own.
class Prober {
 public:
  virtual ~Prober() = default;
  virtual runtime::Task<ProbeOutcome> probe(const core::ProbeHandler& handler,
                                            const core::Container& container, ProbeTarget target,
                                            Duration limit) = 0;
};

/// With the runtime for exec, and sockets for HTTP, TCP and gRPC.
std::unique_ptr<Prober> make_prober(cri::RuntimeService& runtime, runtime::WorkerPool& pool, Logger log);

/// The number of a port given by number or by a container port's name.
Result<uint16_t> resolve_port(const schema::IntOrString& port, const core::Container& container);

}  // namespace cloudless::kubelet

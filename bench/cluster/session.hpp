// What a measurement of a running cluster uses: a client by kubeconfig, on a loop of its own thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "client/client.hpp"
#include "runtime/event_loop.hpp"

namespace cloudless::bench {

struct Session {
  runtime::EventLoop& loop;
  const client::Client& client;

  SteadyTime now() const { return loop.clock().steady_now(); }
  double ms_since(SteadyTime begin) const {
    return std::chrono::duration<double, std::milli>(now() - begin).count();
  }
};

/// `values` not empty.
inline double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

/// Pods with one container, from created to Running at the API, beside the same sandbox and container made by
/// bare CRI calls on the same runtime; in turns. Prints medians and their ratio.
runtime::Task<Result<>> measure_pods(Session session, std::string runtime_endpoint, std::string image);

/// From a Service's annotation to the first answer by `dns_server` ("192.0.2.1:53"), of names below `domain`
/// for the address of the LoadBalancer Service `ns`/`service`. Prints the median and the worst.
runtime::Task<Result<>> measure_names(Session session, std::string dns_server, std::string ns,
                                      std::string service, std::string domain);

}  // namespace cloudless::bench

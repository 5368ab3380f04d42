// Network namespaces: made, entered and removed by path, as `ip netns` and CNI know them
// (/var/run/netns/NAME, /proc/PID/ns/net).
//
// A namespace belongs to a thread: run_in_netns() takes a fresh thread for the time of the call, so that no
// thread of the program is ever left in a foreign namespace. Blocking; call it from a WorkerPool.
#pragma once

#include <functional>
#include <string>

#include "base/result.hpp"

namespace cloudless::net {

/// Calls `function` in the namespace at `path` and returns what it returns. Sockets opened inside stay there.
Result<> run_in_netns(const std::string& path, const std::function<Result<>()>& function);
/// Makes a namespace, with loopback up, and binds it to `path`. kAlreadyExists where the path is bound.
Result<> make_netns(const std::string& path);
/// Unbinds and removes it; what is not there is removed already.
Result<> remove_netns(const std::string& path);

}  // namespace cloudless::net

#include "cli/node_ready.hpp"

#include <algorithm>

#include "api/core_v1.hpp"
#include "runtime/channel.hpp"
#include "runtime/timer.hpp"

namespace cloudless::cli {

using api::core::v1::Node;
using runtime::Task;

namespace {

bool is_ready(const Node& node) {
  return std::ranges::any_of(node.status.conditions, [](const auto& condition) {
    return condition.type == "Ready" && condition.status == "True";
  });
}

Task<Result<>> wait(const client::Informer<Node>& nodes, std::string name,
                    std::shared_ptr<runtime::Signal> changed) {
  for (;;) {
    const auto node = nodes.cache().get(name);
    if (node && is_ready(*node)) co_return {};
    CO_TRY(co_await changed->wait());
  }
}

}  // namespace

Task<Result<>> wait_until_ready(client::Informers& informers, std::string node_name) {
  auto& nodes = informers.of<Node>();
  // Shared with the handler, which the informer keeps.
  const auto changed = std::make_shared<runtime::Signal>();
  nodes.add_handler([changed](const auto&, const auto&) { changed->notify(); });
  co_return co_await runtime::with_timeout(kNodeReadyLimit, "the node's way to Ready",
                                           wait(nodes, std::move(node_name), changed));
}

}  // namespace cloudless::cli

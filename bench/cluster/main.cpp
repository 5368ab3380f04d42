// Measurements of a running cluster through its API, its container runtime and its DNS.
//   bench_cluster pods KUBECONFIG CRI_ENDPOINT IMAGE
//   bench_cluster names KUBECONFIG DNS_SERVER NAMESPACE SERVICE DOMAIN
#include <fmt/format.h>

#include <string_view>

#include "client/connection.hpp"
#include "client/kubeconfig.hpp"
#include "runtime/worker_pool.hpp"
#include "session.hpp"

namespace {

using namespace cloudless;
using runtime::Task;
using Arguments = std::vector<std::string>;

Task<Result<>> measure(runtime::EventLoop& loop, net::Resolver& resolver, Arguments arguments) {
  const auto config = CO_TRY(client::load_kubeconfig(arguments[1]));
  const auto connection =
      CO_TRY(client::Connection::make(CO_TRY(client::connection_options(config)), resolver, Logger()));
  const client::Client client(*connection);
  const bench::Session session{loop, client};
  Result<> outcome;
  if (arguments[0] == "pods") {
    outcome = co_await bench::measure_pods(session, arguments[2], arguments[3]);
  } else {
    outcome = co_await bench::measure_names(session, arguments[2], arguments[3], arguments[4], arguments[5]);
  }
  co_await connection->stop();
  co_return outcome;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argv + 1, argv + argc);
  const bool pods = arguments.size() == 4 && arguments[0] == "pods";
  const bool names = arguments.size() == 6 && arguments[0] == "names";
  if (!pods && !names) {
    fmt::print(stderr,
               "usage: bench_cluster pods KUBECONFIG CRI_ENDPOINT IMAGE\n"
               "       bench_cluster names KUBECONFIG DNS_SERVER NAMESPACE SERVICE DOMAIN\n");
    return 2;
  }
  runtime::WorkerPool workers("resolver", 1, 10);
  net::Resolver resolver(workers);
  runtime::LoopThread thread("bench");
  const auto outcome = runtime::run_blocking(thread.loop(), measure(thread.loop(), resolver, arguments));
  if (outcome) return 0;
  fmt::print(stderr, "{}\n", outcome.error().message);
  return 1;
}

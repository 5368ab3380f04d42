// `cloudless apiserver`: the Kubernetes API on an etcd, with kube-apiserver's flags.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/api_server_flags.hpp"
#include "cli/node_address.hpp"
#include "cli/signals.hpp"

namespace cloudless::cli {

using runtime::Task;

namespace {

// The running program: the server and the loop that waits for the end.
class ApiServerProgram {
 public:
  ApiServerProgram(ApiServerPlan plan, Logger log)
      : log_(std::move(log)), host_(std::move(plan.host), loop_.clock(), random_, registry_, log_) {}

  /// Blocks until a signal ends the program.
  Result<> run() {
    TRY(host_.prepare());
    Result<> outcome;
    runtime::TaskScope scope(loop_, log_);
    scope.spawn(main(outcome));
    loop_.run();
    return outcome;
  }

 private:
  Task<void> main(Result<>& outcome) {
    outcome = co_await host_.start();
    if (outcome) {
      log_.info("the API server answers", {{"port", host_.port()}});
      static_cast<void>(co_await wait_for_termination(loop_));
      log_.info("stopping");
    }
    co_await host_.stop();
    // After this task's frame is gone, so that its scope is idle when the loop has ended.
    loop_.post([this] { loop_.post([this] { loop_.stop(); }); });
  }

  Logger log_;
  SystemRandom random_;
  metrics::Registry registry_;
  runtime::EventLoop loop_;
  ApiHost host_;
};

Result<> serve(ApiServerPlan plan) {
  const Logger log = plan.log.make_logger();
  for (const std::string& notice : plan.notices)
    log.warn("the command line is not followed to the letter", {{"notice", notice}});
  if (plan.find_advertise_address)
    plan.host.server.advertise_address = TRY(detect_node_address()).to_string();
  if (!plan.host.server.advertise_address.empty())
    plan.host.serving_names.push_back(plan.host.server.advertise_address);
  return ApiServerProgram(std::move(plan), log).run();
}

int run_api_server(const std::vector<std::string>& arguments) {
  if (std::ranges::any_of(arguments, [](const auto& word) { return word == "--help" || word == "-h"; })) {
    fmt::print("Usage:\n  cloudless apiserver [flags]\n\nFlags:\n{}", api_server_help());
    return kSuccess;
  }
  auto plan = plan_api_server(arguments);
  if (!plan) return report_failure(plan.error());
  const Result<> served = serve(std::move(*plan));
  return served ? kSuccess : report_failure(served.error());
}

}  // namespace

void add_api_server_command(CLI::App& app, Invocation& invocation) {
  CLI::App* command =
      app.add_subcommand("apiserver", "The Kubernetes API on an etcd, with kube-apiserver's flags");
  command->alias("kube-apiserver");
  command->set_help_flag();
  command->prefix_command();
  command->callback([command, &invocation] {
    invocation.run = [arguments = command->remaining()] { return run_api_server(arguments); };
  });
}

}  // namespace cloudless::cli

// `cloudless scheduler`: kube-scheduler's role with its flags.
#include <CLI/CLI.hpp>

#include "cli/component.hpp"
#include "scheduler/scheduler.hpp"

namespace cloudless::cli {

namespace {

constexpr uint16_t kSecurePort = 10259;

class Role final : public ComponentRole {
 public:
  explicit Role(const ComponentParts& parts)
      : scheduler_({}, parts.client, parts.informers, parts.loop, parts.random,
                   parts.log.named("scheduler")) {}
  runtime::Task<Result<>> start() override { return scheduler_.start(); }
  runtime::Task<void> stop() override { return scheduler_.stop(); }

 private:
  scheduler::Scheduler scheduler_;
};

}  // namespace

void add_scheduler_command(CLI::App& app, Invocation& invocation) {
  auto flags = std::make_shared<ComponentFlags>();
  flags->name = "kube-scheduler";
  flags->secure_port = kSecurePort;
  CLI::App* command = app.add_subcommand("scheduler", "Run the scheduler by itself (kube-scheduler)");
  flags->add_to(*command, {"--authentication-kubeconfig", "--authorization-kubeconfig", "--client-ca-file",
                           "--requestheader-client-ca-file", "--v", "--feature-gates", "--profiling"});
  command->callback([flags, &invocation] {
    invocation.run = [flags] {
      return run_component(*flags, [](const ComponentParts& parts) { return std::make_unique<Role>(parts); });
    };
  });
}

}  // namespace cloudless::cli

// `cloudless scheduler`: kube-scheduler's role with its flags.
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

int run(const std::vector<std::string>& arguments) {
  ComponentFlags flags{.name = "kube-scheduler", .secure_port = kSecurePort};
  FlagSet set;
  flags.bind(set);
  set.without_effect(FlagSet::Takes::kValue,
                     {"lock-object-name", "lock-object-namespace", "pod-max-in-unschedulable-pods-duration"});
  set.refused({"config", "write-config-to"}, "profiles and plugins of the scheduler cannot be configured");
  if (const auto status = parse_command_line("scheduler", set, arguments)) return *status;
  const Logger log = flags.make_logger(set);
  notice_ineffective(set.ineffective(), log);
  return run_component(flags, log, [](const ComponentParts& parts) { return std::make_unique<Role>(parts); });
}

}  // namespace

void add_scheduler_command(CLI::App& app, Invocation& invocation) {
  add_flag_set_command(app, invocation, "scheduler", "Run the scheduler by itself (kube-scheduler)", run);
}

}  // namespace cloudless::cli

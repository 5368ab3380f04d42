#include "cli/service.hpp"

#include <cstdio>
#include <optional>

#include "cli/files.hpp"
#include "cli/instance.hpp"

namespace cloudless::cli {

namespace {

Result<std::optional<Detached>> detach_if_asked(const ServiceOptions& options) {
  TRY(make_directories(options.data_dir));
  if (!options.detach) return std::nullopt;
  if (const auto pid = running_instance(options.data_dir)) {
    return fail(Code::kAlreadyExists, "cloudless already runs on {} as process {}", options.data_dir, *pid);
  }
  return TRY(Detached::start(options.data_dir + "/cloudless.log"));
}

}  // namespace

int run_service(const ServiceOptions& options,
                const std::function<Result<>(Logger log, const ReadyReport& ready)>& body) {
  auto detached = detach_if_asked(options);
  if (!detached) return report_failure(detached.error());
  const auto report = [&detached](int status, const std::string& message) {
    if (*detached) {
      (*detached)->report(status, message);
    } else {
      fmt::print(status == kSuccess ? stdout : stderr, "{}", message);
      std::fflush(nullptr);
    }
  };
  const auto lock = InstanceLock::take(options.data_dir);
  const Result<> outcome =
      lock ? body(options.log.make_logger(), [&report](const std::string& text) { report(kSuccess, text); })
           : Result<>(std::unexpected(lock.error()));
  if (outcome) return kSuccess;
  report(kFailure, fmt::format("error: {}\n", outcome.error().message));
  return kFailure;
}

}  // namespace cloudless::cli

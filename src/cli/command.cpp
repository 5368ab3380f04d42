#include "cli/command.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>

namespace cloudless::cli {

void LogOptions::add_to(CLI::App& command) {
  command.add_option("--log-level", level, "What to log: debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  command
      .add_option("--logging-format,--log-format", format, "How to log: text, or json with one object a line")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
}

Logger LogOptions::make_logger() const {
  const LogLevel threshold = level == "debug"   ? LogLevel::kDebug
                             : level == "warn"  ? LogLevel::kWarn
                             : level == "error" ? LogLevel::kError
                                                : LogLevel::kInfo;
  return Logger(make_stderr_sink(threshold, format == "json" ? LogFormat::kJson : LogFormat::kText));
}

int report_failure(const Error& error) {
  fmt::print(stderr, "error: {}\n", error.message);
  return kFailure;
}

int run_command_line(CLI::App& app, const Invocation& invocation, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kSuccess : kUsage;
  }
  return invocation.run();
}

}  // namespace cloudless::cli

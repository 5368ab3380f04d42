#include "base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/clock.hpp"

namespace cloudless {

namespace {

constexpr std::string_view kLevelNames[] = {"debug", "info", "warn", "error"};

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

// Values with a blank or a quote are quoted in text lines, so that a line splits back into its fields.
std::string text_value(const LogField& field) {
  const bool plain = !field.value.empty() && field.value.find_first_of(" \"\n\t=") == std::string::npos;
  return plain ? field.value : json_string(field.value);
}

class StderrSink final : public LogSink {
 public:
  StderrSink(LogLevel level, LogFormat format)
      : level_(level),
        format_(format),
        logger_("cloudless", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_pattern("%v");
    logger_.flush_on(spdlog::level::info);
  }

  bool enabled(LogLevel level) const override { return level >= level_; }

  void write(LogLevel level, std::string_view part, std::string_view message,
             std::initializer_list<LogField> fields) override {
    const std::string time = format_rfc3339_micro(SystemClock().wall_now());
    const std::string_view level_name = kLevelNames[static_cast<int>(level)];
    std::string line;
    if (format_ == LogFormat::kJson) {
      line = fmt::format(R"({{"ts":"{}","level":"{}","part":{},"msg":{})", time, level_name,
                         json_string(part), json_string(message));
      for (const LogField& field : fields) {
        line += fmt::format(",{}:{}", json_string(field.name),
                            field.is_number ? field.value : json_string(field.value));
      }
      line += '}';
    } else {
      line = fmt::format("{} {:<5} {}: {}", time, level_name, part, message);
      for (const LogField& field : fields) line += fmt::format(" {}={}", field.name, text_value(field));
    }
    logger_.log(spdlog::level::info, fmt::string_view(line.data(), line.size()));
  }

 private:
  LogLevel level_;
  LogFormat format_;
  spdlog::logger logger_;
};

}  // namespace

std::shared_ptr<LogSink> make_stderr_sink(LogLevel level, LogFormat format) {
  return std::make_shared<StderrSink>(level, format);
}

}  // namespace cloudless

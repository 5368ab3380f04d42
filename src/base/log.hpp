// Logger: what the program says to its operator, as text or as one JSON object a line, on standard error.
//
// A message is a constant sentence; what varies goes into fields, so that logs can be searched. Secrets
// (tokens, keys, Secret data) are never passed in. A Logger is a cheap value; all copies write to one sink.
// Thread-safe.
#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.hpp"

namespace cloudless {

enum class LogLevel { kDebug, kInfo, kWarn, kError };
enum class LogFormat { kText, kJson };

/// A named value: `{"revision", 42}`, `{"key", key}`, `{"error", error}`.
struct LogField {
  std::string_view name;
  std::string value;
  bool is_number = false;

  template <class T>
  LogField(std::string_view field_name, const T& field_value) : name(field_name) {
    if constexpr (std::is_same_v<T, Error>) {
      value = field_value.message;
    } else {
      value = fmt::format("{}", field_value);
      is_number = std::is_arithmetic_v<T> && !std::is_same_v<T, char>;
    }
  }
};

class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual bool enabled(LogLevel level) const = 0;
  virtual void write(LogLevel level, std::string_view part, std::string_view message,
                     std::initializer_list<LogField> fields) = 0;
};

/// A sink on standard error that drops what is below `level`.
std::shared_ptr<LogSink> make_stderr_sink(LogLevel level, LogFormat format);

class Logger {
 public:
  /// Says nothing; what tests use unless they look at the log.
  Logger() = default;
  explicit Logger(std::shared_ptr<LogSink> sink, std::string part = {})
      : sink_(std::move(sink)), part_(std::move(part)) {}

  /// The same sink under the name of a part: "store", "kubelet".
  Logger named(std::string part) const { return Logger(sink_, std::move(part)); }

  using Fields = std::initializer_list<LogField>;
  void debug(std::string_view message, Fields fields = {}) const { write(LogLevel::kDebug, message, fields); }
  void info(std::string_view message, Fields fields = {}) const { write(LogLevel::kInfo, message, fields); }
  void warn(std::string_view message, Fields fields = {}) const { write(LogLevel::kWarn, message, fields); }
  void error(std::string_view message, Fields fields = {}) const { write(LogLevel::kError, message, fields); }

 private:
  void write(LogLevel level, std::string_view message, Fields fields) const {
    if (sink_ && sink_->enabled(level)) sink_->write(level, part_, message, fields);
  }

  std::shared_ptr<LogSink> sink_;
  std::string part_;
};

}  // namespace cloudless

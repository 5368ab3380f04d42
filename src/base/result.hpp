// Result<T>: what an operation returns that can fail for reasons its caller acts on.
//
// An Error is a code to branch on, a message for the person who reads it, and nothing else. Bugs are
// assertions, not errors; exceptions stop a task at its boundary and never cross a public function.
#pragma once

#include <fmt/format.h>

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace cloudless {

enum class Code {
  kCancelled,          // the waiting task was cancelled
  kInvalid,            // the input is malformed or breaks a rule
  kNotFound,           // there is no such thing
  kAlreadyExists,      // there is such a thing already
  kConflict,           // the state has moved since it was read
  kCompacted,          // the revision asked for is gone
  kFutureRevision,     // the revision asked for has not happened
  kUnauthenticated,    // who asks is not known
  kPermissionDenied,   // who asks may not
  kResourceExhausted,  // a named bound or quota is reached
  kDeadlineExceeded,   // it took longer than its limit
  kUnavailable,        // a peer or a device does not answer now; trying again may help
  kUnimplemented,      // this peer cannot do it
  kDataLoss,           // stored data is damaged
  kInternal,           // anything else
};

/// The code's name as it stands in logs and tests: "not_found".
std::string_view to_string(Code code);

struct Error {
  Code code = Code::kInternal;
  std::string message;

  friend bool operator==(const Error&, const Error&) = default;
};

template <class T = void>
using Result = std::expected<T, Error>;

/// An error to return: `return fail(Code::kNotFound, "no lease {}", id);`.
template <class... Args>
[[nodiscard]] std::unexpected<Error> fail(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(Error{code, fmt::format(format, std::forward<Args>(args)...)});
}

/// The same error with what was being done in front: "open store.db: permission denied".
template <class... Args>
[[nodiscard]] std::unexpected<Error> wrap(Error error, fmt::format_string<Args...> format, Args&&... args) {
  error.message = fmt::format(format, std::forward<Args>(args)...) + ": " + error.message;
  return std::unexpected(std::move(error));
}

/// An error of the operating system from errno, with what was being done: "open store.db: No such file or
/// directory".
[[nodiscard]] Error system_error(int error_number, std::string_view doing);

}  // namespace cloudless

// TRY(expression) is the value of a Result (or of any std::expected whose error the enclosing function's
// error can be made from), or returns its error from the enclosing function; CO_TRY does the same in a
// coroutine. `auto row = TRY(read(key));`, `TRY(write(row));`
#define CLOUDLESS_TRY_WITH(return_word, ...)                                                             \
  __extension__({                                                                                        \
    auto&& cloudless_result = (__VA_ARGS__);                                                             \
    if (!cloudless_result.has_value()) return_word std::unexpected(std::move(cloudless_result).error()); \
    ::cloudless::detail::unwrap(std::move(cloudless_result));                                            \
  })
#define TRY(...) CLOUDLESS_TRY_WITH(return, __VA_ARGS__)
#define CO_TRY(...) CLOUDLESS_TRY_WITH(co_return, __VA_ARGS__)

namespace cloudless::detail {
template <class T, class E>
T unwrap(std::expected<T, E>&& result) {
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}
template <class T, class E>
T unwrap(std::expected<T, E>& result) {
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}
}  // namespace cloudless::detail

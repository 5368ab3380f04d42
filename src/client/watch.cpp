#include "client/watch.hpp"

#include <boost/json.hpp>

#include "base/strings.hpp"
#include "client/client.hpp"

namespace cloudless::client {

namespace json = boost::json;

std::string_view to_string(EventType type) {
  switch (type) {
    case EventType::kAdded:
      return "ADDED";
    case EventType::kModified:
      return "MODIFIED";
    case EventType::kDeleted:
      return "DELETED";
    case EventType::kBookmark:
      return "BOOKMARK";
  }
  return "ADDED";
}

namespace {

Result<WatchFrame> parse_frame(const std::string& line) {
  boost::system::error_code error;
  json::value parsed = json::parse(line, error);
  if (error || !parsed.is_object())
    return fail(Code::kInternal, "a watch event is not JSON: {}", error.message());
  json::object& frame = parsed.get_object();
  const json::value* type = frame.if_contains("type");
  json::value* object = frame.if_contains("object");
  if (!type || !type->is_string() || !object || !object->is_object()) {
    return fail(Code::kInternal, "a watch event lacks its type or object");
  }
  const std::string_view name = type->get_string();
  if (name == "ERROR") {
    const json::value* code = object->get_object().if_contains("code");
    const int status = code && code->is_int64() ? static_cast<int>(code->get_int64()) : 500;
    return std::unexpected(error_of_status(status, json::serialize(*object)));
  }
  for (const EventType known :
       {EventType::kAdded, EventType::kModified, EventType::kDeleted, EventType::kBookmark}) {
    if (to_string(known) == name)
      return WatchFrame{known, std::make_shared<const json::value>(std::move(*object))};
  }
  return fail(Code::kInternal, "unknown type of watch event {}", quote(name));
}

}  // namespace

WatchStream::WatchStream(net::Response response) : response_(std::move(response)) {}
WatchStream::~WatchStream() = default;

std::optional<std::string> WatchStream::take_line() {
  const size_t end = buffer_.find('\n', scanned_);
  if (end == std::string::npos) {
    scanned_ = buffer_.size();
    return std::nullopt;
  }
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 1);
  scanned_ = 0;
  return line;
}

runtime::Task<Result<std::optional<WatchFrame>>> WatchStream::next() {
  for (;;) {
    if (const std::optional<std::string> line = take_line()) {
      if (trim(*line).empty()) continue;
      co_return CO_TRY(parse_frame(*line));
    }
    if (buffer_.size() > kMaxFrameBytes) {
      co_return fail(Code::kResourceExhausted, "a watch event is larger than {} bytes", kMaxFrameBytes);
    }
    const std::optional<SharedBytes> piece = CO_TRY(co_await response_.body->next());
    if (!piece) {
      if (trim(buffer_).empty()) co_return std::nullopt;
      co_return CO_TRY(parse_frame(std::exchange(buffer_, {})));
    }
    buffer_ += view(*piece);
  }
}

}  // namespace cloudless::client

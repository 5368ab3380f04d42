#include "grpc/status.hpp"

#include <array>
#include <charconv>

#include "net/http.hpp"

namespace cloudless::grpc {

namespace {

constexpr std::array<std::string_view, 17> kNames = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

StatusCode parse_code(std::string_view text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number >= kNames.size()) {
    return StatusCode::kUnknown;
  }
  return static_cast<StatusCode>(number);
}

StatusCode nearest(Code code) {
  switch (code) {
    case Code::kCancelled:
      return StatusCode::kCancelled;
    case Code::kInvalid:
      return StatusCode::kInvalidArgument;
    case Code::kNotFound:
      return StatusCode::kNotFound;
    case Code::kAlreadyExists:
      return StatusCode::kAlreadyExists;
    case Code::kConflict:
      return StatusCode::kFailedPrecondition;
    case Code::kCompacted:
    case Code::kFutureRevision:
      return StatusCode::kOutOfRange;
    case Code::kUnauthenticated:
      return StatusCode::kUnauthenticated;
    case Code::kPermissionDenied:
      return StatusCode::kPermissionDenied;
    case Code::kResourceExhausted:
      return StatusCode::kResourceExhausted;
    case Code::kDeadlineExceeded:
      return StatusCode::kDeadlineExceeded;
    case Code::kUnavailable:
      return StatusCode::kUnavailable;
    case Code::kUnimplemented:
      return StatusCode::kUnimplemented;
    case Code::kDataLoss:
      return StatusCode::kDataLoss;
    case Code::kInternal:
      return StatusCode::kInternal;
  }
  return StatusCode::kUnknown;
}

Code nearest(StatusCode code) {
  switch (code) {
    case StatusCode::kCancelled:
      return Code::kCancelled;
    case StatusCode::kInvalidArgument:
    case StatusCode::kOutOfRange:
      return Code::kInvalid;
    case StatusCode::kDeadlineExceeded:
      return Code::kDeadlineExceeded;
    case StatusCode::kNotFound:
      return Code::kNotFound;
    case StatusCode::kAlreadyExists:
      return Code::kAlreadyExists;
    case StatusCode::kPermissionDenied:
      return Code::kPermissionDenied;
    case StatusCode::kResourceExhausted:
      return Code::kResourceExhausted;
    case StatusCode::kFailedPrecondition:
    case StatusCode::kAborted:
      return Code::kConflict;
    case StatusCode::kUnimplemented:
      return Code::kUnimplemented;
    case StatusCode::kUnavailable:
      return Code::kUnavailable;
    case StatusCode::kDataLoss:
      return Code::kDataLoss;
    case StatusCode::kUnauthenticated:
      return Code::kUnauthenticated;
    case StatusCode::kOk:
    case StatusCode::kUnknown:
    case StatusCode::kInternal:
      break;
  }
  return Code::kInternal;
}

std::optional<char> escaped_byte(std::string_view text) {
  uint8_t byte = 0;
  if (text.size() < 3) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + 3, byte, 16);
  if (error != std::errc() || end != text.data() + 3) return std::nullopt;
  return static_cast<char>(byte);
}

}  // namespace

std::string_view name_of(StatusCode code) { return kNames.at(static_cast<size_t>(code)); }

Status to_status(const Error& error) { return {nearest(error.code), error.message}; }
Error to_error(const Status& status) { return {nearest(status.code), status.message}; }

StatusFields::StatusFields(const Status& status)
    : code(std::to_string(static_cast<int>(status.code))), message(encode_message_text(status.message)) {}

std::optional<Status> find_status(const net::Headers& fields) {
  const auto code = fields.get(kStatusField);
  if (!code) return std::nullopt;
  return Status{parse_code(*code), decode_message_text(fields.get(kMessageField).value_or(""))};
}

Status of_http_status(int status) {
  const auto code = [status] {
    switch (status) {
      case 400:
        return StatusCode::kInternal;
      case 401:
        return StatusCode::kUnauthenticated;
      case 403:
        return StatusCode::kPermissionDenied;
      case 404:
        return StatusCode::kUnimplemented;
      case 429:
      case 502:
      case 503:
      case 504:
        return StatusCode::kUnavailable;
      default:
        return StatusCode::kUnknown;
    }
  };
  return {code(), fmt::format("unexpected HTTP status code received from server: {}", status)};
}

std::string encode_message_text(std::string_view text) {
  std::string out;
  for (const char byte : text) {
    if (byte >= ' ' && byte <= '~' && byte != '%') {
      out.push_back(byte);
    } else {
      out += fmt::format("%{:02X}", static_cast<uint8_t>(byte));
    }
  }
  return out;
}

std::string decode_message_text(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    const auto byte = text[at] == '%' ? escaped_byte(text.substr(at)) : std::nullopt;
    out.push_back(byte.value_or(text[at]));
    if (byte) at += 2;
  }
  return out;
}

}  // namespace cloudless::grpc

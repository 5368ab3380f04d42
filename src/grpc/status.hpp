// Status: how a gRPC call ended (grpc/doc/statuscodes.md), and where it stands on the wire: in the fields
// grpc-status and grpc-message behind an answer, or in its head where the answer is its status alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace cloudless::net {
class Headers;
}

namespace cloudless::grpc {

enum class StatusCode : uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

/// As Go's gRPC writes them, which is what people and dashboards match on: "NotFound".
std::string_view name_of(StatusCode code);

struct Status {
  StatusCode code = StatusCode::kOk;
  std::string message;

  bool ok() const { return code == StatusCode::kOk; }
  friend bool operator==(const Status&, const Status&) = default;
};

/// An error of ours as the nearest status, and a peer's status as the nearest error; a part whose errors say
/// more than their code has functions of its own.
Status to_status(const Error& error);
Error to_error(const Status& status);

inline constexpr std::string_view kStatusField = "grpc-status";
inline constexpr std::string_view kMessageField = "grpc-message";

/// The values of a status's fields; that of grpc-message is empty where there is none.
struct StatusFields {
  explicit StatusFields(const Status& status);
  std::string code;
  std::string message;
};
/// The status in an answer's fields; nothing where they have none. A number that is no code is kUnknown.
std::optional<Status> find_status(const net::Headers& fields);
/// What an HTTP status without gRPC's own means (grpc/doc/http-grpc-status-mapping.md).
Status of_http_status(int status);

/// The value of a grpc-message field: all but printable ASCII, and '%', as %XX.
std::string encode_message_text(std::string_view text);
/// The same back; what is no escape stays as it is.
std::string decode_message_text(std::string_view text);

}  // namespace cloudless::grpc

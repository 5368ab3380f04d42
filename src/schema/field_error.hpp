// FieldError: what is wrong with one field, as validation reports it and Status causes carry it
// (k8s.io/apimachinery/pkg/util/validation/field).
#pragma once

#include <boost/json/fwd.hpp>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cloudless::schema {

/// "spec.template.spec.containers[0].ports[1].name", built step by step. A cheap value.
class Path {
 public:
  Path() = default;
  explicit Path(std::string text) : text_(std::move(text)) {}

  Path child(std::string_view name) const;
  Path index(size_t i) const;
  /// A map's key: metadata.labels[app].
  Path key(std::string_view key) const;
  /// Empty at the top.
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

struct FieldError {
  enum class Type {
    kNotFound,
    kRequired,
    kDuplicate,
    kInvalid,
    kNotSupported,
    kForbidden,
    kTooLong,
    kTooMany,
    kInternal,
    kTypeInvalid,
  };

  Type type = Type::kInvalid;
  std::string field;
  std::string body;  // the message without the field: `Invalid value: "x": must be ...`

  /// "FieldValueInvalid", the reason of a Status cause.
  std::string_view reason() const;
  /// `spec.replicas: Invalid value: -1: must be greater than or equal to 0`.
  std::string message() const { return field + ": " + body; }
  friend bool operator==(const FieldError&, const FieldError&) = default;
};

using FieldErrors = std::vector<FieldError>;

FieldError required(const Path& path, std::string_view detail = "");
FieldError invalid(const Path& path, const boost::json::value& value, std::string_view detail);
FieldError invalid(const Path& path, std::string_view value, std::string_view detail);
inline FieldError invalid(const Path& path, const char* value, std::string_view detail) {
  return invalid(path, std::string_view(value), detail);
}
FieldError type_invalid(const Path& path, const boost::json::value& value, std::string_view detail);
FieldError duplicate(const Path& path, const boost::json::value& value);
FieldError forbidden(const Path& path, std::string_view detail);
FieldError not_found(const Path& path, std::string_view value);
/// `Unsupported value: "x": supported values: "A", "B"`.
FieldError not_supported(const Path& path, std::string_view value,
                         const std::vector<std::string_view>& supported);
FieldError too_long(const Path& path, std::string_view value, size_t max_bytes);
FieldError too_many(const Path& path, size_t count, size_t max);

/// `Deployment.apps "web" is invalid: spec.selector: Required value`; several errors in brackets. The message
/// of the 422 Status that upstream's NewInvalid makes. `group` is empty for the core group.
std::string invalid_message(std::string_view kind, std::string_view group, std::string_view name,
                            const FieldErrors& errors);
/// status.details.causes: [{"reason","message","field"}].
boost::json::array to_causes(const FieldErrors& errors);

}  // namespace cloudless::schema

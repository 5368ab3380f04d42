#include "schema/field_error.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/strings.hpp"
#include "schema/json.hpp"

namespace cloudless::schema {
namespace json = boost::json;
namespace {

/// Upstream shows values of strings quoted, scalars plain and the rest as JSON.
std::string shown(const json::value& value) {
  if (value.is_string()) return quote(value.get_string());
  return serialize_json(value);
}

std::string with_detail(std::string text, std::string_view detail) {
  if (!detail.empty()) text.append(": ").append(detail);
  return text;
}

}  // namespace

Path Path::child(std::string_view name) const {
  return Path(text_.empty() ? std::string(name) : text_ + "." + std::string(name));
}
Path Path::index(size_t i) const { return Path(fmt::format("{}[{}]", text_, i)); }
Path Path::key(std::string_view key) const { return Path(fmt::format("{}[{}]", text_, key)); }

std::string_view FieldError::reason() const {
  switch (type) {
    case Type::kNotFound:
      return "FieldValueNotFound";
    case Type::kRequired:
      return "FieldValueRequired";
    case Type::kDuplicate:
      return "FieldValueDuplicate";
    case Type::kInvalid:
      return "FieldValueInvalid";
    case Type::kNotSupported:
      return "FieldValueNotSupported";
    case Type::kForbidden:
      return "FieldValueForbidden";
    case Type::kTooLong:
      return "FieldValueTooLong";
    case Type::kTooMany:
      return "FieldValueTooMany";
    case Type::kInternal:
      return "InternalError";
    case Type::kTypeInvalid:
      return "FieldValueTypeInvalid";
  }
  return "";
}

FieldError required(const Path& path, std::string_view detail) {
  return {FieldError::Type::kRequired, path.text(), with_detail("Required value", detail)};
}
FieldError invalid(const Path& path, const json::value& value, std::string_view detail) {
  return {FieldError::Type::kInvalid, path.text(), with_detail("Invalid value: " + shown(value), detail)};
}
FieldError invalid(const Path& path, std::string_view value, std::string_view detail) {
  return {FieldError::Type::kInvalid, path.text(), with_detail("Invalid value: " + quote(value), detail)};
}
FieldError type_invalid(const Path& path, const json::value& value, std::string_view detail) {
  return {FieldError::Type::kTypeInvalid, path.text(), with_detail("Invalid value: " + shown(value), detail)};
}
FieldError duplicate(const Path& path, const json::value& value) {
  return {FieldError::Type::kDuplicate, path.text(), "Duplicate value: " + shown(value)};
}
FieldError forbidden(const Path& path, std::string_view detail) {
  return {FieldError::Type::kForbidden, path.text(), with_detail("Forbidden", detail)};
}
FieldError not_found(const Path& path, std::string_view value) {
  return {FieldError::Type::kNotFound, path.text(), "Not found: " + quote(value)};
}
FieldError not_supported(const Path& path, std::string_view value,
                         const std::vector<std::string_view>& supported) {
  std::vector<std::string> names;
  for (const auto name : supported) names.push_back(quote(name));
  return {FieldError::Type::kNotSupported, path.text(),
          fmt::format("Unsupported value: {}: supported values: {}", quote(value), join(names, ", "))};
}
FieldError too_long(const Path& path, std::string_view, size_t max_bytes) {
  return {FieldError::Type::kTooLong, path.text(),
          fmt::format("Too long: may not be more than {} bytes", max_bytes)};
}
FieldError too_many(const Path& path, size_t count, size_t max) {
  return {FieldError::Type::kTooMany, path.text(),
          fmt::format("Too many: {}: must have at most {} items", count, max)};
}

std::string invalid_message(std::string_view kind, std::string_view group, std::string_view name,
                            const FieldErrors& errors) {
  std::string out(kind);
  if (!group.empty()) out.append(".").append(group);
  out += fmt::format(" \"{}\" is invalid", name);
  if (errors.empty()) return out;
  std::vector<std::string> messages;
  for (const FieldError& error : errors) {
    auto message = error.message();
    if (std::find(messages.begin(), messages.end(), message) == messages.end())
      messages.push_back(std::move(message));
  }
  return out + ": " + (messages.size() == 1 ? messages[0] : "[" + join(messages, ", ") + "]");
}

json::array to_causes(const FieldErrors& errors) {
  json::array out;
  for (const FieldError& error : errors) {
    out.push_back({{"reason", error.reason()}, {"message", error.body}, {"field", error.field}});
  }
  return out;
}

}  // namespace cloudless::schema

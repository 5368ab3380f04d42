#include "apiserver/json_fields.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace cloudless::apiserver {

namespace {

int64_t nearest_int64(double number) {
  constexpr double kBeyond = 0x1p63;  // the smallest that does not fit
  if (number >= kBeyond) return std::numeric_limits<int64_t>::max();
  return number < -kBeyond ? std::numeric_limits<int64_t>::min() : static_cast<int64_t>(number);
}

}  // namespace

const json::value* find(const json::object& object, Path path) {
  const json::object* current = &object;
  const json::value* value = nullptr;
  for (std::string_view step : path) {
    if (!current) return nullptr;
    value = current->if_contains(step);
    if (!value) return nullptr;
    current = value->if_object();
  }
  return value;
}

std::string_view text_at(const json::object& object, Path path) {
  const json::value* value = find(object, path);
  return value && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

int64_t number_at(const json::object& object, Path path, int64_t fallback) {
  constexpr uint64_t kGreatest = std::numeric_limits<int64_t>::max();
  const json::value* value = find(object, path);
  if (!value) return fallback;
  if (value->is_int64()) return value->get_int64();
  if (value->is_uint64()) return static_cast<int64_t>(std::min(value->get_uint64(), kGreatest));
  if (value->is_double()) return nearest_int64(value->get_double());
  return fallback;
}

bool truth_at(const json::object& object, Path path) {
  const json::value* value = find(object, path);
  return value && value->is_bool() && value->get_bool();
}

const json::object* object_at(const json::object& object, Path path) {
  const json::value* value = find(object, path);
  return value ? value->if_object() : nullptr;
}

const json::array& array_at(const json::object& object, Path path) {
  static const json::array kNone;
  const json::value* value = find(object, path);
  const json::array* array = value ? value->if_array() : nullptr;
  return array ? *array : kNone;
}

json::object& make_object(json::object& object, Path path) {
  json::object* current = &object;
  for (std::string_view step : path) {
    json::value& value = (*current)[step];
    if (!value.is_object()) value.emplace_object();
    current = &value.get_object();
  }
  return *current;
}

void erase_at(json::object& object, Path path) {
  json::object* current = &object;
  for (auto step = path.begin(); step + 1 != path.end(); ++step) {
    json::value* value = current->if_contains(*step);
    if (!value || !value->is_object()) return;
    current = &value->get_object();
  }
  if (current->contains(*(path.end() - 1))) current->stable_erase(*(path.end() - 1));
}

json::object& metadata(json::object& object) { return make_object(object, {"metadata"}); }

std::string_view name_of(const json::object& object) { return text_at(object, {"metadata", "name"}); }

std::string_view namespace_of(const json::object& object) {
  return text_at(object, {"metadata", "namespace"});
}

uint64_t resource_version_of(const json::object& object) {
  const std::string_view text = text_at(object, {"metadata", "resourceVersion"});
  uint64_t revision = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), revision);
  return error == std::errc() && end == text.data() + text.size() ? revision : 0;
}

void set_resource_version(json::object& object, uint64_t revision) {
  metadata(object)["resourceVersion"] = std::to_string(revision);
}

void copy_member(const json::object& from, json::object& to, std::string_view name) {
  if (const json::value* value = from.if_contains(name)) {
    to[name] = *value;
  } else if (to.contains(name)) {
    to.stable_erase(name);
  }
}

namespace {

const json::value* meaningful(const json::object& object, Path path) {
  const json::value* value = find(object, path);
  if (!value || value->is_null()) return nullptr;
  return value->is_object() && value->get_object().empty() ? nullptr : value;
}

}  // namespace

bool same_at(const json::object& a, const json::object& b, Path path) {
  const json::value* left = meaningful(a, path);
  const json::value* right = meaningful(b, path);
  if (!left || !right) return left == right;
  return *left == *right;
}

}  // namespace cloudless::apiserver

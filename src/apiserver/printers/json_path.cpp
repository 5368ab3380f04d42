#include "apiserver/printers/json_path.hpp"

#include <boost/json.hpp>

#include <charconv>
#include <string>

#include "base/strings.hpp"

namespace cloudless::apiserver {

namespace json = boost::json;

namespace {

std::string_view unquote(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && (text.front() == '\'' || text.front() == '"') && text.back() == text.front()) {
    return text.substr(1, text.size() - 2);
  }
  return text;
}

const json::value* member(const json::value* value, std::string_view name) {
  const json::object* object = value ? value->if_object() : nullptr;
  return object ? object->if_contains(name) : nullptr;
}

// ?(@.type=="Ready"): the first element that has it.
const json::value* filtered(const json::value* value, std::string_view filter) {
  const json::array* array = value ? value->if_array() : nullptr;
  const size_t open = filter.find("@.");
  const size_t equals = filter.find("==");
  const size_t close = filter.rfind(')');
  if (!array || open == std::string_view::npos || equals == std::string_view::npos ||
      close == std::string_view::npos || equals < open || close < equals) {
    return nullptr;
  }
  const std::string_view name = trim(filter.substr(open + 2, equals - open - 2));
  const std::string_view wanted = unquote(filter.substr(equals + 2, close - equals - 2));
  for (const json::value& element : *array) {
    const json::value* found = member(&element, name);
    if (found && found->is_string() && std::string_view(found->get_string()) == wanted) return &element;
  }
  return nullptr;
}

const json::value* element(const json::value* value, std::string_view index) {
  const json::array* array = value ? value->if_array() : nullptr;
  if (!array || array->empty()) return nullptr;
  if (index == "*") return &array->front();
  int64_t number = 0;
  const auto [end, error] = std::from_chars(index.data(), index.data() + index.size(), number);
  if (error != std::errc() || end != index.data() + index.size()) return nullptr;
  if (number < 0) number += static_cast<int64_t>(array->size());
  return number >= 0 && number < static_cast<int64_t>(array->size()) ? &(*array)[static_cast<size_t>(number)]
                                                                     : nullptr;
}

const json::value* subscript(const json::value* value, std::string_view inside) {
  if (inside.starts_with('?')) return filtered(value, inside);
  if (inside.starts_with('\'') || inside.starts_with('"')) return member(value, unquote(inside));
  return element(value, inside);
}

}  // namespace

const json::value* json_path(const json::object& object, std::string_view path) {
  path = trim(path);
  if (path.starts_with('{') && path.ends_with('}')) path = path.substr(1, path.size() - 2);
  if (path.starts_with('$')) path.remove_prefix(1);
  const json::value* value = nullptr;
  bool at_root = true;
  while (!path.empty()) {
    if (path.starts_with('[')) {
      const size_t close = path.starts_with("[?") ? path.find(")]") : path.find(']');
      if (close == std::string_view::npos || at_root) return nullptr;
      const size_t length = path.starts_with("[?") ? close + 1 : close;
      value = subscript(value, path.substr(1, length - 1));
      path.remove_prefix(length + 1);
    } else {
      if (path.starts_with('.')) path.remove_prefix(1);
      // A dot behind a backslash belongs to the name.
      std::string name;
      while (!path.empty() && path.front() != '.' && path.front() != '[') {
        if (path.starts_with("\\.")) path.remove_prefix(1);
        name.push_back(path.front());
        path.remove_prefix(1);
      }
      if (name.empty()) return nullptr;
      value = at_root ? object.if_contains(name) : member(value, name);
      at_root = false;
    }
    if (!value) return nullptr;
  }
  return value;
}

}  // namespace cloudless::apiserver

#include "schema/validation/rules.hpp"

#include <algorithm>

#include "schema/quantity.hpp"

namespace cloudless::schema::validation {

Value member(const Object& object, std::string_view name) {
  const auto* value = get(object, name);
  return value ? *value : Value();
}

bool same_member(const Object& a, const Object& b, std::string_view name) {
  return equal_json(member(a, name), member(b, name));
}

std::string_view Checker::require_text(const Object& object, std::string_view name, const Path& path,
                                       std::string_view detail) {
  const auto text = get_text(object, name);
  if (text.empty()) add(required(path.child(name), detail));
  return text;
}

void Checker::require_name(const Object& object, std::string_view name, const Path& path, NameCheck check) {
  const auto text = require_text(object, name, path);
  if (!text.empty()) add_all(path.child(name), text, check(text));
}

void Checker::check_name(const Object& object, std::string_view name, const Path& path, NameCheck check) {
  const auto text = get_text(object, name);
  if (!text.empty()) add_all(path.child(name), text, check(text));
}

void Checker::not_negative(const Object& object, std::string_view name, const Path& path) {
  const int64_t value = get_int(object, name);
  if (value < 0) add(invalid(path.child(name), Value(value), kNotNegative));
}

void Checker::positive(const Object& object, std::string_view name, const Path& path) {
  const auto* value = get(object, name);
  if (value && value->is_int64() && value->get_int64() <= 0)
    add(invalid(path.child(name), *value, kPositive));
}

void Checker::require_one_of(std::string_view value, const Path& path,
                             std::vector<std::string_view> allowed) {
  if (std::find(allowed.begin(), allowed.end(), value) == allowed.end())
    add(not_supported(path, value, allowed));
}

void Checker::labels(const Object* labels, const Path& path) {
  if (!labels) return;
  for (const auto& entry : *labels) {
    add_all(path, entry.key(), check_qualified_name(entry.key()));
    if (entry.value().is_string())
      add_all(path, entry.value().get_string(), check_label_value(entry.value().get_string()));
  }
}

void Checker::label_selector(const Object* selector, const Path& path) {
  if (!selector) return;
  labels(get_object(*selector, "matchLabels"), path.child("matchLabels"));
  const auto* expressions = get_array(*selector, "matchExpressions");
  for (size_t i = 0; expressions && i < expressions->size(); ++i) {
    const auto* expression = (*expressions)[i].if_object();
    if (!expression) continue;
    const Path at = path.child("matchExpressions").index(i);
    const auto op = get_text(*expression, "operator");
    const auto* values = get_array(*expression, "values");
    const bool some = values && !values->empty();
    if ((op == "In" || op == "NotIn") && !some) {
      add(required(at.child("values"), "must be specified when `operator` is 'In' or 'NotIn'"));
    } else if ((op == "Exists" || op == "DoesNotExist") && some) {
      add(forbidden(at.child("values"),
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
    } else if (op != "In" && op != "NotIn" && op != "Exists" && op != "DoesNotExist") {
      add(invalid(at.child("operator"), op, "not a valid selector operator"));
    }
    add_all(at.child("key"), get_text(*expression, "key"),
            check_qualified_name(get_text(*expression, "key")));
  }
}

void Checker::port_or_name(const Value* port, const Path& path) {
  if (!port) return;
  if (port->is_int64()) {
    for (const auto& complaint : check_port_number(port->get_int64())) add(invalid(path, *port, complaint));
  } else {
    add_all(path, text_of(port), check_port_name(text_of(port)));
  }
}

void Checker::int_or_percent(const Value* value, const Path& path) {
  if (!value) return;
  if (value->is_int64()) {
    if (value->get_int64() < 0) add(invalid(path, *value, kNotNegative));
    return;
  }
  const auto text = text_of(value);
  const bool percent = text.size() > 1 && text.back() == '%' &&
                       std::all_of(text.begin(), text.end() - 1, [](char c) { return c >= '0' && c <= '9'; });
  if (!percent) {
    add(invalid(path, text,
                "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or "
                "'93%', regex used for validation is '[0-9]+%')"));
  }
}

void Checker::quantity_not_negative(const Value& quantity, const Path& path) {
  const auto parsed = parse_quantity(text_of(&quantity));
  if (parsed && parsed->nanos < 0) add(invalid(path, quantity, kNotNegative));
}

void Checker::immutable(const Object& next, const Object& old, std::string_view name, const Path& path,
                        std::string_view detail) {
  if (!same_member(next, old, name)) add(invalid(path.child(name), member(next, name), detail));
}

}  // namespace cloudless::schema::validation

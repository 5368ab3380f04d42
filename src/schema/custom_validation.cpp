// OpenAPI v3 validation of custom resources, with the errors that kube-openapi and apiextensions-apiserver
// make.
#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <set>

#include "base/clock.hpp"
#include "base/encoding.hpp"
#include "base/strings.hpp"
#include "schema/constraints.hpp"
#include "schema/json.hpp"
#include "schema/names.hpp"
#include "schema/object_util.hpp"
#include "schema/validation.hpp"

namespace cloudless::schema {
namespace json = boost::json;
namespace {

std::string_view type_name(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "boolean";
    case json::kind::string:
      return "string";
    case json::kind::array:
      return "array";
    case json::kind::object:
      return "object";
    case json::kind::double_:
      return std::floor(value.get_double()) == value.get_double() ? "integer" : "number";
    default:
      return "integer";
  }
}

size_t length_in_characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !std::isxdigit(static_cast<unsigned char>(text[i]))) return false;
  }
  return true;
}

/// Formats that upstream knows; all others are not checked.
bool matches_format(std::string_view format, std::string_view text) {
  if (format == "date-time" || format == "datetime") return parse_rfc3339(text).has_value();
  if (format == "date")
    return text.size() == 10 && parse_rfc3339(std::string(text) + "T00:00:00Z").has_value();
  if (format == "duration") return parse_duration(text).has_value();
  if (format == "ipv4") return is_ipv4(text);
  if (format == "ipv6") return is_ipv6(text);
  if (format == "cidr") return check_cidr(text).empty();
  if (format == "uuid" || format == "uuid3" || format == "uuid4" || format == "uuid5") return is_uuid(text);
  if (format == "byte") return base64_decode(text).has_value();
  if (format == "hostname") return check_dns1123_subdomain(to_lower(text)).empty();
  if (format == "email")
    return text.find('@') != std::string_view::npos && text.front() != '@' && text.back() != '@';
  if (format == "uri") return text.find(':') != std::string_view::npos || text.starts_with('/');
  return true;
}

class Validator {
 public:
  FieldErrors errors;

  void check(const json::value& value, const Constraints& rules, const Path& path) {
    if (value.is_null() && rules.nullable) return;
    if (!check_type(value, rules, path)) return;
    if (!rules.enumeration.empty()) check_enum(value, rules, path);
    if (value.is_number()) check_number(value, rules, path);
    if (value.is_string()) check_string(value.get_string(), rules, path);
    if (value.is_array()) check_array(value.get_array(), rules, path);
    if (value.is_object()) check_object(value.get_object(), rules, path);
    check_junctors(value, rules, path);
  }

 private:
  template <class... Args>
  void add(const Path& path, const json::value& value, fmt::format_string<Args...> format, Args&&... args) {
    errors.push_back(
        invalid(path, value, path.text() + " in body " + fmt::format(format, std::forward<Args>(args)...)));
  }

  bool check_type(const json::value& value, const Constraints& rules, const Path& path) {
    const auto actual = type_name(value);
    std::string_view wanted = rules.type;
    bool good = wanted.empty() || wanted == actual || (wanted == "number" && actual == "integer");
    if (rules.int_or_string) {
      wanted = "integer,string";
      good = actual == "integer" || actual == "string";
    }
    // Without a type only null is out of place, unless unknown values are kept.
    if (value.is_null() && rules.type.empty() && !rules.int_or_string) good = true;
    if (good) return true;
    errors.push_back(
        type_invalid(path, json::value(actual),
                     fmt::format("{} in body must be of type {}: \"{}\"", path.text(), wanted, actual)));
    return false;
  }

  void check_enum(const json::value& value, const Constraints& rules, const Path& path) {
    for (const json::value& allowed : rules.enumeration) {
      if (equal_json(value, allowed)) return;
    }
    std::vector<std::string> texts;
    for (const json::value& allowed : rules.enumeration) {
      texts.push_back(allowed.is_string() ? std::string(allowed.get_string()) : serialize_json(allowed));
    }
    const std::string shown = value.is_string() ? std::string(value.get_string()) : serialize_json(value);
    errors.push_back(not_supported(path, shown, {texts.begin(), texts.end()}));
  }

  void check_number(const json::value& value, const Constraints& rules, const Path& path) {
    const double number = value.to_number<double>();
    const auto shown = [](double bound) {
      std::string out;
      append_json_double(bound, out);
      return out;
    };
    if (rules.minimum && (number < *rules.minimum || (rules.exclusive_minimum && number == *rules.minimum))) {
      add(path, value, "should be greater than{} {}", rules.exclusive_minimum ? "" : " or equal to",
          shown(*rules.minimum));
    }
    if (rules.maximum && (number > *rules.maximum || (rules.exclusive_maximum && number == *rules.maximum))) {
      add(path, value, "should be less than{} {}", rules.exclusive_maximum ? "" : " or equal to",
          shown(*rules.maximum));
    }
    if (rules.multiple_of && *rules.multiple_of > 0) {
      const double quotient = number / *rules.multiple_of;
      if (std::fabs(quotient - std::round(quotient)) > 1e-9 * std::max(1.0, std::fabs(quotient))) {
        add(path, value, "should be a multiple of {}", shown(*rules.multiple_of));
      }
    }
    if (rules.format == "int32" && (number < -2147483648.0 || number > 2147483647.0)) {
      add(path, value, "must be of type int32: \"{}\"", serialize_json(value));
    }
  }

  void check_string(std::string_view text, const Constraints& rules, const Path& path) {
    const auto length = static_cast<int64_t>(length_in_characters(text));
    const json::value value(text);
    if (rules.max_length && length > *rules.max_length) {
      errors.push_back(too_long(path, text, static_cast<size_t>(*rules.max_length)));
    }
    if (rules.min_length && length < *rules.min_length) {
      add(path, value, "should be at least {} chars long", *rules.min_length);
    }
    if (rules.compiled_pattern && !rules.compiled_pattern->is_found_in(text)) {
      add(path, value, "should match '{}'", rules.pattern);
    }
    if (!rules.format.empty() && !rules.int_or_string && !matches_format(rules.format, text)) {
      add(path, value, "must be of type {}: {}", rules.format, quote(text));
    }
  }

  void check_array(const json::array& array, const Constraints& rules, const Path& path) {
    const auto count = static_cast<int64_t>(array.size());
    if (rules.max_items && count > *rules.max_items) {
      errors.push_back(too_many(path, array.size(), static_cast<size_t>(*rules.max_items)));
    }
    if (rules.min_items && count < *rules.min_items)
      add(path, array, "should have at least {} items", *rules.min_items);
    check_unique(array, rules, path);
    if (!rules.items) return;
    for (size_t i = 0; i < array.size(); ++i) check(array[i], *rules.items, path.index(i));
  }

  void check_unique(const json::array& array, const Constraints& rules, const Path& path) {
    if (rules.list_type != "set" && rules.list_type != "map") return;
    std::set<std::string> seen;
    for (size_t i = 0; i < array.size(); ++i) {
      json::value identity = array[i];
      if (rules.list_type == "map") {
        const auto* object = array[i].if_object();
        json::object keys;
        for (const auto& key : rules.list_map_keys) {
          if (const auto* value = object ? get(*object, key) : nullptr) keys[key] = *value;
        }
        identity = std::move(keys);
      }
      sort_keys(identity);
      if (!seen.insert(serialize_json(identity)).second) errors.push_back(duplicate(path.index(i), identity));
    }
  }

  void check_object(const json::object& object, const Constraints& rules, const Path& path) {
    const auto count = static_cast<int64_t>(object.size());
    if (rules.max_properties && count > *rules.max_properties) {
      errors.push_back(too_many(path, object.size(), static_cast<size_t>(*rules.max_properties)));
    }
    if (rules.min_properties && count < *rules.min_properties) {
      add(path, object, "should have at least {} properties", *rules.min_properties);
    }
    for (const auto& name : rules.required) {
      if (!object.contains(name)) errors.push_back(required(path.child(name)));
    }
    if (rules.embedded_resource) {
      for (const auto name : {"apiVersion", "kind"}) {
        if (get_text(object, name).empty()) errors.push_back(required(path.child(name), "must not be empty"));
      }
    }
    for (const auto& entry : object) {
      const auto known = rules.properties.find(entry.key());
      if (known != rules.properties.end()) {
        check(entry.value(), *known->second, path.child(entry.key()));
      } else if (rules.additional) {
        check(entry.value(), *rules.additional, path.child(entry.key()));
      }
    }
  }

  static bool passes(const json::value& value, const Constraints& rules, const Path& path) {
    Validator inner;
    inner.check(value, rules, path);
    return inner.errors.empty();
  }

  void check_junctors(const json::value& value, const Constraints& rules, const Path& path) {
    const auto passing = [&](const std::vector<std::unique_ptr<Constraints>>& list) {
      return std::count_if(list.begin(), list.end(),
                           [&](const auto& one) { return passes(value, *one, path); });
    };
    const std::string name = path.text().empty() ? "<nil>" : path.text();
    const auto complain = [&](const std::string& what) {
      errors.push_back(invalid(path, value, fmt::format("\"{}\" {}", name, what)));
    };
    for (const auto& part : rules.all_of) check(value, *part, path);
    if (!rules.any_of.empty() && passing(rules.any_of) == 0)
      complain("must validate at least one schema (anyOf)");
    if (!rules.one_of.empty()) {
      const auto hits = passing(rules.one_of);
      if (hits == 0) complain("must validate one and only one schema (oneOf). Found none valid");
      if (hits > 1)
        complain(
            fmt::format("must validate one and only one schema (oneOf). Found {} valid alternatives", hits));
    }
    if (rules.negated && passes(value, *rules.negated, path)) complain("must not validate the schema (not)");
  }
};

}  // namespace

FieldErrors validate_custom(const json::value& value, const Schema& schema, const Path& path) {
  if (!schema.constraints) return {};
  Validator validator;
  validator.check(value, *schema.constraints, path);
  return std::move(validator.errors);
}

}  // namespace cloudless::schema

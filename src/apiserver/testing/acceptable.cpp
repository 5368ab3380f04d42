#include "apiserver/testing/acceptable.hpp"

#include <map>
#include <ranges>
#include <vector>

#include "api/testing/filler.hpp"
#include "schema/object_util.hpp"

namespace cloudless::apiserver::testing {

namespace json = boost::json;
using schema::Form;
using schema::Schema;

namespace {

using Steps = std::vector<std::string>;

// "a.b[0].c[k.l]" as a, b, 0, c, k.l.
Steps parse_path(std::string_view text) {
  Steps steps;
  std::string step;
  bool bracket = false;
  const auto finish = [&] {
    if (!step.empty()) steps.push_back(std::exchange(step, {}));
  };
  for (const char c : text) {
    if (c == '[' && !bracket) {
      finish();
      bracket = true;
    } else if (c == ']' && bracket) {
      finish();
      bracket = false;
    } else if (c == '.' && !bracket) {
      finish();
    } else {
      step += c;
    }
  }
  finish();
  return steps;
}

json::value* child(json::value& parent, const std::string& step) {
  if (json::object* object = parent.if_object()) return object->if_contains(step);
  json::array* array = parent.if_array();
  if (!array || step.find_first_not_of("0123456789") != std::string::npos) return nullptr;
  const size_t index = std::stoul(step);
  return index < array->size() ? &(*array)[index] : nullptr;
}

json::value* resolve(json::value& root, const Steps& steps) {
  json::value* value = &root;
  for (const std::string& step : steps) {
    if (value) value = child(*value, step);
  }
  return value;
}

// The field that the path ends at, or null for items and what the schema does not know.
const schema::Field* field_at(const Schema& kind, const Steps& steps) {
  const Schema* type = &kind;
  const schema::Field* field = nullptr;
  for (const std::string& step : steps) {
    if (!type) return nullptr;
    field = type->form == Form::kStruct ? type->find(step) : nullptr;
    type = field ? field->type : type->items;
  }
  return field;
}

// What most formats are satisfied by, tried in this order.
constexpr std::string_view kTexts[] = {"example.com/name",
                                       "10.9.8.7",
                                       "10.9.0.0/16",
                                       "/path",
                                       "name",
                                       "https://a.example/x",
                                       "example.com",
                                       "50%",
                                       "80",
                                       "a-b",
                                       "1Gi",
                                       "0 0 * * *",
                                       "Name",
                                       "IPv4",
                                       "kubernetes.io/metadata.name",
                                       "0",
                                       "2.0.0"};
constexpr int kNumbers[] = {1, 80, 0, 10, 100, 3600, 65535};

class Settler {
 public:
  Settler(json::object object, const Schema& kind) : kind_(kind), root_(std::move(object)) {}

  const json::object& object() const { return root_.get_object(); }

  void heed(const json::array& causes) {
    // Backwards, so that what stands behind an item that goes is dealt with before.
    for (const json::value& cause : causes | std::views::reverse) heed(cause.as_object());
  }

 private:
  void heed(const json::object& cause) {
    const std::string path(schema::get_text(cause, "field"));
    const std::string_view reason = schema::get_text(cause, "reason");
    Steps steps = parse_path(path);
    const int attempt = attempts_[path]++;
    json::value* value = resolve(root_, steps);
    if (!value) {
      const schema::Field* field =
          reason == "FieldValueRequired" && attempt == 0 ? field_at(kind_, steps) : nullptr;
      if (!field || !insert(steps, *field)) erase_parent(std::move(steps));
    } else if (reason == "FieldValueNotSupported") {
      if (!support(*value, schema::get_text(cause, "message"), attempt)) erase(steps);
    } else if (reason != "FieldValueInvalid" || !replace(*value, attempt)) {
      erase(steps);
    }
  }

  bool insert(Steps steps, const schema::Field& field) {
    const std::string name = steps.back();
    steps.pop_back();
    json::value* parent = resolve(root_, steps);
    if (!parent || !parent->is_object()) return false;
    parent->get_object()[name] = api::testing::Filler(api::testing::Unions::kOne).member(field);
    return true;
  }

  // `Unsupported value: "x": supported values: "A", "B"`.
  static bool support(json::value& value, std::string_view message, int attempt) {
    std::vector<std::string> supported;
    size_t at = message.find("supported values: ");
    while (at != std::string_view::npos && (at = message.find('"', at)) != std::string_view::npos) {
      const size_t end = message.find('"', at + 1);
      if (end == std::string_view::npos) break;
      supported.emplace_back(message.substr(at + 1, end - at - 1));
      at = end + 1;
    }
    if (static_cast<size_t>(attempt) >= supported.size()) return false;
    value = json::value(supported[static_cast<size_t>(attempt)]);
    return true;
  }

  static bool replace(json::value& value, int attempt) {
    if (value.is_string() && attempt < static_cast<int>(std::size(kTexts))) {
      value = json::value(kTexts[attempt]);
      return true;
    }
    if (value.is_int64() && attempt < static_cast<int>(std::size(kNumbers))) {
      value = kNumbers[attempt];
      return true;
    }
    if (value.is_bool() && attempt == 0) {
      value = !value.get_bool();
      return true;
    }
    return false;
  }

  void erase_parent(Steps steps) {
    if (steps.size() > 1) steps.pop_back();
    while (steps.size() > 1 && !resolve(root_, steps)) steps.pop_back();
    erase(steps);
  }

  // What is left empty goes, too: an empty list says no more than none.
  void erase(Steps steps) {
    const std::string last = steps.back();
    steps.pop_back();
    json::value* parent = resolve(root_, steps);
    if (!parent) return;
    if (json::object* object = parent->if_object()) {
      object->erase(last);
    } else if (json::array* array = parent->if_array(); array && child(*parent, last)) {
      array->erase(array->begin() + static_cast<std::ptrdiff_t>(std::stoul(last)));
    }
    const bool empty = parent->is_object() ? parent->get_object().empty() : parent->as_array().empty();
    if (empty && !steps.empty()) erase(steps);
  }

  const Schema& kind_;
  json::value root_;
  std::map<std::string, int> attempts_;
};

}  // namespace

json::value* value_at(json::value& object, const std::string& path) {
  return resolve(object, parse_path(path));
}

Result<json::object> acceptable(json::object object, const Schema& kind, const Submit& submit) {
  Settler settler(std::move(object), kind);
  TestResponse answer;
  for (int i = 0; i < kMaxRefusals; ++i) {
    answer = submit(settler.object());
    if (answer.status < 300) return settler.object();
    json::error_code error;
    const json::value status = json::parse(answer.body, error);
    const json::value* causes = error ? nullptr : schema::dig(&status, {"details", "causes"});
    if (answer.status != 422 || !causes) break;
    settler.heed(causes->as_array());
  }
  return fail(Code::kInvalid, "{} is refused for good: {} {}\n{}", kind.name, answer.status, answer.body,
              json::serialize(settler.object()));
}

}  // namespace cloudless::apiserver::testing

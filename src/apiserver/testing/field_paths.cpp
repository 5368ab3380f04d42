#include "apiserver/testing/field_paths.hpp"

#include <algorithm>
#include <vector>

namespace cloudless::apiserver::testing {

namespace json = boost::json;
using schema::Field;
using schema::Form;
using schema::Schema;

namespace {

bool holds_schema(Form form) {
  return form == Form::kSchemaOrArray || form == Form::kSchemaOrBool || form == Form::kSchemaOrStrings;
}

class Described {
 public:
  void walk(const Schema& type, const std::string& path) {
    if (type.form == Form::kList) {
      walk(*type.items, path + "[]");
    } else if (type.form == Form::kMap) {
      walk(*type.items, path + "{}");
    } else if (type.form != Form::kStruct || std::ranges::find(inside_, &type) != inside_.end()) {
      paths_.insert(path);
    } else {
      inside_.push_back(&type);
      for (const Field& field : type.fields) walk(*field.type, path + "." + std::string(field.name));
      inside_.pop_back();
    }
  }
  FieldPaths take() { return std::move(paths_); }

 private:
  std::vector<const Schema*> inside_;
  FieldPaths paths_;
};

class Set {
 public:
  void walk(const json::value& value, const Schema& type, const std::string& path) {
    if (value.is_null()) return;
    const json::object* object = value.if_object();
    if (const json::array* array = value.if_array(); array && type.form == Form::kList) {
      for (const json::value& item : *array) walk(item, *type.items, path + "[]");
    } else if (object && type.form == Form::kMap) {
      for (const auto& [key, item] : *object) walk(item, *type.items, path + "{}");
    } else if (object && type.form == Form::kStruct) {
      walk_struct(*object, type, path);
    } else {
      paths_.insert(path);
      if (object && holds_schema(type.form)) walk_struct(*object, *type.items, path);
    }
  }
  FieldPaths take() { return std::move(paths_); }

 private:
  void walk_struct(const json::object& object, const Schema& type, const std::string& path) {
    const auto outer = std::ranges::find(inside_, &type, &std::pair<const Schema*, std::string>::first);
    std::string base = path;
    if (outer != inside_.end()) {
      paths_.insert(path);
      base = outer->second;
    }
    inside_.emplace_back(&type, base);
    for (const auto& [name, member] : object) {
      if (const Field* field = type.find(name)) walk(member, *field->type, base + "." + std::string(name));
    }
    inside_.pop_back();
  }

  std::vector<std::pair<const Schema*, std::string>> inside_;
  FieldPaths paths_;
};

bool is_of_every_kind(std::string_view name) {
  return name == "kind" || name == "apiVersion" || name == "metadata";
}

}  // namespace

FieldPaths described_paths(const Schema& kind) {
  Described described;
  for (const Field& field : kind.fields) {
    if (!is_of_every_kind(field.name)) described.walk(*field.type, std::string(field.name));
  }
  return described.take();
}

FieldPaths set_paths(const json::object& object, const Schema& kind) {
  Set set;
  for (const auto& [name, member] : object) {
    const Field* field = kind.find(name);
    if (field && !is_of_every_kind(name)) set.walk(member, *field->type, std::string(name));
  }
  return set.take();
}

}  // namespace cloudless::apiserver::testing

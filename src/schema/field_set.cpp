#include "schema/field_set.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "base/strings.hpp"
#include "schema/json.hpp"
#include "schema/object_util.hpp"

namespace cloudless::schema {
namespace json = boost::json;

const FieldSet* FieldSet::find(std::string_view element) const {
  const auto hit = children.find(element);
  return hit == children.end() ? nullptr : &hit->second;
}

void FieldSet::insert(const std::vector<std::string>& path) {
  FieldSet* at = this;
  for (const auto& element : path) at = &at->children[element];
  at->member = true;
}

void FieldSet::merge(const FieldSet& other) {
  member |= other.member;
  for (const auto& [element, child] : other.children) children[element].merge(child);
}

void FieldSet::subtract(const FieldSet& other) {
  if (other.member) member = false;
  for (const auto& [element, child] : other.children) {
    const auto hit = children.find(element);
    if (hit == children.end()) continue;
    hit->second.subtract(child);
    if (hit->second.empty()) children.erase(hit);
  }
}

FieldSet FieldSet::intersection(const FieldSet& other) const {
  FieldSet out;
  out.member = member && other.member;
  for (const auto& [element, child] : children) {
    if (const FieldSet* match = other.find(element)) {
      FieldSet both = child.intersection(*match);
      if (!both.empty()) out.children.emplace(element, std::move(both));
    }
  }
  return out;
}

namespace {

/// `f:name` as ".name", `k:{"a":1}` as `[a=1]`, `v:"x"` as `[="x"]`, `i:0` as "[0]".
std::string element_text(std::string_view element) {
  const auto body = element.size() > 2 ? element.substr(2) : std::string_view();
  switch (element.empty() ? '\0' : element[0]) {
    case 'f':
      return "." + std::string(body);
    case 'v':
      return "[=" + std::string(body) + "]";
    case 'i':
      return "[" + std::string(body) + "]";
    default:
      break;
  }
  const auto keys = parse_json(body);
  std::vector<std::string> parts;
  if (keys && keys->is_object()) {
    for (const auto& entry : keys->get_object())
      parts.push_back(std::string(entry.key()) + "=" + serialize_json(entry.value()));
  }
  return "[" + join(parts, ",") + "]";
}

void collect_paths(const FieldSet& set, const std::string& prefix, std::vector<std::string>& out) {
  if (set.member && !prefix.empty()) out.push_back(prefix);
  for (const auto& [element, child] : set.children) collect_paths(child, prefix + element_text(element), out);
}

Result<FieldSet> parse_node(const json::value& value, size_t depth) {
  const auto* object = value.if_object();
  if (!object || depth > kMaxDepth) return fail(Code::kInvalid, "fieldsV1 must be nested objects");
  FieldSet out;
  for (const auto& entry : *object) {
    const std::string_view key = entry.key();
    if (key == ".") {
      out.member = true;
      continue;
    }
    if (key.size() < 2 || key[1] != ':' || std::string_view("fkvi").find(key[0]) == std::string_view::npos) {
      return fail(Code::kInvalid, "unknown path element {} in fieldsV1", quote(key));
    }
    FieldSet child = TRY(parse_node(entry.value(), depth + 1));
    if (child.children.empty()) child.member = true;
    out.children.emplace(std::string(key), std::move(child));
  }
  return out;
}

}  // namespace

std::vector<std::string> FieldSet::paths() const {
  std::vector<std::string> out;
  collect_paths(*this, "", out);
  return out;
}

Result<FieldSet> parse_field_set(const json::value& fields_v1) { return parse_node(fields_v1, 0); }

json::value to_fields_v1(const FieldSet& set) {
  json::object out;
  if (set.member && !set.children.empty()) out.emplace(".", json::object());
  for (const auto& [element, child] : set.children) out.emplace(element, to_fields_v1(child));
  return out;
}

namespace {

/// The value of a list's map key in an item, or the key's default, or null.
json::value key_value(const json::object& item, const Schema& item_schema, std::string_view key) {
  if (const json::value* given = get(item, key)) return *given;
  for (const Default& rule : item_schema.defaults) {
    if (rule.path == key) return parse_json(rule.json).value_or(json::value());
  }
  const Field* field = item_schema.find(key);
  if (field && !field->default_json.empty()) return parse_json(field->default_json).value_or(json::value());
  return nullptr;
}

}  // namespace

std::string list_element(const json::value& item, const Schema& list) {
  if (list.list_type == ListType::kSet) return "v:" + serialize_json(item);
  const auto* object = item.if_object();
  if (!object) return "v:" + serialize_json(item);
  auto names = split(list.list_map_keys, ',');
  std::sort(names.begin(), names.end());
  json::object keys;
  for (const auto name : names) {
    json::value value = key_value(*object, *list.items, name);
    if (!value.is_null()) keys[name] = std::move(value);
  }
  return "k:" + serialize_json(keys);
}

Granularity granularity(const json::value& value, const Schema& schema, const Field* field) {
  if (value.is_object()) {
    const bool atomic = field && field->has(Field::kGranularMap) ? false
                        : field && field->has(Field::kAtomicMap) ? true
                                                                 : schema.atomic_map;
    if (atomic) return Granularity::kLeaf;
    if (schema.form == Form::kStruct) return Granularity::kStruct;
    if (schema.form == Form::kMap) return Granularity::kMap;
    if (schema.form == Form::kAny) return Granularity::kMap;
    return Granularity::kLeaf;
  }
  if (value.is_array() && schema.form == Form::kList) {
    if (schema.list_type == ListType::kMap) return Granularity::kListMap;
    if (schema.list_type == ListType::kSet) return Granularity::kListSet;
  }
  return Granularity::kLeaf;
}

MemberType member_type(const Schema& schema, std::string_view name) {
  if (schema.form == Form::kMap && schema.items) return {schema.items, nullptr};
  if (const Field* field = schema.find(name)) return {field->type, field};
  if (schema.additional) return {schema.additional, nullptr};
  if (schema.is_kind || schema.embedded_resource) {
    if (name == "kind" || name == "apiVersion") return {&kString, nullptr};
  }
  return {&kAny, nullptr};
}

namespace {

bool is_list(Granularity kind) { return kind == Granularity::kListMap || kind == Granularity::kListSet; }

/// sigs.k8s.io/structured-merge-diff ToFieldSet.
void collect_fields(const json::value& value, const Schema& schema, const Field* field, FieldSet& out) {
  const Granularity kind = granularity(value, schema, field);
  if (kind == Granularity::kLeaf) {
    out.member = true;
  } else if (is_list(kind)) {
    for (const json::value& item : value.get_array()) {
      FieldSet& child = out.children[list_element(item, schema)];
      child.member = true;
      if (kind == Granularity::kListMap) collect_fields(item, *schema.items, nullptr, child);
    }
  } else {
    for (const auto& entry : value.get_object()) {
      const MemberType type = member_type(schema, entry.key());
      FieldSet& child = out.children["f:" + std::string(entry.key())];
      const bool empty_map = entry.value().is_object() && entry.value().get_object().empty();
      if (entry.value().is_null() || empty_map || !type.field) child.member = true;
      if (!entry.value().is_null()) collect_fields(entry.value(), *type.schema, type.field, child);
      if (child.empty()) out.children.erase("f:" + std::string(entry.key()));
    }
  }
}

/// Everything below, containers too: for what is wholly new or wholly gone.
void collect_all(const json::value& value, const Schema& schema, const Field* field, FieldSet& out) {
  out.member = true;
  const Granularity kind = granularity(value, schema, field);
  if (is_list(kind)) {
    for (const json::value& item : value.get_array()) {
      FieldSet& child = out.children[list_element(item, schema)];
      child.member = true;
      if (kind == Granularity::kListMap) collect_all(item, *schema.items, nullptr, child);
    }
  } else if (kind != Granularity::kLeaf) {
    for (const auto& entry : value.get_object()) {
      if (entry.value().is_null()) continue;
      const MemberType type = member_type(schema, entry.key());
      collect_all(entry.value(), *type.schema, type.field, out.children["f:" + std::string(entry.key())]);
    }
  }
}

class Comparer {
 public:
  void value(const json::value* before, const json::value* after, const Schema& schema, const Field* field,
             std::vector<std::string>& path, Comparison& out) {
    if (!before && !after) return;
    if (!before) return collect_all(*after, schema, field, at(out.added, path));
    if (!after) return collect_all(*before, schema, field, at(out.removed, path));
    const Granularity kind = granularity(*after, schema, field);
    if (before->is_null() || after->is_null() || kind != granularity(*before, schema, field) ||
        kind == Granularity::kLeaf) {
      return leaf(*before, *after, schema, field, path, out);
    }
    if (is_list(kind)) return list(before->get_array(), after->get_array(), schema, kind, path, out);
    object(before->get_object(), after->get_object(), schema, path, out);
  }

 private:
  static FieldSet& at(FieldSet& set, const std::vector<std::string>& path) {
    FieldSet* node = &set;
    for (const auto& element : path) node = &node->children[element];
    return *node;
  }

  static void leaf(const json::value& before, const json::value& after, const Schema& schema,
                   const Field* field, const std::vector<std::string>& path, Comparison& out) {
    if (equal_json(before, after)) return;
    if (before.is_null() && !after.is_null()) {
      // A list or map that Go writes as null was there before: only what is in it is new.
      FieldSet& node = at(out.added, path);
      collect_all(after, schema, field, node);
      node.member = node.children.empty();
    } else if (after.is_null()) {
      FieldSet& node = at(out.removed, path);
      collect_all(before, schema, field, node);
      node.member = node.children.empty();
    } else {
      at(out.modified, path).member = true;
    }
  }

  void list(const json::array& before, const json::array& after, const Schema& schema, Granularity kind,
            std::vector<std::string>& path, Comparison& out) {
    std::map<std::string, std::pair<const json::value*, const json::value*>> items;
    for (const json::value& item : before) items[list_element(item, schema)].first = &item;
    for (const json::value& item : after) items[list_element(item, schema)].second = &item;
    for (const auto& [element, pair] : items) {
      path.push_back(element);
      if (kind == Granularity::kListMap || !pair.first || !pair.second) {
        value(pair.first, pair.second, *schema.items, nullptr, path, out);
      }
      path.pop_back();
    }
  }

  void object(const json::object& before, const json::object& after, const Schema& schema,
              std::vector<std::string>& path, Comparison& out) {
    const auto member = [&](std::string_view key, const json::value* old_value,
                            const json::value* new_value) {
      const MemberType type = member_type(schema, key);
      path.push_back("f:" + std::string(key));
      value(old_value, new_value, *type.schema, type.field, path, out);
      path.pop_back();
    };
    for (const auto& entry : before) member(entry.key(), &entry.value(), after.if_contains(entry.key()));
    for (const auto& entry : after) {
      if (!before.contains(entry.key())) member(entry.key(), nullptr, &entry.value());
    }
  }
};

}  // namespace

FieldSet fields_of(const json::value& object, const Schema& schema) {
  FieldSet out;
  collect_fields(object, schema, nullptr, out);
  return out;
}

Comparison compare_fields(const json::value& old_object, const json::value& new_object,
                          const Schema& schema) {
  Comparison out;
  std::vector<std::string> path;
  Comparer().value(&old_object, &new_object, schema, nullptr, path, out);
  return out;
}

namespace {

json::value merge_values(const json::value& live, const json::value& config, const Schema& schema,
                         const Field* field);

/// Items of the configuration in its order, those that only the live list has where they stood.
json::value merge_lists(const json::array& live, const json::array& config, const Schema& schema,
                        Granularity kind) {
  std::map<std::string, size_t> live_at, config_at;
  for (size_t i = 0; i < live.size(); ++i) live_at.emplace(list_element(live[i], schema), i);
  for (size_t i = 0; i < config.size(); ++i) config_at.emplace(list_element(config[i], schema), i);
  json::array out;
  const auto take_config = [&](size_t i) {
    const auto match = live_at.find(list_element(config[i], schema));
    const bool merge = match != live_at.end() && kind == Granularity::kListMap;
    out.push_back(merge ? merge_values(live[match->second], config[i], *schema.items, nullptr) : config[i]);
  };
  size_t next_config = 0;
  for (const json::value& item : live) {
    const auto match = config_at.find(list_element(item, schema));
    if (match == config_at.end()) {
      out.push_back(item);
      continue;
    }
    for (; next_config <= match->second; ++next_config) take_config(next_config);
  }
  for (; next_config < config.size(); ++next_config) take_config(next_config);
  return out;
}

json::value merge_values(const json::value& live, const json::value& config, const Schema& schema,
                         const Field* field) {
  const Granularity kind = granularity(config, schema, field);
  if (live.is_null() || kind == Granularity::kLeaf || granularity(live, schema, field) != kind) return config;
  if (is_list(kind)) return merge_lists(live.get_array(), config.get_array(), schema, kind);
  json::object out = live.get_object();
  for (const auto& entry : config.get_object()) {
    const MemberType type = member_type(schema, entry.key());
    const json::value* old = out.if_contains(entry.key());
    json::value merged = old ? merge_values(*old, entry.value(), *type.schema, type.field) : entry.value();
    out[entry.key()] = std::move(merged);
  }
  return out;
}

json::value remove_values(const json::value& value, const FieldSet& gone, const Schema& schema,
                          const Field* field) {
  const Granularity kind = granularity(value, schema, field);
  if (kind == Granularity::kLeaf) return value;
  if (is_list(kind)) {
    json::array out;
    for (const json::value& item : value.get_array()) {
      const FieldSet* node = gone.find(list_element(item, schema));
      if (node && node->member) continue;
      out.push_back(node ? remove_values(item, *node, *schema.items, nullptr) : item);
    }
    return out;
  }
  json::object out;
  for (const auto& entry : value.get_object()) {
    const FieldSet* node = gone.find("f:" + std::string(entry.key()));
    if (node && node->member) continue;
    const MemberType type = member_type(schema, entry.key());
    out.emplace(entry.key(),
                node ? remove_values(entry.value(), *node, *type.schema, type.field) : entry.value());
  }
  return out;
}

}  // namespace

json::value merge_applied(const json::value& live, const json::value& config, const Schema& schema) {
  return merge_values(live, config, schema, nullptr);
}

json::value remove_fields(const json::value& object, const FieldSet& gone, const Schema& schema) {
  return remove_values(object, gone, schema, nullptr);
}

}  // namespace cloudless::schema

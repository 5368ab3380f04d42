// Strategic merge patch (k8s.io/apimachinery/pkg/util/strategicpatch), by the merge keys of the schema.
#include <algorithm>
#include <boost/json.hpp>

#include "schema/json.hpp"
#include "schema/object_util.hpp"
#include "schema/patch.hpp"

namespace cloudless::schema {
namespace json = boost::json;
namespace {

constexpr std::string_view kDirective = "$patch";
constexpr std::string_view kRetainKeys = "$retainKeys";
constexpr std::string_view kDeleteFromPrimitiveList = "$deleteFromPrimitiveList/";
constexpr std::string_view kSetElementOrder = "$setElementOrder/";

/// What the schema says about a member of an object.
struct Member {
  const Schema* type = nullptr;  // null: not described, then maps merge and lists are replaced
  const Field* field = nullptr;
};

Member member_of(const Schema* schema, std::string_view name) {
  if (!schema) return {};
  if (schema->form == Form::kMap) return {schema->items, nullptr};
  if (schema->form != Form::kStruct) return {};
  const Field* field = schema->find(name);
  return field ? Member{field->type, field} : Member{};
}

bool is_directive(std::string_view key) {
  return key == kDirective || key == kRetainKeys || key.starts_with(kDeleteFromPrimitiveList) ||
         key.starts_with(kSetElementOrder);
}

/// A patch value as it stands when there is nothing to merge with: without directives and nulls.
json::value without_directives(const json::value& patch) {
  if (const auto* object = patch.if_object()) {
    json::object out;
    for (const auto& entry : *object) {
      if (!is_directive(entry.key()) && !entry.value().is_null()) {
        out.emplace(entry.key(), without_directives(entry.value()));
      }
    }
    return out;
  }
  if (const auto* array = patch.if_array()) {
    json::array out;
    for (const json::value& item : *array) {
      const auto* object = item.if_object();
      if (object && !get_text(*object, kDirective).empty()) continue;
      out.push_back(without_directives(item));
    }
    return out;
  }
  return patch;
}

/// Whether two items of a list are the same one: by merge key, or by value without one.
bool same_item(const json::value& a, const json::value& b, std::string_view merge_key) {
  if (merge_key.empty()) return equal_json(a, b);
  const auto* left = a.if_object();
  const auto* right = b.if_object();
  const auto* left_key = left ? left->if_contains(merge_key) : nullptr;
  const auto* right_key = right ? right->if_contains(merge_key) : nullptr;
  return left_key && right_key && equal_json(*left_key, *right_key);
}

size_t index_of(const json::array& list, const json::value& item, std::string_view merge_key) {
  for (size_t i = 0; i < list.size(); ++i) {
    if (same_item(list[i], item, merge_key)) return i;
  }
  return list.size();
}

/// Items that `order` names stand in its order; the others keep their place relative to the server's list.
json::array in_order(const json::array& items, const json::array& order, const json::array& server,
                     std::string_view merge_key) {
  std::vector<const json::value*> named, others;
  for (const json::value& item : items) {
    (index_of(order, item, merge_key) < order.size() ? named : others).push_back(&item);
  }
  const auto by = [&](const json::array& list) {
    return [&list, merge_key](const json::value* a, const json::value* b) {
      return index_of(list, *a, merge_key) < index_of(list, *b, merge_key);
    };
  };
  std::sort(named.begin(), named.end(), by(order));
  std::sort(others.begin(), others.end(), by(server));
  json::array out;
  out.reserve(items.size());
  size_t i = 0, j = 0;
  while (i < others.size() || j < named.size()) {
    bool take_other = j == named.size();
    if (i < others.size() && j < named.size()) {
      const size_t left = index_of(server, *others[i], merge_key);
      const size_t right = index_of(server, *named[j], merge_key);
      take_other = left < server.size() && right < server.size() && left < right;
    }
    out.push_back(take_other ? *others[i++] : *named[j++]);
  }
  return out;
}

class StrategicMerge {
 public:
  Result<json::value> object(const json::object& original, const json::object& patch, const Schema* schema,
                             size_t depth) {
    if (depth > kMaxDepth) return fail(Code::kInvalid, "exceeded max depth");
    if (const json::value* directive = patch.if_contains(kDirective)) {
      const auto word = text_of(directive);
      if (word == "replace") return without_directives(patch);
      if (word == "delete") return json::value(json::object());
      if (word != "merge")
        return fail(Code::kInvalid, "unknown patch type found: {}", serialize_json(*directive));
    }
    json::object out = original;
    TRY(retain_keys(patch, out));
    TRY(delete_primitives(patch, out));
    for (const auto& entry : patch) {
      if (is_directive(entry.key())) continue;
      TRY(member(entry.key(), entry.value(), member_of(schema, entry.key()), out, depth));
    }
    TRY(set_element_orders(original, patch, schema, out));
    return json::value(std::move(out));
  }

 private:
  Result<> member(std::string_view name, const json::value& patch, const Member& described, json::object& out,
                  size_t depth) {
    json::value* old = out.if_contains(name);
    if (patch.is_null()) {
      if (old) out.stable_erase(name);
      return {};
    }
    const bool replace = described.field && described.field->has(Field::kPatchReplace);
    if (old && old->is_object() && patch.is_object() && !replace) {
      json::value merged = TRY(object(old->get_object(), patch.get_object(), described.type, depth + 1));
      out[name] = std::move(merged);
    } else if (old && old->is_array() && patch.is_array() && merges(described)) {
      json::value merged = TRY(list(old->get_array(), patch.get_array(), described, depth));
      out[name] = std::move(merged);
    } else if (patch.is_array() && merges(described)) {
      json::value merged = TRY(list(json::array(), patch.get_array(), described, depth));
      out[name] = std::move(merged);
    } else {
      const auto* object = patch.if_object();
      if (object && get_text(*object, kDirective) == "delete") {
        if (old) out.stable_erase(name);
        return {};
      }
      out[name] = without_directives(patch);
    }
    return {};
  }

  static bool merges(const Member& described) {
    return described.field && described.field->has(Field::kPatchMerge);
  }

  Result<json::value> list(const json::array& original, const json::array& patch, const Member& described,
                           size_t depth) {
    const auto key = described.field->merge_key;
    if (key.empty()) return primitive_list(original, patch);
    const Schema* item_type = described.type->items;
    json::array out = original;
    json::array order;
    for (const json::value& item : patch) {
      const auto* change = item.if_object();
      if (!change) return fail(Code::kInvalid, "expected an object with the merge key {} in the list", key);
      const auto directive = get_text(*change, kDirective);
      if (directive == "replace") return replacement(patch);
      if (!change->contains(key)) {
        return fail(Code::kInvalid, "map: {} does not contain declared merge key: {}", serialize_json(item),
                    key);
      }
      const size_t at = index_of(out, item, key);
      if (directive == "delete") {
        for (size_t i = at; i < out.size(); i = index_of(out, item, key))
          out.erase(out.begin() + static_cast<long>(i));
        continue;
      }
      order.push_back(item);
      if (at < out.size()) {
        json::value merged = TRY(object(out[at].get_object(), *change, item_type, depth + 1));
        out[at] = std::move(merged);
      } else {
        out.push_back(TRY(object(json::object(), *change, item_type, depth + 1)));
      }
    }
    return json::value(in_order(out, order, original, key));
  }

  /// A list with one {"$patch": "replace"} item: the other items are the new list.
  static Result<json::value> replacement(const json::array& patch) { return without_directives(patch); }

  static Result<json::value> primitive_list(const json::array& original, const json::array& patch) {
    json::array out;
    for (const json::array* list : {&original, &patch}) {
      for (const json::value& item : *list) {
        if (index_of(out, item, "") == out.size()) out.push_back(item);
      }
    }
    return json::value(in_order(out, patch, original, ""));
  }

  static Result<> retain_keys(const json::object& patch, json::object& out) {
    const json::value* directive = patch.if_contains(kRetainKeys);
    if (!directive) return {};
    const auto* keep = directive->if_array();
    if (!keep) return fail(Code::kInvalid, "retainKeys directive must be a list");
    for (const auto& entry : patch) {
      if (is_directive(entry.key()) || entry.value().is_null()) continue;
      if (index_of(*keep, json::value(entry.key()), "") == keep->size()) {
        return fail(Code::kInvalid, "retainKeys list doesn't contain patch key: {}", entry.key());
      }
    }
    std::vector<std::string> gone;
    for (const auto& entry : out) {
      if (index_of(*keep, json::value(entry.key()), "") == keep->size()) gone.emplace_back(entry.key());
    }
    for (const auto& key : gone) out.stable_erase(key);
    return {};
  }

  static Result<> delete_primitives(const json::object& patch, json::object& out) {
    for (const auto& entry : patch) {
      if (!entry.key().starts_with(kDeleteFromPrimitiveList)) continue;
      const auto* gone = entry.value().if_array();
      if (!gone) return fail(Code::kInvalid, "{} must be a list", std::string_view(entry.key()));
      auto* list = get_array(out, entry.key().substr(kDeleteFromPrimitiveList.size()));
      if (!list) continue;
      json::array kept;
      for (const json::value& item : *list) {
        if (index_of(*gone, item, "") == gone->size()) kept.push_back(item);
      }
      *list = std::move(kept);
    }
    return {};
  }

  static Result<> set_element_orders(const json::object& original, const json::object& patch,
                                     const Schema* schema, json::object& out) {
    for (const auto& entry : patch) {
      if (!entry.key().starts_with(kSetElementOrder)) continue;
      const std::string_view name = entry.key().substr(kSetElementOrder.size());
      const auto* order = entry.value().if_array();
      if (!order) return fail(Code::kInvalid, "{} must be a list", std::string_view(entry.key()));
      auto* list = get_array(out, name);
      if (!list) continue;
      const Member described = member_of(schema, name);
      const auto key = described.field ? described.field->merge_key : std::string_view();
      const auto* server = get_array(original, name);
      *list = in_order(*list, *order, server ? *server : json::array(), key);
    }
    return {};
  }
};

}  // namespace

Result<json::value> apply_strategic_merge_patch(const json::value& document, const json::value& patch,
                                                const Schema& schema) {
  const auto* original = document.if_object();
  const auto* changes = patch.if_object();
  if (!original || !changes) return fail(Code::kInvalid, "a strategic merge patch must be an object");
  return StrategicMerge().object(*original, *changes, &schema, 0);
}

}  // namespace cloudless::schema

// JSON patch (RFC 6902) and merge patch (RFC 7396), with the errors of evanphx/json-patch v4.
#include <boost/json.hpp>
#include <charconv>
#include <optional>

#include "base/strings.hpp"
#include "schema/json.hpp"
#include "schema/object_util.hpp"
#include "schema/patch.hpp"

namespace cloudless::schema {
namespace json = boost::json;
namespace {

std::string unescape_token(std::string_view token) {
  std::string out;
  for (size_t i = 0; i < token.size(); ++i) {
    if (token[i] == '~' && i + 1 < token.size() && (token[i + 1] == '0' || token[i + 1] == '1')) {
      out += token[++i] == '0' ? '~' : '/';
    } else {
      out += token[i];
    }
  }
  return out;
}

std::vector<std::string> pointer_tokens(std::string_view pointer) {
  std::vector<std::string> out;
  const auto parts = split(pointer, '/');
  for (size_t i = 1; i < parts.size(); ++i) out.push_back(unescape_token(parts[i]));
  return out;
}

std::optional<int64_t> parse_index(std::string_view text) {
  int64_t index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return index;
}

std::unexpected<Error> bad_index(int64_t index) {
  return fail(Code::kInvalid, "Unable to access invalid index: {}: invalid index referenced", index);
}

/// The member or element, or null. Negative indices count from the end, as the library allows.
json::value* child_of(json::value& parent, const std::string& token) {
  if (auto* object = parent.if_object()) return object->if_contains(token);
  auto* array = parent.if_array();
  auto index = array ? parse_index(token) : std::nullopt;
  if (!index) return nullptr;
  if (*index < 0) *index += static_cast<int64_t>(array->size());
  if (*index < 0 || *index >= static_cast<int64_t>(array->size())) return nullptr;
  return &(*array)[static_cast<size_t>(*index)];
}

class JsonPatcher {
 public:
  explicit JsonPatcher(json::value document) : document_(std::move(document)) {}

  Result<> apply(const json::value& operation) {
    const auto* object = operation.if_object();
    if (!object) {
      return fail(Code::kInvalid,
                  "error decoding patch: json: cannot unmarshal {} into Go value of type jsonpatch.Operation",
                  operation.is_array() ? "array" : "value");
    }
    const auto op = get_text(*object, "op");
    const std::string path(get_text(*object, "path"));
    const std::string from(get_text(*object, "from"));
    const json::value* value = object->if_contains("value");
    const json::value nothing;
    if (op == "add") return add(path, value ? *value : nothing, "add");
    if (op == "remove") return remove(path, "remove");
    if (op == "replace") return replace(path, value ? *value : nothing);
    if (op == "test") return test(path, value ? *value : nothing);
    if (op == "move") {
      json::value moved = TRY(read(from, "move"));
      TRY(remove(from, "move"));
      return add(path, std::move(moved), "move");
    }
    if (op == "copy") return add(path, TRY(read(from, "copy")), "copy");
    return fail(Code::kInvalid, "Unexpected kind: {}", op);
  }

  json::value take() { return std::move(document_); }

 private:
  /// The container that the pointer's last token is in, or null.
  json::value* container(const std::vector<std::string>& tokens) {
    json::value* at = &document_;
    for (size_t i = 0; i + 1 < tokens.size() && at; ++i) at = child_of(*at, tokens[i]);
    return at && (at->is_object() || at->is_array()) ? at : nullptr;
  }

  Result<json::value*> container_at(const std::string& path, const std::vector<std::string>& tokens,
                                    std::string_view operation) {
    json::value* found = tokens.empty() ? nullptr : container(tokens);
    if (found) return found;
    return fail(Code::kInvalid, "{} operation does not apply: doc is missing path: \"{}\": missing value",
                operation, path);
  }

  Result<> add(const std::string& path, json::value value, std::string_view operation) {
    if (path.empty()) {
      document_ = std::move(value);
      return {};
    }
    const auto tokens = pointer_tokens(path);
    json::value* parent = TRY(container_at(path, tokens, operation));
    if (auto* object = parent->if_object()) {
      (*object)[tokens.back()] = std::move(value);
      return {};
    }
    auto& array = parent->get_array();
    if (tokens.back() == "-") {
      array.push_back(std::move(value));
      return {};
    }
    auto index = parse_index(tokens.back());
    if (!index) return fail(Code::kInvalid, "value was not a proper array index: '{}'", tokens.back());
    const auto size = static_cast<int64_t>(array.size());
    if (*index < 0) *index += size + 1;
    if (*index < 0 || *index > size) return bad_index(*index);
    array.insert(array.begin() + *index, std::move(value));
    return {};
  }

  Result<> remove(const std::string& path, std::string_view operation) {
    const auto tokens = pointer_tokens(path);
    json::value* parent = TRY(container_at(path, tokens, operation));
    const std::string& last = tokens.back();
    if (auto* object = parent->if_object()) {
      if (!object->contains(last)) {
        return fail(Code::kInvalid,
                    "error in {} for path: '{}': Unable to remove nonexistent key: {}: missing value",
                    operation, path, last);
      }
      object->stable_erase(last);
      return {};
    }
    json::value* item = child_of(*parent, last);
    if (!item) {
      return fail(Code::kInvalid,
                  "error in {} for path: '{}': Unable to access invalid index: {}: invalid index referenced",
                  operation, path, last);
    }
    auto& array = parent->get_array();
    array.erase(array.begin() + (item - array.data()));
    return {};
  }

  Result<> replace(const std::string& path, json::value value) {
    if (path.empty()) {
      document_ = std::move(value);
      return {};
    }
    const auto tokens = pointer_tokens(path);
    json::value* parent = tokens.empty() ? nullptr : container(tokens);
    if (!parent) {
      return fail(Code::kInvalid, "replace operation does not apply: doc is missing path: {}: missing value",
                  path);
    }
    json::value* target = child_of(*parent, tokens.back());
    if (!target) {
      return fail(Code::kInvalid, "replace operation does not apply: doc is missing key: {}: missing value",
                  path);
    }
    *target = std::move(value);
    return {};
  }

  Result<> test(const std::string& path, const json::value& expected) {
    json::value* actual = &document_;
    for (const auto& token : pointer_tokens(path)) actual = actual ? child_of(*actual, token) : nullptr;
    const bool same = actual ? equal_json(*actual, expected) : expected.is_null();
    if (!same) return fail(Code::kInvalid, "testing value {} failed: test failed", path);
    return {};
  }

  Result<json::value> read(const std::string& from, std::string_view operation) {
    json::value* at = &document_;
    for (const auto& token : pointer_tokens(from)) at = at ? child_of(*at, token) : nullptr;
    if (!at) {
      return fail(Code::kInvalid, "{} operation does not apply: doc is missing from path: {}: missing value",
                  operation, from);
    }
    return *at;
  }

  json::value document_;
};

}  // namespace

Result<json::value> apply_json_patch(const json::value& document, const json::value& patch) {
  const auto* operations = patch.if_array();
  if (!operations) {
    return fail(Code::kInvalid,
                "error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch");
  }
  if (operations->size() > kMaxJsonPatchOperations) {
    return fail(Code::kResourceExhausted, "The allowed maximum operations in a JSON patch is {}, got {}",
                kMaxJsonPatchOperations, operations->size());
  }
  JsonPatcher patcher(document);
  for (const json::value& operation : *operations) TRY(patcher.apply(operation));
  return patcher.take();
}

json::value apply_merge_patch(const json::value& document, const json::value& patch) {
  const auto* changes = patch.if_object();
  if (!changes) return patch;
  json::object out = document.is_object() ? document.get_object() : json::object();
  for (const auto& change : *changes) {
    if (change.value().is_null()) {
      if (out.contains(change.key())) out.stable_erase(change.key());
    } else {
      const json::value* old = out.if_contains(change.key());
      json::value merged = apply_merge_patch(old ? *old : json::value(), change.value());
      out[change.key()] = std::move(merged);
    }
  }
  return out;
}

}  // namespace cloudless::schema

#include "apiserver/registry/cached_object.hpp"

#include "apiserver/json_fields.hpp"
#include "apiserver/registry/stored_form.hpp"
#include "apiserver/registry/stored_json.hpp"
#include "schema/json.hpp"

namespace cloudless::apiserver {

namespace {

// A field selector compares texts; booleans and numbers are written as Go prints them.
std::string field_text(const json::object& object, const SelectableField& field) {
  const json::object* current = &object;
  const json::value* value = nullptr;
  for (const std::string& step : field.path) {
    value = current ? current->if_contains(step) : nullptr;
    if (!value) return field.fallback;
    current = value->if_object();
  }
  if (value->is_null()) return field.fallback;
  return value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
}

}  // namespace

Result<CachedObjectPtr> make_cached_object(std::string key, std::string_view stored, uint64_t revision,
                                           const FieldIndex& fields) {
  std::string other;
  if (is_stored_protobuf(stored)) stored = other = TRY(json_of_stored_protobuf(stored));
  json::error_code error;
  json::monotonic_resource memory;
  const json::value value = json::parse(stored, error, &memory);
  if (error || !value.is_object()) return fail(Code::kDataLoss, "the value of {} is no JSON object", key);
  const json::object& object = value.get_object();
  if (const auto current = in_storage_version(object))
    return make_cached_object(std::move(key), schema::serialize_json(*current), revision, fields);
  auto cached = std::make_shared<CachedObject>();
  cached->json = share(TRY(with_resource_version(stored, revision)));
  cached->key = std::move(key);
  cached->revision = revision;
  cached->name = name_of(object);
  cached->namespace_ = namespace_of(object);
  if (const json::object* labels = object_at(object, {"metadata", "labels"})) {
    for (const auto& [name, label] : *labels) {
      if (label.is_string()) cached->labels.emplace_back(name, label.get_string());
    }
  }
  cached->fields.reserve(fields.size());
  for (const SelectableField& field : fields) cached->fields.push_back(field_text(object, field));
  return cached;
}

CachedObjectPtr at_revision(const CachedObject& object, uint64_t revision) {
  auto copy = std::make_shared<CachedObject>();
  copy->key = object.key;
  copy->revision = revision;
  copy->namespace_ = object.namespace_;
  copy->name = object.name;
  copy->labels = object.labels;
  copy->fields = object.fields;
  // Only text that was spliced before comes here, so it can be again.
  copy->json = share(with_resource_version(*object.json, revision).value());
  return copy;
}

ObjectPtr CachedObject::decode() const {
  json::value value = json::parse(*json);
  return std::make_shared<const json::object>(std::move(value.get_object()));
}

}  // namespace cloudless::apiserver

// metadata: k8s.io/apimachinery/pkg/api/validation/objectmeta.go.
#include <algorithm>
#include <boost/json.hpp>

#include "base/strings.hpp"
#include "schema/validation.hpp"
#include "schema/validation/rules.hpp"

namespace cloudless::schema {

using namespace validation;

namespace {

void check_names(Checker& out, const Object& metadata, NameCheck check, const Path& path) {
  const auto generate_name = get_text(metadata, "generateName");
  if (!generate_name.empty()) {
    // The random suffix comes after it: a trailing dash is fine.
    std::string masked(generate_name);
    if (masked.size() > 1 && masked.back() == '-') masked.back() = 'a';
    out.add_all(path.child("generateName"), generate_name, check(masked));
  }
  const auto name = get_text(metadata, "name");
  if (name.empty() && generate_name.empty()) {
    out.add(required(path.child("name"), "name or generateName is required"));
  } else if (!name.empty()) {
    out.add_all(path.child("name"), name, check(name));
  }
}

void check_namespace(Checker& out, const Object& metadata, Scope scope, const Path& path) {
  const auto name = get_text(metadata, "namespace");
  if (scope == Scope::kCluster) {
    if (!name.empty()) out.add(forbidden(path.child("namespace"), "not allowed on this type"));
  } else if (name.empty()) {
    out.add(required(path.child("namespace")));
  } else {
    out.add_all(path.child("namespace"), name, check_dns1123_label(name));
  }
}

void check_annotations(Checker& out, const Object& metadata, const Path& path) {
  const auto* annotations = get_object(metadata, "annotations");
  if (!annotations) return;
  size_t total = 0;
  for (const auto& entry : *annotations) {
    out.add_all(path.child("annotations"), entry.key(), check_qualified_name(to_lower(entry.key())));
    total += entry.key().size() + text_of(&entry.value()).size();
  }
  if (total > kMaxAnnotationsBytes) out.add(too_long(path.child("annotations"), "", kMaxAnnotationsBytes));
}

void check_owners(Checker& out, const Object& metadata, const Path& path) {
  const auto* owners = get_array(metadata, "ownerReferences");
  if (!owners) return;
  const Path at = path.child("ownerReferences");
  std::string controller;
  for (const Value& item : *owners) {
    const auto* owner = item.if_object();
    if (!owner) continue;
    if (get_text(*owner, "apiVersion").empty())
      out.add(invalid(at.child("apiVersion"), "", "version must not be empty"));
    for (const auto name : {"kind", "name", "uid"}) {
      if (get_text(*owner, name).empty())
        out.add(invalid(at.child(name), "", std::string(name) + " must not be empty"));
    }
    if (!get_bool(*owner, "controller")) continue;
    if (!controller.empty()) {
      out.add(invalid(at, Value(*owners),
                      fmt::format("Only one reference can have Controller set to true. Found \"true\" in "
                                  "references for {} and {}",
                                  controller, get_text(*owner, "name"))));
    }
    controller = get_text(*owner, "name");
  }
}

void check_finalizers(Checker& out, const Object& metadata, const Path& path) {
  const auto* finalizers = get_array(metadata, "finalizers");
  if (!finalizers) return;
  bool orphan = false, foreground = false;
  for (const Value& item : *finalizers) {
    const auto name = text_of(&item);
    out.add_all(path.child("finalizers"), name, check_qualified_name(name));
    orphan |= name == "orphan";
    foreground |= name == "foregroundDeletion";
  }
  if (orphan && foreground) {
    out.add(invalid(path.child("finalizers"), Value(*finalizers),
                    "finalizer orphan and foregroundDeletion cannot be both set"));
  }
}

std::vector<std::string> added_finalizers(const Object& metadata, const Object& old_metadata) {
  std::vector<std::string> out;
  const auto* now = get_array(metadata, "finalizers");
  const auto* before = get_array(old_metadata, "finalizers");
  for (const Value& item : now ? *now : Array()) {
    if (!before || std::find(before->begin(), before->end(), item) == before->end())
      out.push_back(quote(text_of(&item)));
  }
  return out;
}

}  // namespace

FieldErrors validate_object_meta(const Value& metadata, Scope scope, NameCheck check_name, const Path& path) {
  Checker out;
  const Object empty;
  const Object& object = metadata.is_object() ? metadata.get_object() : empty;
  check_names(out, object, check_name, path);
  check_namespace(out, object, scope, path);
  out.not_negative(object, "generation", path);
  out.labels(get_object(object, "labels"), path.child("labels"));
  check_annotations(out, object, path);
  check_owners(out, object, path);
  check_finalizers(out, object, path);
  return std::move(out.errors);
}

FieldErrors validate_object_meta_update(const Value& metadata, const Value& old_metadata, const Path& path) {
  Checker out;
  if (!metadata.is_object() || !old_metadata.is_object()) return {};
  const Object& next = metadata.get_object();
  const Object& old = old_metadata.get_object();
  for (const auto name :
       {"name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"}) {
    out.immutable(next, old, name, path);
  }
  if (get_text(next, "resourceVersion").empty()) {
    out.add(invalid(path.child("resourceVersion"), Value(0), "must be specified for an update"));
  }
  if (get_int(next, "generation") < get_int(old, "generation")) {
    out.add(invalid(path.child("generation"), member(next, "generation"), "must not be decremented"));
  }
  if (get(old, "deletionTimestamp")) {
    const auto added = added_finalizers(next, old);
    if (!added.empty()) {
      out.add(forbidden(path.child("finalizers"),
                        fmt::format("no new finalizers can be added if the object is being deleted, found "
                                    "new finalizers []string{{{}}}",
                                    join(added, ", "))));
    }
  }
  return std::move(out.errors);
}

}  // namespace cloudless::schema

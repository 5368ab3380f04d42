// ConfigMap, Secret, Node, PersistentVolume, PersistentVolumeClaim, StorageClass.
#include <boost/json.hpp>

#include "schema/validation/rules.hpp"

namespace cloudless::schema::validation {
namespace {

/// etcd's and our own object limit leaves room for this much data.
constexpr size_t kMaxDataBytes = 1024 * 1024;
constexpr std::string_view kImmutableData = "field is immutable when `immutable` is set";
const Object kEmpty;

const Object& object_of(const Object& object, std::string_view name) {
  const auto* inner = get_object(object, name);
  return inner ? *inner : kEmpty;
}

/// Keys and total size of data maps; base64 counts as what it encodes.
void check_data(Checker& out, const Object& object, std::string_view text_map, std::string_view binary_map) {
  size_t total = 0;
  for (const auto name : {text_map, binary_map}) {
    if (name.empty()) continue;
    const bool encoded = name == binary_map;
    for (const auto& entry : object_of(object, name)) {
      out.add_all(Path(std::string(name)).key(entry.key()), entry.key(), check_config_map_key(entry.key()));
      const size_t size = text_of(&entry.value()).size();
      total += encoded ? size / 4 * 3 : size;
    }
  }
  if (total > kMaxDataBytes) out.add(too_long(Path(), "", kMaxDataBytes));
}

void check_immutable_data(Checker& out, const Object& object, const Object& old_object,
                          std::initializer_list<const char*> maps) {
  if (!get_bool(old_object, "immutable")) return;
  if (!get_bool(object, "immutable")) out.add(forbidden(Path("immutable"), kImmutableData));
  for (const auto* name : maps) {
    if (!same_member(object, old_object, name)) out.add(forbidden(Path(name), kImmutableData));
  }
}

}  // namespace

void config_map(Checker& out, const Object& object, const Object* old_object) {
  check_data(out, object, "data", "binaryData");
  for (const auto& entry : object_of(object, "binaryData")) {
    if (object_of(object, "data").contains(entry.key())) {
      out.add(invalid(Path("data").key(entry.key()), std::string_view(entry.key()),
                      "duplicate of key present in binaryData"));
    }
  }
  if (old_object) check_immutable_data(out, object, *old_object, {"data", "binaryData"});
}

void secret(Checker& out, const Object& object, const Object* old_object) {
  struct TypeRule {
    std::string_view type, key;
  };
  constexpr TypeRule kRequiredKeys[] = {{"kubernetes.io/tls", "tls.crt"},
                                        {"kubernetes.io/tls", "tls.key"},
                                        {"kubernetes.io/dockercfg", ".dockercfg"},
                                        {"kubernetes.io/dockerconfigjson", ".dockerconfigjson"},
                                        {"kubernetes.io/ssh-auth", "ssh-privatekey"}};
  check_data(out, object, "", "data");
  const auto type = get_text(object, "type");
  const Object& data = object_of(object, "data");
  for (const auto& rule : kRequiredKeys) {
    if (type == rule.type && !data.contains(rule.key)) out.add(required(Path("data").key(rule.key)));
  }
  if (type == "kubernetes.io/basic-auth" && !data.contains("username") && !data.contains("password")) {
    out.add(required(Path("data").key("username")));
    out.add(required(Path("data").key("password")));
  }
  if (type == "kubernetes.io/service-account-token") {
    const auto* account = dig(object, {"metadata", "annotations", "kubernetes.io/service-account.name"});
    if (text_of(account).empty())
      out.add(required(Path("metadata.annotations").key("kubernetes.io/service-account.name")));
  }
  if (!old_object) return;
  out.immutable(object, *old_object, "type", Path());
  check_immutable_data(out, object, *old_object, {"data"});
}

void node(Checker& out, const Object& object, const Object* old_object) {
  const Object& spec = object_of(object, "spec");
  const auto* taints = get_array(spec, "taints");
  for (size_t i = 0; taints && i < taints->size(); ++i) {
    const auto* taint = (*taints)[i].if_object();
    if (!taint) continue;
    const Path at = Path("spec.taints").index(i);
    out.add_all(at.child("key"), get_text(*taint, "key"), check_qualified_name(get_text(*taint, "key")));
    out.add_all(at.child("value"), get_text(*taint, "value"), check_label_value(get_text(*taint, "value")));
    if (get_text(*taint, "effect").empty()) out.add(required(at.child("effect")));
  }
  const auto* cidrs = get_array(spec, "podCIDRs");
  for (size_t i = 0; cidrs && i < cidrs->size(); ++i) {
    out.add_all(Path("spec.podCIDRs").index(i), text_of(&(*cidrs)[i]), check_cidr(text_of(&(*cidrs)[i])));
  }
  if (!old_object) return;
  const Object& old_spec = object_of(*old_object, "spec");
  for (const auto name : {"podCIDRs", "providerID"}) {
    if (get(old_spec, name) && !same_member(spec, old_spec, name)) {
      out.add(forbidden(Path("spec").child(name),
                        "node updates may not change " + std::string(name) + " except from \"\" to valid"));
    }
  }
}

namespace {

void check_access_modes(Checker& out, const Object& spec, const Path& path) {
  const auto* modes = get_array(spec, "accessModes");
  if (!modes || modes->empty())
    out.add(required(path.child("accessModes"), "at least 1 access mode is required"));
}

void check_storage_amount(Checker& out, const Object& list, const Path& path) {
  const auto* storage = get(list, "storage");
  if (!storage) {
    out.add(required(path.key("storage")));
    return;
  }
  out.quantity_not_negative(*storage, path.key("storage"));
}

/// The one member of a volume's spec that says where it lives.
std::string volume_source(const Object& spec) {
  for (const auto& entry : spec) {
    static constexpr std::string_view kOthers[] = {
        "capacity",     "accessModes", "claimRef",     "persistentVolumeReclaimPolicy", "storageClassName",
        "mountOptions", "volumeMode",  "nodeAffinity", "volumeAttributesClassName"};
    if (std::find(std::begin(kOthers), std::end(kOthers), std::string_view(entry.key())) == std::end(kOthers))
      return std::string(entry.key());
  }
  return {};
}

}  // namespace

void persistent_volume(Checker& out, const Object& object, const Object* old_object) {
  const Object& spec = object_of(object, "spec");
  const Path path("spec");
  check_access_modes(out, spec, path);
  if (object_of(spec, "capacity").empty()) {
    out.add(required(path.child("capacity")));
  } else {
    check_storage_amount(out, object_of(spec, "capacity"), path.child("capacity"));
  }
  const std::string source = volume_source(spec);
  if (source.empty()) out.add(required(path, "must specify a volume type"));
  if (source == "hostPath") out.require_text(object_of(spec, source), "path", path.child(source));
  out.check_name(spec, "storageClassName", path, check_dns1123_subdomain);
  if (!old_object) return;
  const Object& old_spec = object_of(*old_object, "spec");
  if (volume_source(old_spec) != source || !same_member(spec, old_spec, source)) {
    out.add(forbidden(path.child("persistentvolumesource"),
                      "spec.persistentvolumesource is immutable after creation"));
  }
  out.immutable(spec, old_spec, "volumeMode", path);
}

void persistent_volume_claim(Checker& out, const Object& object, const Object* old_object) {
  const Object& spec = object_of(object, "spec");
  const Path path("spec");
  check_access_modes(out, spec, path);
  const Object& resources = object_of(spec, "resources");
  if (object_of(resources, "requests").empty()) {
    out.add(required(path.child("resources").key("storage")));
  } else {
    check_storage_amount(out, object_of(resources, "requests"), path.child("resources").child("requests"));
  }
  out.label_selector(get_object(spec, "selector"), path.child("selector"));
  out.check_name(spec, "storageClassName", path, check_dns1123_subdomain);
  if (!old_object) return;
  // Binding sets volumeName; size and attributes class may change later.
  Object now = spec, before = object_of(*old_object, "spec");
  const bool unbound = get_text(before, "volumeName").empty();
  for (Object* part : {&now, &before}) {
    for (const auto name : {"resources", "volumeAttributesClassName"}) {
      if (part->contains(name)) part->stable_erase(name);
    }
    if (unbound && part->contains("volumeName")) part->stable_erase("volumeName");
    if (get_text(object_of(*old_object, "spec"), "storageClassName").empty() &&
        part->contains("storageClassName")) {
      part->stable_erase("storageClassName");
    }
  }
  if (!equal_json(now, before)) {
    out.add(forbidden(path,
                      "spec is immutable after creation except resources.requests and "
                      "volumeAttributesClassName for bound claims"));
  }
}

void storage_class(Checker& out, const Object& object, const Object* old_object) {
  out.require_name(object, "provisioner", Path(), check_qualified_name);
  if (!old_object) return;
  if (!same_member(object, *old_object, "parameters")) {
    out.add(forbidden(Path("parameters"), "updates to parameters are forbidden."));
  }
  if (!same_member(object, *old_object, "provisioner")) {
    out.add(forbidden(Path("provisioner"), "updates to provisioner are forbidden."));
  }
  out.immutable(object, *old_object, "reclaimPolicy", Path());
  out.immutable(object, *old_object, "volumeBindingMode", Path());
}

}  // namespace cloudless::schema::validation

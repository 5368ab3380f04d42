#include "api/registry.hpp"

#include <functional>
#include <unordered_map>

namespace cloudless::api {
namespace {

std::string key_of(std::string_view group, std::string_view version, std::string_view name) {
  std::string key;
  key.reserve(group.size() + version.size() + name.size() + 2);
  return key.append(group).append("|").append(version).append("|").append(name);
}

using SchemaIndex = std::unordered_map<std::string, const schema::Schema*>;

const SchemaIndex& kind_index() {
  static const SchemaIndex index = [] {
    SchemaIndex out;
    for (const schema::Schema* type : types()) {
      if (type->is_kind) out.emplace(key_of(type->group, type->version, type->name), type);
    }
    return out;
  }();
  return index;
}

const SchemaIndex& type_index() {
  static const SchemaIndex index = [] {
    SchemaIndex out;
    for (const schema::Schema* type : types()) out.emplace(key_of(type->package, "", type->name), type);
    return out;
  }();
  return index;
}

const schema::Schema* look_up(const SchemaIndex& index, const std::string& key) {
  const auto hit = index.find(key);
  return hit == index.end() ? nullptr : hit->second;
}

}  // namespace

const schema::Schema* find_kind(std::string_view group, std::string_view version, std::string_view kind) {
  if (const auto* hit = look_up(kind_index(), key_of(group, version, kind))) return hit;
  return look_up(kind_index(), key_of("meta.k8s.io", "v1", kind));
}

const schema::Schema* find_kind(std::string_view api_version, std::string_view kind) {
  const size_t slash = api_version.find('/');
  if (slash == std::string_view::npos) return find_kind("", api_version, kind);
  return find_kind(api_version.substr(0, slash), api_version.substr(slash + 1), kind);
}

const schema::Schema* find_type(std::string_view package, std::string_view name) {
  return look_up(type_index(), key_of(package, "", name));
}

const schema::ResourceInfo* find_resource(std::string_view group, std::string_view version,
                                          std::string_view resource) {
  static const auto index = [] {
    std::unordered_map<std::string, const schema::ResourceInfo*> out;
    for (const auto& info : resources()) out.emplace(key_of(info.group, info.version, info.resource), &info);
    return out;
  }();
  const auto hit = index.find(key_of(group, version, resource));
  return hit == index.end() ? nullptr : hit->second;
}

}  // namespace cloudless::api

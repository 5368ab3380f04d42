// Objects in memory, for tests of what reads and writes them.
#pragma once

#include <boost/json.hpp>

#include <map>

#include "apiserver/json_fields.hpp"
#include "apiserver/pipeline.hpp"

namespace cloudless::apiserver::testing {

class FakeObjects final : public Objects {
 public:
  /// Puts an object written as JSON, by its metadata.
  void put(const GroupResource& resource, std::string_view text) {
    put(resource, json::parse(text).as_object());
  }
  void put(const GroupResource& resource, json::object object) {
    ++revision_;
    std::string ns(namespace_of(object)), name(name_of(object));
    set_resource_version(object, revision_);
    objects_[resource][{ns, name}] = std::make_shared<const json::object>(std::move(object));
  }
  void drop(const GroupResource& resource, const std::string& ns, const std::string& name) {
    ++revision_;
    objects_[resource].erase({ns, name});
  }
  ObjectPtr peek(const GroupResource& resource, const std::string& ns, const std::string& name) {
    const auto at = objects_[resource].find({ns, name});
    return at == objects_[resource].end() ? nullptr : at->second;
  }

  runtime::Task<ApiResult<ObjectPtr>> get(const GroupResource& resource, std::string_view ns,
                                          std::string_view name) override {
    const ObjectPtr object = peek(resource, std::string(ns), std::string(name));
    if (!object) co_return std::unexpected(not_found(resource, name));
    co_return object;
  }
  runtime::Task<ApiResult<std::vector<ObjectPtr>>> list(const GroupResource& resource,
                                                        std::string_view ns) override {
    std::vector<ObjectPtr> out;
    for (const auto& [key, object] : objects_[resource]) {
      if (ns.empty() || key.first == ns) out.push_back(object);
    }
    co_return out;
  }
  runtime::Task<ApiResult<uint64_t>> revision(const GroupResource&) override { co_return revision_; }
  runtime::Task<ApiResult<ObjectPtr>> create(const GroupResource& resource, json::object object) override {
    const std::string ns(namespace_of(object)), name(name_of(object));
    if (peek(resource, ns, name)) co_return std::unexpected(already_exists(resource, name));
    put(resource, std::move(object));
    co_return peek(resource, ns, name);
  }
  runtime::Task<ApiResult<ObjectPtr>> update(const GroupResource& resource, std::string_view,
                                             json::object object) override {
    const std::string ns(namespace_of(object)), name(name_of(object));
    const ObjectPtr old = peek(resource, ns, name);
    if (!old) co_return std::unexpected(not_found(resource, name));
    const uint64_t asked = resource_version_of(object);
    if (asked != 0 && asked != resource_version_of(*old))
      co_return std::unexpected(modified_conflict(resource, name));
    put(resource, std::move(object));
    co_return peek(resource, ns, name);
  }
  runtime::Task<ApiResult<>> remove(const GroupResource& resource, std::string_view ns,
                                    std::string_view name) override {
    if (!peek(resource, std::string(ns), std::string(name)))
      co_return std::unexpected(not_found(resource, name));
    drop(resource, std::string(ns), std::string(name));
    co_return ApiResult<>();
  }

 private:
  uint64_t revision_ = 0;
  std::map<GroupResource, std::map<std::pair<std::string, std::string>, ObjectPtr>> objects_;
};

}  // namespace cloudless::apiserver::testing

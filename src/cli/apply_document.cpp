#include "cli/apply_document.hpp"

#include <boost/json.hpp>

#include "runtime/timer.hpp"

namespace cloudless::cli {

namespace json = boost::json;
using client::Client;
using client::Resource;
using runtime::Task;

namespace {

constexpr const char* kFieldManager = "cloudless-init";

std::string text_at(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->as_string()) : std::string();
}

// What is being applied.
struct Target {
  std::string group;
  std::string version;
  std::string kind;
  std::string ns;
  std::string name;
};

Result<Target> target_of(const json::object& object) {
  Target target;
  const std::string api_version = text_at(object, "apiVersion");
  target.kind = text_at(object, "kind");
  const size_t slash = api_version.find('/');
  target.version = slash == std::string::npos ? api_version : api_version.substr(slash + 1);
  if (slash != std::string::npos) target.group = api_version.substr(0, slash);
  const json::value* metadata = object.if_contains("metadata");
  if (metadata && metadata->is_object()) {
    target.ns = text_at(metadata->as_object(), "namespace");
    target.name = text_at(metadata->as_object(), "name");
  }
  if (target.name.empty()) return fail(Code::kInvalid, "{}: metadata.name is missing", target.kind);
  return target;
}

// The collection that objects of that kind live in, by discovery.
Task<Result<Resource>> find_resource(const Client& client, Target target) {
  const std::string group_path = target.group.empty()
                                     ? "/api/" + target.version
                                     : fmt::format("/apis/{}/{}", target.group, target.version);
  const std::string answer = CO_TRY(co_await client.call({.target = group_path, .body = {}}));
  boost::system::error_code error;
  const json::value list = json::parse(answer, error);
  const json::value* resources =
      error || !list.is_object() ? nullptr : list.as_object().if_contains("resources");
  if (!resources || !resources->is_array())
    co_return fail(Code::kInternal, "{} is not answered as discovery should be", group_path);
  for (const json::value& entry : resources->as_array()) {
    const json::object& fields = entry.as_object();
    const std::string name = text_at(fields, "name");
    if (text_at(fields, "kind") != target.kind || name.contains('/')) continue;
    const json::value* namespaced = fields.if_contains("namespaced");
    const bool is_namespaced = namespaced && namespaced->is_bool() && namespaced->as_bool();
    co_return Resource{target.group, target.version, name, target.kind,
                       is_namespaced ? client::Scope::kNamespaced : client::Scope::kCluster};
  }
  co_return fail(Code::kNotFound, "no matches for kind \"{}\" in version \"{}\"", target.kind,
                 target.version);
}

Task<Result<>> apply_once(const Client& client, Target target, std::string text) {
  const Resource resource = CO_TRY(co_await find_resource(client, target));
  std::string ns;
  if (resource.scope == client::Scope::kNamespaced) ns = target.ns.empty() ? "default" : target.ns;
  client::PatchOptions options;
  options.field_manager = kFieldManager;
  options.force = client::Force::kYes;
  CO_TRY(co_await client.patch_raw(resource, ns, target.name, client::PatchType::kApply, std::move(text),
                                   options));
  co_return {};
}

// A kind or a namespace that is not there may be on its way; what is wrong with the object itself stays
// wrong.
Task<Result<>> apply_patiently(const Client& client, Target target, std::string text) {
  const Clock& clock = (co_await runtime::current_context()).executor->clock();
  const SteadyTime end = clock.steady_now() + kApplyLimit;
  for (;;) {
    const Result<> applied = co_await apply_once(client, target, text);
    if (applied) co_return applied;
    const Code code = applied.error().code;
    const bool may_pass = code == Code::kNotFound || code == Code::kUnavailable || code == Code::kConflict;
    if (!may_pass || clock.steady_now() >= end)
      co_return wrap(applied.error(), "{} {}", target.kind, target.name);
    CO_TRY(co_await runtime::sleep_for(kApplyRetry));
  }
}

Task<Result<>> apply_value(const Client& client, json::object object) {
  const json::value* items = object.if_contains("items");
  if (text_at(object, "kind").ends_with("List") && items && items->is_array()) {
    for (const json::value& item : items->as_array()) {
      if (!item.is_object()) co_return fail(Code::kInvalid, "an item of a list is no object");
      CO_TRY(co_await apply_value(client, item.as_object()));
    }
    co_return {};
  }
  Target target = CO_TRY(target_of(object));
  co_return co_await apply_patiently(client, std::move(target), json::serialize(object));
}

}  // namespace

Task<Result<>> apply_documents(const Client& client, const std::vector<bootstrap::FurtherDocument>& documents,
                               std::string file) {
  Result<> outcome;
  for (const bootstrap::FurtherDocument& document : documents) {
    const Result<> applied = co_await apply_value(client, json::parse(document.json).as_object());
    if (!applied && outcome) outcome = wrap(applied.error(), "{}:{}", file, document.line);
  }
  co_return outcome;
}

}  // namespace cloudless::cli

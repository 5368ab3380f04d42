// componentstatuses: what the control plane's parts say of themselves, asked at every request
// (kubernetes/pkg/registry/core/componentstatus).
#include "api/registry.hpp"
#include "apiserver/json_fields.hpp"
#include "apiserver/subresources/subresources.hpp"
#include "runtime/timer.hpp"
#include "schema/json.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

constexpr std::string_view kStore = "etcd-0";
constexpr Duration kProbeLimit = std::chrono::seconds(2);
constexpr size_t kMaxAnswerBytes = 10 * 1024;

json::object status_of(std::string_view name, const Result<>& health) {
  json::object condition{{"type", "Healthy"}, {"status", health ? "True" : "False"}};
  if (health) {
    condition["message"] = "ok";
  } else {
    condition["message"] = health.error().message;
  }
  return {{"kind", "ComponentStatus"},
          {"apiVersion", "v1"},
          {"metadata", {{"name", name}}},
          {"conditions", json::array{std::move(condition)}}};
}

Task<Result<>> ask(NodeConnector& connector, uint16_t port) {
  const auto transport = CO_TRY(co_await connector.connect("https", "127.0.0.1", port));
  net::Response response = CO_TRY(co_await transport->send({.target = "/healthz"}));
  CO_TRY(co_await net::read_all(*response.body, kMaxAnswerBytes));
  if (response.status != 200)
    co_return fail(Code::kUnavailable, "unhealthy http status code: {}", response.status);
  co_return Result<>();
}

Task<Result<>> health_of(const Component& component, NodeConnector* connector) {
  if (component.health_port == 0) co_return Result<>();
  if (!connector) co_return fail(Code::kUnavailable, "this server has no way to it");
  co_return co_await runtime::with_timeout(kProbeLimit, "its answer", ask(*connector, component.health_port));
}

Result<> health_of_store(CacheFeed& feed) {
  if (feed.healthy()) return {};
  return fail(Code::kUnavailable, "the store does not answer");
}

}  // namespace

Task<ApiResult<Answer>> serve_component_statuses(Registry& registry, const Pipeline& pipeline, Call& call) {
  std::vector<json::object> all{status_of(kStore, health_of_store(registry.feed()))};
  for (const Component& component : pipeline.components) {
    all.push_back(status_of(component.name, co_await health_of(component, pipeline.nodes.get())));
  }
  const schema::Schema* schema = api::find_kind("", "v1", "ComponentStatus");
  if (call.info.verb == "get") {
    for (const json::object& object : all) {
      if (name_of(object) == call.info.name) co_return answer_kind(object, schema);
    }
    co_return std::unexpected(not_found(call.type().id, call.info.name));
  }
  ObjectList list;
  for (const json::object& object : all) {
    auto item = std::make_shared<CachedObject>();
    item->name = name_of(object);
    item->json = share(schema::serialize_json(object));
    list.items.push_back(std::move(item));
  }
  co_return Answer{200, std::move(list)};
}

}  // namespace cloudless::apiserver

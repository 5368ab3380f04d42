// Paths that are no resources: health, metrics, documents, and what the pipeline adds.
#include <algorithm>

#include "apiserver/json_fields.hpp"
#include "apiserver/server_state.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

struct Check {
  std::string name;
  bool healthy = true;
};

std::string describe(const std::vector<Check>& checks, std::string_view endpoint, bool healthy,
                     bool verbose) {
  if (healthy && !verbose) return "ok";
  std::string text;
  for (const Check& check : checks) {
    text += check.healthy ? fmt::format("[+]{} ok\n", check.name)
                          : fmt::format("[-]{} failed: reason withheld\n", check.name);
  }
  return text + fmt::format("{} check {}\n", endpoint, healthy ? "passed" : "failed");
}

Task<void> send_text(net::ResponseWriter& response, int code, std::string text, std::string type) {
  net::Headers headers{{"content-type", std::move(type)}, {"cache-control", "no-cache, private"}};
  if (type == "text/plain; charset=utf-8") headers.add("x-content-type-options", "nosniff");
  (void)co_await response.respond(code, std::move(headers), {share(std::move(text))});
}

bool matches_etag(const net::Headers& headers, std::string_view etag) {
  return headers.get("if-none-match").value_or("") == etag;
}

}  // namespace

Task<ApiResult<>> ApiServer::State::serve_path(const RequestInfo& info, net::Request request,
                                               net::ResponseWriter& response) {
  constexpr std::string_view kText = "text/plain; charset=utf-8";
  const auto added = pipeline.paths.find(info.path);
  if (added != pipeline.paths.end()) {
    co_await added->second(std::move(request), response);
    co_return ApiResult<>();
  }
  const Query query = CO_TRY(Query::parse(request.query()));
  for (std::string_view endpoint : {"healthz", "livez", "readyz"}) {
    if (!info.path.starts_with(fmt::format("/{}", endpoint))) continue;
    const std::string rest = info.path.substr(endpoint.size() + 1);
    std::vector<Check> checks = {{"ping"}, {"log"}, {"etcd", registry.feed().healthy()}};
    if (endpoint == "readyz") checks.push_back({"informer-sync", ready});
    checks.push_back({"poststarthook/bootstrap-controller", ready || endpoint == "livez"});
    if (!rest.empty()) std::erase_if(checks, [&](const Check& check) { return "/" + check.name != rest; });
    for (const std::string& excluded : query.all("exclude"))
      std::erase_if(checks, [&](const Check& check) { return check.name == excluded; });
    if (checks.empty() && !rest.empty()) break;
    const bool healthy = std::ranges::all_of(checks, &Check::healthy);
    co_await send_text(response, healthy ? 200 : 500,
                       describe(checks, endpoint, healthy, query.has("verbose")), std::string(kText));
    co_return ApiResult<>();
  }
  if (info.path == "/metrics") {
    co_await send_text(response, 200, metrics.expose(), "text/plain; version=0.0.4; charset=utf-8");
    co_return ApiResult<>();
  }
  const std::optional<Document> document = CO_TRY(documents.get(registry.catalog(), aggregator.extensions(),
                                                                info.path, request.headers, request.query()));
  if (!document) {
    co_await send_text(response, 404, "404 page not found\n", std::string(kText));
    co_return ApiResult<>();
  }
  net::Headers headers{
      {"content-type", document->content_type},
      {"etag", document->etag},
      {"cache-control", info.path.starts_with("/openapi/v3/") && query.has("hash") ? "public, immutable"
                                                                                   : "no-cache, private"},
      {"vary", "Accept"}};
  const bool unchanged = matches_etag(request.headers, document->etag);
  std::vector<SharedBytes> body;
  if (!unchanged) body.push_back(document->body);
  (void)co_await response.respond(unchanged ? 304 : 200, std::move(headers), std::move(body));
  co_return ApiResult<>();
}

}  // namespace cloudless::apiserver

#include "apiserver/aggregation/aggregator.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "apiserver/json_fields.hpp"
#include "apiserver/subresources/pass_through.hpp"
#include "base/strings.hpp"
#include "runtime/timer.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

const GroupResource kApiServices{"apiregistration.k8s.io", "apiservices"};
const GroupResource kServices{"", "services"};
const GroupResource kSlices{"discovery.k8s.io", "endpointslices"};

constexpr std::string_view kOpenApi = "/openapi/v3";

bool precedes(const ExtensionGroupVersion& a, const ExtensionGroupVersion& b) {
  const auto key = [](const ExtensionService& service) {
    return std::tuple(-service.group_priority, std::string_view(service.group), -service.version_priority);
  };
  if (key(a.service) != key(b.service)) return key(a.service) < key(b.service);
  return version_precedes(a.service.version, b.service.version);
}

Unavailable failed_check(const ExtensionService& extension, std::string_view why) {
  return {"FailedDiscoveryCheck",
          fmt::format("failing or missing response from https://{}:{}/apis/{}/{}: {}",
                      extension.server_name(), extension.port, extension.group, extension.version, why)};
}

}  // namespace

net::Headers proxied_headers(const net::Headers& headers, const UserInfo& user) {
  net::Headers out;
  for (const auto& [name, value] : forwarded_headers(headers)) {
    if (!to_lower(name).starts_with("x-remote-")) out.add(name, value);
  }
  out.add("X-Remote-User", user.name);
  if (!user.uid.empty()) out.add("X-Remote-Uid", user.uid);
  for (const std::string& group : user.groups) out.add("X-Remote-Group", group);
  for (const auto& [key, values] : user.extra) {
    for (const std::string& value : values) out.add("X-Remote-Extra-" + net::percent_encode(key), value);
  }
  return out;
}

Aggregator::Aggregator(Registry& registry, runtime::Executor& executor, Random& random, Logger log)
    : registry_(registry),
      random_(random),
      log_(std::move(log)),
      scope_(executor, log_),
      extensions_(std::make_shared<std::vector<ExtensionGroupVersion>>()) {}

void Aggregator::start(std::shared_ptr<NodeConnector> nodes) {
  nodes_ = std::move(nodes);
  scope_.spawn(follow(kApiServices));
  scope_.spawn(run());
}

Task<void> Aggregator::stop() {
  scope_.cancel();
  co_await scope_.join();
}

ExtensionsPtr Aggregator::extensions() const {
  const std::lock_guard lock(mutex_);
  return extensions_;
}

std::optional<ExtensionService> Aggregator::find(std::string_view path) const {
  constexpr std::string_view kPrefix = "/apis/";
  const ExtensionsPtr all = extensions();
  if (all->empty()) return std::nullopt;
  const bool of_open_api = path.starts_with(kOpenApi);
  if (of_open_api) path.remove_prefix(kOpenApi.size());
  if (!path.starts_with(kPrefix)) return std::nullopt;
  const std::vector<std::string_view> parts = split(path.substr(kPrefix.size()), '/');
  if (parts.size() < 2) return std::nullopt;
  for (const ExtensionGroupVersion& extension : *all) {
    if (extension.service.group != parts[0] || extension.service.version != parts[1]) continue;
    if (!of_open_api || !extension.open_api.empty()) return extension.service;
  }
  return std::nullopt;
}

Task<void> Aggregator::follow(GroupResource resource) {
  const ResourceTypePtr type = registry_.catalog()->find(resource);
  while (!scope_.cancelled()) {
    ApiResult<WatchCache::Subscribed> subscribed = type->cache->subscribe({.key = type->prefix});
    if (!subscribed) co_return;
    wake_.notify();
    for (;;) {
      const auto event = co_await subscribed->subscription->next();
      if (!event) co_return;
      if (!*event) break;
      while (subscribed->subscription->try_next()) {
      }
      wake_.notify();
    }
  }
}

Task<void> Aggregator::run() {
  while (!scope_.cancelled()) {
    const auto present = co_await registry_.list(kApiServices, "");
    if (present) {
      const ApiResult<> done = co_await sync_local(*present);
      if (!done) log_failure("", done.error());
      co_await sync_extensions(*present);
    }
    const ExtensionsPtr all = extensions();
    // Nobody to look after: only a change wakes this.
    Result<> woken;
    if (present && all->empty()) {
      woken = co_await wake_.wait();
    } else {
      const bool all_well = present && std::ranges::all_of(*all, &ExtensionGroupVersion::available);
      woken = co_await runtime::with_timeout(all_well ? kAvailabilityCheck : kAvailabilityRetry,
                                             "an extension server", wake_.wait());
    }
    if (!woken && woken.error().code != Code::kDeadlineExceeded) co_return;
  }
}

void Aggregator::log_failure(std::string_view name, const ApiStatus& status) const {
  // Others write the same objects: a conflict, and an object that is there or gone already, are no failure.
  if (status.code == 409 || status.code == 404) return;
  log_.warn("an APIService is not up to date", {{"name", name}, {"reason", status.message}});
}

Task<ApiResult<>> Aggregator::sync_local(const std::vector<ObjectPtr>& present) {
  ApiServicePlan plan =
      plan_api_services(present, local_api_services(*registry_.catalog(), registry_.clock().wall_now()));
  for (json::object& object : plan.create) {
    const std::string name(name_of(object));
    const json::value status = object["status"];
    auto created = co_await registry_.create(kApiServices, std::move(object));
    if (!created) {
      log_failure(name, created.error());
      continue;
    }
    json::object with_status = **created;
    with_status["status"] = status;
    plan.set_status.push_back(std::move(with_status));
  }
  for (json::object& object : plan.set_status) {
    const std::string name(name_of(object));
    const auto updated = co_await registry_.update(kApiServices, "status", std::move(object));
    if (!updated) log_failure(name, updated.error());
  }
  for (const std::string& name : plan.remove) {
    const ApiResult<> removed = co_await registry_.remove(kApiServices, "", name);
    if (!removed) log_failure(name, removed.error());
  }
  co_return ApiResult<>();
}

Task<void> Aggregator::sync_extensions(const std::vector<ObjectPtr>& present) {
  auto all = std::make_shared<std::vector<ExtensionGroupVersion>>();
  for (const ObjectPtr& object : present) {
    std::optional<ExtensionService> service = extension_of(*object);
    if (service) all->push_back(co_await look_at(*object, std::move(*service)));
  }
  std::ranges::sort(*all, precedes);
  const std::lock_guard lock(mutex_);
  // An equal list stays, so that documents made from it are kept.
  const auto same = [](const ExtensionGroupVersion& a, const ExtensionGroupVersion& b) {
    return a.service == b.service && a.available == b.available && a.resources == b.resources &&
           a.open_api == b.open_api;
  };
  if (!std::ranges::equal(*extensions_, *all, same)) extensions_ = std::move(all);
}

Task<ExtensionGroupVersion> Aggregator::look_at(const json::object& api_service, ExtensionService service) {
  ExtensionGroupVersion out{.service = std::move(service)};
  std::expected<json::object, Unavailable> resources = co_await read_resources(out.service);
  out.available = resources.has_value();
  if (resources) out.open_api = co_await read_open_api(out.service);
  if (resources) out.resources = std::move(*resources);
  const std::optional<Unavailable> why = resources ? std::nullopt : std::optional(resources.error());
  std::optional<json::object> updated = with_availability(api_service, why, registry_.clock().wall_now());
  if (!updated) co_return out;
  const auto written = co_await registry_.update(kApiServices, "status", std::move(*updated));
  if (!written) log_failure(out.service.api_service, written.error());
  co_return out;
}

namespace {

Task<Result<std::string>> get_text(std::shared_ptr<net::Transport> transport, std::string target) {
  net::Request request{.target = std::move(target),
                       .headers = proxied_headers(
                           {}, {.name = "system:kube-aggregator", .groups = {std::string(kGroupMasters)}})};
  request.headers.add("accept", "application/json");
  net::Response response = CO_TRY(co_await transport->send(std::move(request)));
  std::string body = CO_TRY(co_await net::read_all(*response.body, kMaxDiscoveryBytes));
  if (response.status == 200) co_return body;
  co_return fail(Code::kUnavailable, "bad status from the server: {}", response.status);
}

}  // namespace

Task<std::expected<json::object, Unavailable>> Aggregator::read_resources(const ExtensionService& extension) {
  auto transport = co_await connect(extension);
  if (!transport) co_return std::unexpected(transport.error());
  const Result<std::string> text = co_await runtime::with_timeout(
      kDiscoveryLimit, "the answer",
      get_text(*transport, fmt::format("/apis/{}/{}", extension.group, extension.version)));
  if (!text) co_return std::unexpected(failed_check(extension, text.error().message));
  boost::system::error_code error;
  json::value body = json::parse(*text, error);
  if (error || !body.is_object())
    co_return std::unexpected(failed_check(extension, "the answer is no JSON object"));
  co_return std::move(body.get_object());
}

// Where its index says that its OpenAPI v3 is. Not all have one.
Task<std::string> Aggregator::read_open_api(const ExtensionService& extension) {
  auto transport = co_await connect(extension);
  if (!transport) co_return "";
  const Result<std::string> text = co_await runtime::with_timeout(
      kDiscoveryLimit, "the answer", get_text(*transport, std::string(kOpenApi)));
  boost::system::error_code error;
  const json::value index = text ? json::parse(*text, error) : json::value();
  if (error || !index.is_object()) co_return "";
  const std::string part = fmt::format("apis/{}/{}", extension.group, extension.version);
  const std::string_view url = text_at(index.get_object(), {"paths", part, "serverRelativeURL"});
  co_return url.starts_with(fmt::format("{}/{}", kOpenApi, part)) ? std::string(url) : std::string();
}

Task<std::expected<std::shared_ptr<net::Transport>, Unavailable>> Aggregator::connect(
    const ExtensionService& extension) {
  const auto service = co_await registry_.get(kServices, extension.namespace_, extension.service);
  const auto slices = co_await registry_.list(kSlices, extension.namespace_);
  const auto addresses = addresses_of(extension, service ? service->get() : nullptr,
                                      slices ? *slices : std::vector<ObjectPtr>());
  if (!addresses) co_return std::unexpected(addresses.error());
  if (!nodes_) co_return std::unexpected(failed_check(extension, "this server has no way to Services"));
  const ExtensionAddress& address = (*addresses)[random_.below(addresses->size())];
  auto transport = co_await nodes_->connect(NodeConnector::Extension{.host = address.host,
                                                                     .port = address.port,
                                                                     .server_name = extension.server_name(),
                                                                     .ca_bundle = extension.ca_bundle,
                                                                     .verify = extension.verify});
  if (!transport) co_return std::unexpected(failed_check(extension, transport.error().message));
  co_return std::move(*transport);
}

Task<ApiResult<>> Aggregator::serve(const ExtensionService& extension, const UserInfo& user,
                                    net::Request request, net::ResponseWriter& response) {
  const auto unavailable = [] {
    return std::unexpected(service_unavailable("the server is currently unable to handle the request"));
  };
  auto transport = co_await connect(extension);
  if (!transport) co_return unavailable();
  net::Request onward{
      .method = request.method, .target = request.target, .headers = proxied_headers(request.headers, user)};
  onward.body = std::move(request.body);
  Result<net::Response> answer = co_await (*transport)->send(std::move(onward));
  if (!answer) {
    log_.warn("an extension API server does not answer",
              {{"name", extension.api_service}, {"error", answer.error()}});
    co_return unavailable();
  }
  (void)co_await pass_through(std::move(*answer), response);
  co_return ApiResult<>();
}

}  // namespace cloudless::apiserver

#include "apiserver/subresources/connect.hpp"

#include <algorithm>
#include <charconv>

#include "apiserver/json_fields.hpp"
#include "apiserver/subresources/pass_through.hpp"
#include "base/strings.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

/// Of an agent's answer that is an error.
constexpr size_t kMaxErrorBytes = 16 * 1024;

// The agent's names for the streams of exec and attach.
constexpr std::pair<std::string_view, std::string_view> kStreamOptions[] = {
    {"stdin", "input"}, {"stdout", "output"}, {"stderr", "error"}, {"tty", "tty"}};
constexpr std::string_view kLogOptions[] = {"follow",     "previous",  "sinceSeconds", "sinceTime",
                                            "timestamps", "tailLines", "limitBytes",   "stream"};

void add_parameter(std::string& target, std::string_view name, std::string_view value) {
  target += target.contains('?') ? '&' : '?';
  target.append(name).append("=").append(net::percent_encode(value));
}

std::vector<std::string> names_of(const json::object& pod, Path path) {
  std::vector<std::string> names;
  for (const json::value& container : array_at(pod, path)) {
    if (container.is_object()) names.emplace_back(text_at(container.get_object(), {"name"}));
  }
  return names;
}

// The container that is meant: the one named, the default one, or the only one.
ApiResult<std::string> container_of(const Call& call, const json::object& pod) {
  const std::vector<std::string> containers = names_of(pod, {"spec", "containers"});
  const std::vector<std::string> init = names_of(pod, {"spec", "initContainers"});
  const std::vector<std::string> ephemeral = names_of(pod, {"spec", "ephemeralContainers"});
  std::string wanted(call.query.text("container"));
  if (wanted.empty()) {
    wanted = text_at(pod, {"metadata", "annotations", "kubectl.kubernetes.io/default-container"});
    if (wanted.empty() && containers.size() == 1) wanted = containers.front();
  }
  if (wanted.empty()) {
    std::string text = fmt::format("a container name must be specified for pod {}, choose one of: [{}]",
                                   name_of(pod), join(containers, " "));
    if (!init.empty()) text += fmt::format(" or one of the init containers: [{}]", join(init, " "));
    return std::unexpected(bad_request(text));
  }
  for (const auto* list : {&containers, &init, &ephemeral}) {
    if (std::ranges::find(*list, wanted) != list->end()) return wanted;
  }
  return std::unexpected(
      bad_request(fmt::format("container {} is not valid for pod {}", wanted, name_of(pod))));
}

bool is_true(const Query& query, std::string_view name) { return query.has(name) && query.truth(name); }

// What the proxies forward: the rest of the path, and the query as it came.
std::string proxied_path(const Call& call) {
  std::string path;
  for (size_t i = 3; i < call.info.parts.size(); ++i) path += "/" + net::percent_encode(call.info.parts[i]);
  if (path.empty() || call.info.path.ends_with('/')) path += '/';
  if (!call.raw_query.empty()) path += "?" + call.raw_query;
  return path;
}

// "[scheme:]name[:port]" of the pod and service proxies.
struct ProxyName {
  std::string scheme = "http";
  std::string name;
  std::string port;
};

ProxyName parse_proxy_name(std::string_view text) {
  const std::vector<std::string_view> parts = split(text, ':');
  ProxyName out;
  if (parts.size() == 1) {
    out.name = parts[0];
  } else if (parts.size() == 2) {
    out.name = parts[0];
    out.port = parts[1];
  } else if (parts.size() == 3) {
    if (!parts[0].empty()) out.scheme = parts[0];
    out.name = parts[1];
    out.port = parts[2];
  }
  return out;
}

struct Destination {
  std::string scheme;
  std::string host;
  uint16_t port = 0;
};

ApiResult<uint16_t> parse_port(std::string_view text, uint16_t fallback) {
  if (text.empty()) return fallback;
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error == std::errc() && end == text.data() + text.size() && port != 0) return port;
  return std::unexpected(bad_request(fmt::format("invalid port {}", quote(text))));
}

Task<ApiResult<Destination>> pod_destination(Registry& registry, const Call& call) {
  const ProxyName wanted = parse_proxy_name(call.info.name);
  const CachedObjectPtr stored =
      CO_TRY(co_await registry.read(call.type(), call.info.namespace_, wanted.name));
  const ObjectPtr pod = stored->decode();
  const std::string_view address = text_at(*pod, {"status", "podIP"});
  if (address.empty())
    co_return std::unexpected(service_unavailable("address not allowed: the pod has no address yet"));
  const json::array& containers = array_at(*pod, {"spec", "containers"});
  uint16_t fallback = 80;
  if (!containers.empty() && containers[0].is_object()) {
    const json::array& ports = array_at(containers[0].get_object(), {"ports"});
    if (!ports.empty() && ports[0].is_object()) {
      fallback = static_cast<uint16_t>(number_at(ports[0].get_object(), {"containerPort"}, fallback));
    }
  }
  const uint16_t port = CO_TRY(parse_port(wanted.port, fallback));
  co_return Destination{wanted.scheme, std::string(address), port};
}

// A ready endpoint of the Service, on the port that is named by name or number.
Task<ApiResult<Destination>> service_destination(Registry& registry, const Call& call) {
  const ProxyName wanted = parse_proxy_name(call.info.name);
  const ObjectPtr endpoints =
      CO_TRY(co_await registry.get({"", "endpoints"}, call.info.namespace_, wanted.name));
  const ObjectPtr service =
      CO_TRY(co_await registry.get({"", "services"}, call.info.namespace_, wanted.name));
  std::string port_name = wanted.port;
  for (const json::value& value : array_at(*service, {"spec", "ports"})) {
    if (value.is_object() && std::to_string(number_at(value.get_object(), {"port"})) == wanted.port) {
      port_name = text_at(value.get_object(), {"name"});
    }
  }
  for (const json::value& value : array_at(*endpoints, {"subsets"})) {
    if (!value.is_object()) continue;
    const json::array& addresses = array_at(value.get_object(), {"addresses"});
    for (const json::value& port : array_at(value.get_object(), {"ports"})) {
      if (addresses.empty() || !port.is_object()) continue;
      if (!wanted.port.empty() && text_at(port.get_object(), {"name"}) != port_name) continue;
      const size_t chosen = registry.random().below(addresses.size());
      co_return Destination{wanted.scheme, std::string(text_at(addresses[chosen].as_object(), {"ip"})),
                            static_cast<uint16_t>(number_at(port.get_object(), {"port"}))};
    }
  }
  co_return std::unexpected(
      service_unavailable(fmt::format("no endpoints available for service {}", quote(wanted.name))));
}

Task<ApiResult<ObjectPtr>> node_of(Registry& registry, std::string_view name) {
  co_return co_await registry.get({"", "nodes"}, "", name);
}

ApiStatus unreachable(const Error& error) {
  ApiStatus status(error.code == Code::kDeadlineExceeded ? 504 : 500, "InternalError", error.message);
  return status;
}

// Refusals of the agent become Status objects, as clients expect of this server.
ApiStatus agent_refusal(int status, std::string text) {
  ApiStatus failure(status, "", std::string(trim(text)));
  if (status == 400) failure.reason = "BadRequest";
  if (status == 403) failure.reason = "Forbidden";
  if (status == 404) failure.reason = "NotFound";
  if (status >= 500) failure.reason = "InternalError";
  return failure;
}

Task<ApiResult<>> forward(std::shared_ptr<net::Transport> transport, net::Request request,
                          net::ResponseWriter& response, bool translate_errors) {
  Result<net::Response> answer = co_await transport->send(std::move(request));
  if (!answer) co_return std::unexpected(unreachable(answer.error()));
  if (translate_errors && answer->status >= 400) {
    Result<std::string> text = co_await net::read_all(*answer->body, kMaxErrorBytes);
    co_return std::unexpected(agent_refusal(answer->status, text ? std::move(*text) : std::string()));
  }
  (void)co_await pass_through(std::move(*answer), response);
  co_return ApiResult<>();
}

}  // namespace

bool is_connect(std::string_view subresource) {
  constexpr std::string_view kNames[] = {"log", "exec", "attach", "portforward", "proxy"};
  return std::ranges::find(kNames, subresource) != std::end(kNames);
}

ApiResult<std::string> agent_target(const Call& call, const json::object& pod) {
  const std::string& sub = call.info.subresource;
  const std::string where = fmt::format("{}/{}", call.info.namespace_, name_of(pod));
  if (sub == "portforward") {
    std::string target = "/portForward/" + where;
    for (const std::string& port : call.query.all("ports")) add_parameter(target, "port", port);
    return target;
  }
  const std::string container = TRY(container_of(call, pod));
  if (sub == "log") {
    std::string target = fmt::format("/containerLogs/{}/{}", where, container);
    for (std::string_view option : kLogOptions) {
      if (call.query.has(option)) add_parameter(target, option, call.query.text(option));
    }
    return target;
  }
  std::string target = fmt::format("/{}/{}/{}", sub, where, container);
  for (const auto& [option, agent_option] : kStreamOptions) {
    if (is_true(call.query, option)) add_parameter(target, agent_option, "1");
  }
  for (const std::string& word : call.query.all("command")) add_parameter(target, "command", word);
  return target;
}

Task<ApiResult<>> serve_connect(Registry& registry, NodeConnector& nodes, Call& call, net::Request request,
                                net::ResponseWriter& response) {
  const bool proxy = call.info.subresource == "proxy";
  net::Request onward{.method = request.method, .headers = forwarded_headers(request.headers)};
  onward.body = std::move(request.body);
  Result<std::shared_ptr<net::Transport>> transport;
  if (proxy && call.info.resource != "nodes") {
    const bool pod = call.info.resource == "pods";
    const Destination to =
        CO_TRY(pod ? co_await pod_destination(registry, call) : co_await service_destination(registry, call));
    onward.target = proxied_path(call);
    transport = co_await nodes.connect(to.scheme, to.host, to.port);
  } else {
    std::string node_name = call.info.name;
    if (proxy) {
      onward.target = proxied_path(call);
    } else {
      const CachedObjectPtr stored =
          CO_TRY(co_await registry.read(call.type(), call.info.namespace_, call.info.name));
      const ObjectPtr pod = stored->decode();
      onward.target = CO_TRY(agent_target(call, *pod));
      node_name = text_at(*pod, {"spec", "nodeName"});
      if (node_name.empty()) {
        co_return std::unexpected(
            bad_request(fmt::format("pod {} does not have a host assigned", call.info.name)));
      }
    }
    const ObjectPtr node = CO_TRY(co_await node_of(registry, node_name));
    transport = co_await nodes.connect(*node);
  }
  if (!transport) co_return std::unexpected(unreachable(transport.error()));
  co_return co_await forward(std::move(*transport), std::move(onward), response, !proxy);
}

}  // namespace cloudless::apiserver

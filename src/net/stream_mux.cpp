#include "net/stream_mux.hpp"

#include <algorithm>

#include "base/strings.hpp"
#include "net/http1.hpp"
#include "net/mux_inbox.hpp"
#include "net/websocket.hpp"

namespace cloudless::net {

using runtime::Task;

namespace {

// KEP-4006: SPDY through a WebSocket, under the name of what it carries.
constexpr std::string_view kTunnel = "SPDY/3.1+";
constexpr std::string_view kProtocolHeader = "X-Stream-Protocol-Version";

bool wants_spdy(const Request& request) {
  return http1::has_token(request.headers, "connection", "upgrade") &&
         http1::has_token(request.headers, "upgrade", "SPDY/3.1");
}

// The server's first protocol that the client names; empty where the client names none (the oldest clients).
std::optional<std::string> agree(const Request& request, const std::vector<std::string>& protocols) {
  std::vector<std::string> named;
  for (const std::string_view value : request.headers.all(kProtocolHeader)) {
    for (const std::string_view item : split(value, ',')) named.emplace_back(trim(item));
  }
  if (named.empty()) return "";
  for (const std::string& ours : protocols) {
    if (std::ranges::find(named, ours) != named.end()) return ours;
  }
  return std::nullopt;
}

Task<Result<std::unique_ptr<StreamMux>>> upgrade_spdy(const Request& request, ResponseWriter& response,
                                                      const std::vector<std::string>& protocols, Logger log) {
  const runtime::TaskContext context = co_await runtime::current_context();
  const std::optional<std::string> protocol = agree(request, protocols);
  if (!protocol) {
    Headers headers;
    for (const std::string& ours : protocols) headers.add("X-Accepted-Stream-Protocol-Versions", ours);
    const std::string asked = join(request.headers.all(kProtocolHeader), ", ");
    const std::string message = fmt::format(
        "unable to upgrade: unable to negotiate protocol: client supports [{}], server accepts [{}]", asked,
        join(protocols, " "));
    static_cast<void>(co_await response.respond(403, std::move(headers), {share(message)}));
    co_return fail(Code::kInvalid, "{}", message);
  }
  Headers headers{{"Connection", "Upgrade"}, {"Upgrade", "SPDY/3.1"}};
  if (!protocol->empty()) headers.add(std::string(kProtocolHeader), *protocol);
  auto stream = CO_TRY(co_await response.upgrade(std::move(headers)));
  co_return make_spdy_mux(*context.executor, SpdyRole::kServer, std::move(stream), *protocol, std::move(log));
}

Task<Result<std::unique_ptr<StreamMux>>> upgrade_websocket(const Request& request, ResponseWriter& response,
                                                           const std::vector<std::string>& protocols,
                                                           Logger log) {
  const runtime::TaskContext context = co_await runtime::current_context();
  std::vector<std::string> offered = protocols;
  for (const std::string& protocol : protocols) offered.push_back(std::string(kTunnel) + protocol);
  auto socket = CO_TRY(co_await accept_websocket(request, response, offered));
  std::string protocol = socket->protocol();
  if (!protocol.starts_with(kTunnel)) {
    co_return make_websocket_mux(*context.executor, std::move(socket), std::move(protocol), std::move(log));
  }
  protocol.erase(0, kTunnel.size());
  co_return make_spdy_mux(*context.executor, SpdyRole::kServer, make_byte_stream(std::move(socket)),
                          std::move(protocol), std::move(log));
}

}  // namespace

bool wants_streams(const Request& request) { return wants_spdy(request) || wants_websocket(request); }

Task<Result<std::unique_ptr<StreamMux>>> upgrade_streams(const Request& request, ResponseWriter& response,
                                                         const std::vector<std::string>& protocols,
                                                         Logger log) {
  if (wants_websocket(request))
    co_return co_await upgrade_websocket(request, response, protocols, std::move(log));
  if (wants_spdy(request)) co_return co_await upgrade_spdy(request, response, protocols, std::move(log));
  const std::string message = "unable to upgrade: missing upgrade headers in request";
  static_cast<void>(co_await response.respond(400, {}, {share(message)}));
  co_return fail(Code::kInvalid, "{}", message);
}

Task<Result<std::unique_ptr<StreamMux>>> connect_streams(Transport& transport, std::string target,
                                                         std::string protocol, Logger log) {
  constexpr size_t kMaxRefusal = 64 * 1024;  // bytes of the answer that says why not
  const runtime::TaskContext context = co_await runtime::current_context();
  Request request;
  request.method = "POST";
  request.target = std::move(target);
  request.headers = {{"Connection", "Upgrade"}, {"Upgrade", "SPDY/3.1"}};
  request.headers.add(std::string(kProtocolHeader), protocol);
  Response response = CO_TRY(co_await transport.send(std::move(request)));
  if (!response.upgraded) {
    const std::string why = CO_TRY(co_await read_all(*response.body, kMaxRefusal));
    co_return fail(Code::kUnavailable, "unable to upgrade connection: {} (status {})", why, response.status);
  }
  if (const auto agreed = response.headers.get(kProtocolHeader)) protocol = *agreed;
  co_return make_spdy_mux(*context.executor, SpdyRole::kClient, std::move(response.upgraded),
                          std::move(protocol), std::move(log));
}

}  // namespace cloudless::net

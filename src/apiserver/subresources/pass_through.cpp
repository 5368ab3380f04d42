#include "apiserver/subresources/pass_through.hpp"

#include <algorithm>

#include "base/strings.hpp"
#include "runtime/scope.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

/// Read at a time from an upgraded connection.
constexpr size_t kChunkBytes = 64 * 1024;

// Credentials stay here: the agent trusts this server's own. Framing belongs to each hop.
bool is_dropped(std::string_view name) {
  constexpr std::string_view kDropped[] = {"authorization",     "host",       "content-length",
                                           "transfer-encoding", "keep-alive", "te"};
  const std::string lower = to_lower(name);
  return std::ranges::find(kDropped, lower) != std::end(kDropped) || lower.starts_with("impersonate-");
}

Task<void> copy(net::ByteStream& from, net::ByteStream& to) {
  for (;;) {
    Result<std::string> bytes = co_await from.read(kChunkBytes);
    if (!bytes) {
      to.abort();
      co_return;
    }
    if (bytes->empty()) {
      (void)co_await to.close_write();
      co_return;
    }
    if (!co_await to.write(std::move(*bytes))) {
      from.abort();
      co_return;
    }
  }
}

Task<void> join_streams(net::ByteStream& client, net::ByteStream& server) {
  const runtime::TaskContext context = co_await runtime::current_context();
  runtime::TaskScope scope(*context.executor, Logger());
  scope.spawn(copy(server, client));
  co_await copy(client, server);
  // The client has ended its direction; the server may still send what it has, unless the client is gone.
  if (context.cancelled()) {
    client.abort();
    server.abort();
  }
  co_await runtime::run_in({context.executor, nullptr}, scope.join());
}

}  // namespace

net::Headers forwarded_headers(const net::Headers& headers) {
  net::Headers out;
  for (const auto& [name, value] : headers) {
    if (!is_dropped(name)) out.add(name, value);
  }
  return out;
}

Task<Result<>> pass_through(net::Response answer, net::ResponseWriter& response) {
  net::Headers headers = forwarded_headers(answer.headers);
  if (answer.upgraded) {
    const std::unique_ptr<net::ByteStream> client = CO_TRY(co_await response.upgrade(std::move(headers)));
    co_await join_streams(*client, *answer.upgraded);
    co_return Result<>();
  }
  headers.remove("connection");
  CO_TRY(co_await response.start(answer.status, std::move(headers)));
  for (;;) {
    std::optional<SharedBytes> piece = CO_TRY(co_await answer.body->next());
    if (!piece) break;
    CO_TRY(co_await response.write(std::move(*piece)));
  }
  co_return co_await response.finish();
}

}  // namespace cloudless::apiserver

#include "net/client.hpp"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <condition_variable>
#include <map>
#include <mutex>

#include "net/client_pool.hpp"
#include "runtime/timer.hpp"

namespace cloudless::net {

using runtime::EventLoop;
using runtime::Task;

namespace {

struct BaseUrl {
  bool tls = false;
  std::string unix_path;
  std::string host;
  uint16_t port = 0;
  std::string authority;
  std::string path;  // without a slash at its end
};

Result<BaseUrl> parse_base_url(const std::string& url) {
  BaseUrl base;
  if (url.starts_with("unix://")) {
    base.unix_path = url.substr(7);
    base.authority = "localhost";
    return base;
  }
  base.tls = url.starts_with("https://");
  if (!base.tls && !url.starts_with("http://"))
    return fail(Code::kInvalid, "{}: not an http, https or unix URL", url);
  const std::string rest = url.substr(base.tls ? 8 : 7);
  const size_t slash = rest.find('/');
  base.authority = rest.substr(0, slash);
  base.path = slash == std::string::npos ? "" : rest.substr(slash);
  while (base.path.ends_with('/')) base.path.pop_back();
  const bool has_port = base.authority.rfind(':') != std::string::npos &&
                        (!base.authority.starts_with('[') || !base.authority.ends_with(']'));
  const std::string with_port = has_port ? base.authority : base.authority + (base.tls ? ":443" : ":80");
  std::tie(base.host, base.port) = TRY(split_host_port(with_port));
  if (base.host.empty()) return fail(Code::kInvalid, "{}: no host", url);
  return base;
}

bool retryable(const Request& request) {
  return !request.body && (request.method == "GET" || request.method == "HEAD");
}

Request copy_without_body(const Request& request) {
  return {request.method, request.target, request.headers, nullptr, {}};
}

// The connections of one loop; used on it alone.
struct Pool {
  struct IdleLink {
    std::shared_ptr<http1::Link> link;
    SteadyTime since;
  };
  std::vector<IdleLink> idle;  // the one used last at the end
  std::vector<std::shared_ptr<Http2Client>> http2;
  size_t open = 0;  // HTTP/1.1 connections
  bool closed = false;
  bool purge_scheduled = false;
  std::optional<bool> speaks_http2;  // known after the first connection
  bool dialing = false;
  std::vector<runtime::Completion<Result<>>> waiting;  // for the connection that is being made
  Duration backoff{};                                  // after the last attempt to connect, if it failed
  SteadyTime next_attempt{};
  Error last_error;
  std::atomic<size_t> running{0};  // tasks of HTTP/2 connections
  runtime::Signal ended;           // one of them has

  // For a thread that is no loop's.
  void wait_ended(SteadyTime until) {
    std::unique_lock lock(mutex);
    ended_too.wait_until(lock, until, [this] { return running == 0; });
  }
  void connection_ended() {
    {
      const std::lock_guard lock(mutex);
      running.fetch_sub(1);
    }
    ended.notify();
    ended_too.notify_all();
  }

  void clear() {
    closed = true;
    clear_idle();
    for (const auto& connection : http2) connection->abort();
    http2.clear();
  }
  void clear_idle() {
    idle.clear();
    for (const auto& connection : http2) {
      if (connection->stream_count() == 0) connection->abort();
    }
  }

 private:
  std::mutex mutex;
  std::condition_variable ended_too;
};

// Counts an HTTP/1.1 connection as long as its link lives.
std::shared_ptr<http1::Link> counted_link(const std::shared_ptr<Pool>& pool, std::unique_ptr<Stream> stream) {
  ++pool->open;
  return {new http1::Link{std::move(stream), {}}, [pool](http1::Link* link) {
            --pool->open;
            delete link;
          }};
}

}  // namespace

struct HttpClient::State : std::enable_shared_from_this<HttpClient::State> {
  State(HttpClientOptions client_options, BaseUrl url, Resolver& name_resolver, Logger logger)
      : options(std::move(client_options)),
        base(std::move(url)),
        resolver(name_resolver),
        log(std::move(logger)) {}

  std::shared_ptr<Pool> pool_of(EventLoop& loop) {
    const std::lock_guard lock(mutex);
    std::shared_ptr<Pool>& pool = pools[&loop];
    if (!pool) pool = std::make_shared<Pool>();
    return pool;
  }

  std::vector<std::shared_ptr<Pool>> all_pools() {
    const std::lock_guard lock(mutex);
    std::vector<std::shared_ptr<Pool>> all;
    for (const auto& [loop, pool] : pools) all.push_back(pool);
    return all;
  }

  void on_every_loop(void (Pool::*act)()) {
    const std::lock_guard lock(mutex);
    for (const auto& [loop, pool] : pools) {
      if (loop->on_this_thread()) {
        ((*pool).*act)();
      } else {
        loop->post([pool, act] { ((*pool).*act)(); });
      }
    }
  }

  Task<Result<std::unique_ptr<Stream>>> dial(const std::vector<std::string>& alpn) {
    co_return co_await runtime::with_timeout(options.connect_timeout, "connecting to " + options.base_url,
                                             dial_unlimited(alpn));
  }

  Task<Result<std::unique_ptr<Stream>>> dial_unlimited(const std::vector<std::string>& alpn) {
    if (!base.unix_path.empty()) co_return co_await connect_unix(base.unix_path);
    auto plain = CO_TRY(co_await connect_tcp(resolver, base.host, base.port, options.connect_timeout));
    if (!base.tls) co_return plain;
    co_return co_await connect_tls(std::move(plain), *options.tls, base.host, alpn);
  }

  Task<Result<Response>> send(EventLoop& loop, Request request) {
    if (!base.path.empty()) request.target = base.path + request.target;
    if (!request.headers.get("host")) request.headers.add("Host", base.authority);
    const std::shared_ptr<Pool> pool = pool_of(loop);
    if (request.headers.get("upgrade")) co_return co_await send_upgrade(pool, std::move(request));
    if (!retryable(request)) {
      bool reused = false;
      co_return co_await send_once(loop, pool, std::move(request), reused);
    }
    // A kept connection may have been closed by the server in the moment of its use: once more on another.
    constexpr int kAttempts = 3;
    for (int attempt = 1;; ++attempt) {
      bool reused = false;
      auto response = co_await send_once(loop, pool, copy_without_body(request), reused);
      const bool again =
          !response && response.error().code == Code::kUnavailable && reused && attempt < kAttempts;
      if (!again) co_return response;
    }
  }

  Task<Result<Response>> send_upgrade(std::shared_ptr<Pool> pool, Request request) {
    if (pool->open >= options.connections) co_return too_many(*pool);
    auto stream = CO_TRY(co_await dial({"http/1.1"}));
    stream->set_write_stall_limit(options.write_stall_timeout);
    co_return co_await send_http1(counted_link(pool, std::move(stream)), std::move(request),
                                  options.header_bytes, [](const std::shared_ptr<http1::Link>&) {});
  }

  Task<Result<Response>> send_once(EventLoop& loop, std::shared_ptr<Pool> pool, Request request,
                                   bool& reused) {
    for (;;) {
      if (const auto connection = usable(*pool)) {
        reused = true;
        co_return co_await connection->send(std::move(request));
      }
      if (auto link = take_idle(*pool)) {
        reused = true;
        co_return co_await send_on_link(loop, pool, std::move(link), std::move(request));
      }
      // One connection at a time is made until it is known whether it will be shared.
      if (pool->dialing && shares_connections(*pool)) {
        CO_TRY(CO_TRY(co_await pool->waiting.emplace_back().wait()));
        continue;
      }
      reused = false;
      if (auto link = CO_TRY(co_await connect(pool, loop))) {
        co_return co_await send_on_link(loop, pool, std::move(link), std::move(request));
      }
      // The new HTTP/2 connection is in the pool now.
    }
  }

  bool shares_connections(const Pool& pool) const {
    return options.http2 == Http2::kAlways || pool.speaks_http2.value_or(base.tls);
  }

  static std::shared_ptr<Http2Client> usable(Pool& pool) {
    std::erase_if(pool.http2, [](const auto& connection) { return connection->closed(); });
    const auto found = std::ranges::find_if(pool.http2, [](const auto& c) { return c->usable(); });
    return found == pool.http2.end() ? nullptr : *found;
  }

  Task<Result<>> connect_http2(EventLoop& loop) {
    assert(options.http2 == Http2::kAlways);
    const std::shared_ptr<Pool> pool = pool_of(loop);
    while (!usable(*pool)) {
      if (pool->dialing) {
        CO_TRY(CO_TRY(co_await pool->waiting.emplace_back().wait()));
      } else {
        CO_TRY(co_await connect(pool, loop));
      }
    }
    co_return Result<>();
  }

  std::unexpected<Error> too_many(const Pool& pool) const {
    return fail(Code::kResourceExhausted, "{} connections to {} are in use", pool.open, options.base_url);
  }

  /// A new connection: an HTTP/1.1 link, or null after putting an HTTP/2 connection into the pool.
  Task<Result<std::shared_ptr<http1::Link>>> connect(std::shared_ptr<Pool> pool, EventLoop& loop) {
    if (pool->open >= options.connections) {
      co_return fail(Code::kResourceExhausted, "{} connections to {} are in use", pool->open,
                     options.base_url);
    }
    if (pool->backoff > Duration::zero() && loop.clock().steady_now() < pool->next_attempt) {
      co_return std::unexpected(pool->last_error);
    }
    pool->dialing = true;
    Result<std::unique_ptr<Stream>> stream = co_await dial(pool);
    pool->dialing = false;
    const auto waiting = std::exchange(pool->waiting, {});
    note_attempt(*pool, loop, stream);
    // Whoever was cancelled tells the others nothing about the server.
    const bool failed = !stream && stream.error().code != Code::kCancelled;
    for (const auto& waiter : waiting)
      waiter.complete(failed ? Result<>(std::unexpected(stream.error())) : Result<>());
    if (!stream) co_return std::unexpected(stream.error());
    (*stream)->set_write_stall_limit(options.write_stall_timeout);
    pool->speaks_http2 = options.http2 == Http2::kAlways || (*stream)->alpn() == "h2";
    if (!*pool->speaks_http2) co_return counted_link(pool, std::move(*stream));
    auto connection =
        std::make_shared<Http2Client>(std::move(*stream), options, base.tls ? "https" : "http", log);
    pool->running.fetch_add(1);
    Background::start(loop, run(pool, connection), log).detach();
    pool->http2.push_back(std::move(connection));
    co_return nullptr;
  }

  // A stream that the pool may use.
  Task<Result<std::unique_ptr<Stream>>> dial(std::shared_ptr<Pool> pool) {
    std::vector<std::string> alpn;  // empty: what the TLS configuration says
    if (options.http2 == Http2::kAlways) alpn = {"h2"};
    auto stream = CO_TRY(co_await dial(alpn));
    if (pool->closed) co_return fail(Code::kUnavailable, "the client was stopped");
    if (options.http2 == Http2::kAlways && base.tls && stream->alpn() != "h2") {
      co_return fail(Code::kUnavailable, "{} does not speak HTTP/2", options.base_url);
    }
    co_return stream;
  }

  void note_attempt(Pool& pool, EventLoop& loop, const Result<std::unique_ptr<Stream>>& stream) const {
    if (stream) {
      pool.backoff = Duration::zero();
    } else if (stream.error().code != Code::kCancelled) {
      pool.backoff = std::clamp(pool.backoff * 2, options.min_backoff, options.max_backoff);
      pool.next_attempt = loop.clock().steady_now() + pool.backoff;
      pool.last_error = stream.error();
    }
  }

  static Task<void> run(std::shared_ptr<Pool> pool, std::shared_ptr<Http2Client> connection) {
    co_await connection->run({});
    connection.reset();
    pool->connection_ended();
  }

  Task<Result<Response>> send_on_link(EventLoop& loop, std::shared_ptr<Pool> pool,
                                      std::shared_ptr<http1::Link> link, Request request) {
    auto give_back = [self = shared_from_this(), pool, &loop](std::shared_ptr<http1::Link> used) {
      self->keep(loop, pool, std::move(used));
    };
    co_return co_await send_http1(std::move(link), std::move(request), options.header_bytes,
                                  std::move(give_back));
  }

  static std::shared_ptr<http1::Link> take_idle(Pool& pool) {
    while (!pool.idle.empty()) {
      std::shared_ptr<http1::Link> link = std::move(pool.idle.back().link);
      pool.idle.pop_back();
      if (!link->stream->idle_and_dead()) return link;
    }
    return nullptr;
  }

  void keep(EventLoop& loop, const std::shared_ptr<Pool>& pool, std::shared_ptr<http1::Link> link) {
    if (pool->closed || !link->buffer.empty()) return;
    pool->idle.push_back({std::move(link), loop.clock().steady_now()});
    schedule_purge(loop, pool, options.idle_timeout);
  }

  // Closes what has been idle for long, as long as anything is idle. Holds neither client nor pool meanwhile.
  static void schedule_purge(EventLoop& loop, const std::shared_ptr<Pool>& pool, Duration idle_timeout) {
    if (std::exchange(pool->purge_scheduled, true)) return;
    loop.call_after(idle_timeout, [&loop, weak = std::weak_ptr(pool), idle_timeout] {
      const std::shared_ptr<Pool> kept = weak.lock();
      if (!kept) return;
      kept->purge_scheduled = false;
      const SteadyTime oldest = loop.clock().steady_now() - idle_timeout;
      std::erase_if(kept->idle, [oldest](const auto& entry) { return entry.since <= oldest; });
      if (!kept->idle.empty()) schedule_purge(loop, kept, idle_timeout);
    });
  }

  const HttpClientOptions options;
  const BaseUrl base;
  Resolver& resolver;
  const Logger log;
  std::mutex mutex;
  std::map<EventLoop*, std::shared_ptr<Pool>> pools;
};

HttpClient::HttpClient(std::shared_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<HttpClient>> HttpClient::make(HttpClientOptions options, Resolver& resolver,
                                                     Logger log) {
  BaseUrl base = TRY(parse_base_url(options.base_url));
  if (base.tls && !options.tls) options.tls = TRY(TlsClientConfig::make({}, log));
  auto state = std::make_shared<State>(std::move(options), std::move(base), resolver, std::move(log));
  return std::unique_ptr<HttpClient>(new HttpClient(std::move(state)));
}

HttpClient::~HttpClient() { state_->on_every_loop(&Pool::clear); }

Task<void> HttpClient::stop() {
  const std::shared_ptr<State> state = state_;
  const runtime::TaskContext context = co_await runtime::current_context();
  state->on_every_loop(&Pool::clear);
  for (const std::shared_ptr<Pool>& pool : state->all_pools()) {
    while (pool->running > 0)
      static_cast<void>(co_await runtime::run_in({context.executor, nullptr}, pool->ended.wait()));
  }
}

void HttpClient::close(Duration limit) {
  const SteadyTime until = SystemClock().steady_now() + limit;
  state_->on_every_loop(&Pool::clear);
  for (const std::shared_ptr<Pool>& pool : state_->all_pools()) pool->wait_ended(until);
}

void HttpClient::close_idle() { state_->on_every_loop(&Pool::clear_idle); }

Task<Result<>> HttpClient::connect() {
  const std::shared_ptr<State> state = state_;
  EventLoop* loop = co_await current_loop();
  co_return co_await state->connect_http2(*loop);
}

Task<Result<Response>> HttpClient::send(Request request) {
  const std::shared_ptr<State> state = state_;
  EventLoop* loop = co_await current_loop();
  if (state->options.head_timeout == Duration::zero())
    co_return co_await state->send(*loop, std::move(request));
  co_return co_await runtime::with_timeout(state->options.head_timeout, request.method + " " + request.target,
                                           state->send(*loop, std::move(request)));
}

}  // namespace cloudless::net

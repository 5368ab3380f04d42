// What the services share: methods over protobuf messages, the response header, and the counting of calls.
// For .cpp files alone.
#pragma once

#include <map>

#include "base/metrics.hpp"
#include "etcd/event_encoder.hpp"
#include "etcd/rpc.pb.h"
#include "etcd/status.hpp"
#include "grpc/protobuf.hpp"
#include "grpc/server.hpp"
#include "runtime/channel.hpp"
#include "runtime/scope.hpp"
#include "store/store.hpp"

namespace cloudless::etcd {

/// What every response says of who answered: a cluster of one member, whose term never changes.
struct Identity {
  uint64_t cluster_id = 0;
  uint64_t member_id = 0;
  static constexpr uint64_t kRaftTerm = 2;

  void fill(etcdserverpb::ResponseHeader& header) const {
    header.set_cluster_id(cluster_id);
    header.set_member_id(member_id);
    header.set_raft_term(kRaftTerm);
  }
};

/// What the services work with, on the server's loop.
struct Backend {
  store::Store& store;
  runtime::TaskScope& scope;
  /// grpc_server_handled_total: grpc_type, grpc_service, grpc_method, grpc_code.
  metrics::Family<metrics::Counter>& handled;
  Identity identity;
  EventEncoder events;
  /// Unary calls that wait for the store; `calls_ended` follows the last of them.
  size_t calls = 0;
  runtime::Signal calls_ended;
};

/// A coroutine that belongs to a unary call and starts at once. Nobody waits for it but Server::stop(), by
/// Backend::calls.
struct CallTask {
  struct promise_type {
    runtime::TaskContext context;

    template <class... Rest>
    promise_type(Backend& backend, Rest&...) : context{&backend.scope.executor(), nullptr} {}
    CallTask get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

/// Counts a unary method's outcomes.
class MethodCounters {
 public:
  MethodCounters(Backend& backend, std::string service, std::string name)
      : backend_(backend),
        service_(std::move(service)),
        name_(std::move(name)),
        succeeded_(backend.handled.with({"unary", service_, name_, "OK"})) {}

  void count(const Result<>& done) {
    if (done) {
      succeeded_.add();
    } else {
      backend_.handled.with({"unary", service_, name_, code_name(done.error())}).add();
    }
  }

 private:
  Backend& backend_;
  const std::string service_;
  const std::string name_;
  metrics::Counter& succeeded_;
};

template <class Request, class Response, class Serve>
CallTask answer(Backend& backend, MethodCounters& counters, const Serve& serve, grpc::Reply reply,
                std::string_view bytes) {
  ++backend.calls;
  Request request;
  Response response;
  Result<> done = grpc::parse(request, bytes);  // which are gone once this waits
  try {
    if (done) done = co_await serve(request, response);
  } catch (const std::exception& error) {
    done = fail(Code::kInternal, "{}", error.what());
  }
  counters.count(done);
  if (done) {
    reply.succeed(grpc::framed(response));
  } else {
    reply.refuse(to_status(done.error()));
  }
  if (--backend.calls == 0) backend.calls_ended.notify();
}

/// Adds a method of a service ("etcdserverpb.KV"). `serve(request, response)` is a task that fills the
/// response, and may move from the request; its error is the status that the client gets. The backend
/// outlives the methods.
template <class Request, class Response, class Serve>
void add_unary(grpc::Methods& methods, Backend& backend, const std::string& service, const std::string& name,
               Serve serve) {
  const auto counters = std::make_shared<MethodCounters>(backend, service, name);
  methods["/" + service + "/" + name].unary = [&backend, counters, serve = std::move(serve)](
                                                  grpc::Reply reply, std::string_view bytes) {
    answer<Request, Response>(backend, *counters, serve, std::move(reply), bytes);
  };
}

/// The same for a coroutine that takes the backend.
template <class Request, class Response>
void add_unary(grpc::Methods& methods, Backend& backend, const std::string& service, const std::string& name,
               runtime::Task<Result<>> (*serve)(Backend&, Request&, Response&)) {
  add_unary<Request, Response>(
      methods, backend, service, name,
      [&backend, serve](Request& request, Response& response) { return serve(backend, request, response); });
}

/// A streaming call in terms of protobuf messages.
template <class Request>
class RequestStream {
 public:
  explicit RequestStream(grpc::ServerStream& stream) : stream_(stream) {}

  /// The next request; nothing once the client has ended its side or is gone.
  runtime::Task<Result<std::optional<Request>>> receive() {
    const std::optional<std::string> bytes = CO_TRY(co_await stream_.receive());
    if (!bytes) co_return std::optional<Request>();
    co_return CO_TRY(grpc::parse_as<Request>(*bytes));
  }
  template <class Response>
  runtime::Task<Result<>> send(const Response& response) {
    if (co_await stream_.send({grpc::framed(response)})) co_return Result<>();
    co_return fail(Code::kUnavailable, "the client is gone");
  }

 private:
  grpc::ServerStream& stream_;
};

template <class Request, class Serve>
runtime::Task<Result<>> serve_one_request(const Serve& serve, grpc::ServerStream& raw) {
  RequestStream<Request> stream(raw);
  std::optional<Request> request = CO_TRY(co_await stream.receive());
  if (!request) co_return fail(Code::kInternal, "the call ended without a request");
  co_return co_await serve(*request, stream);
}

/// Adds a method that answers one request by a stream.
template <class Request>
void add_server_stream(
    grpc::Methods& methods, const std::string& service, const std::string& name,
    std::function<runtime::Task<Result<>>(Request& request, RequestStream<Request>& stream)> serve) {
  methods["/" + service + "/" + name].streaming = [serve = std::move(serve)](grpc::ServerStream& raw) {
    return serve_one_request<Request>(serve, raw);
  };
}

}  // namespace cloudless::etcd

#include "grpc/channel.hpp"

#include "grpc/message.hpp"
#include "grpc/timeout.hpp"
#include "runtime/channel.hpp"
#include "runtime/timer.hpp"

namespace cloudless::grpc {

using runtime::Task;

namespace {

constexpr std::string_view kContentType = "application/grpc";

// In Go's words, as are the others below.
Status deadline_exceeded() { return {StatusCode::kDeadlineExceeded, "context deadline exceeded"}; }

// What went wrong on our side or on the way.
Error local_error(const CallRules& rules, const Error& error) {
  switch (error.code) {
    case Code::kCancelled:
      return error;
    case Code::kUnavailable:
    case Code::kDeadlineExceeded:  // connecting
    case Code::kNotFound:          // the host's name
      return rules.error_of({StatusCode::kUnavailable, "connection error: desc = \"" + error.message + "\""});
    default:
      return rules.error_of(to_status(error));
  }
}

std::optional<Status> refusal(const net::Response& response) {
  const std::optional<Status> status = find_status(response.headers);
  if (status) return status->ok() ? std::nullopt : status;
  if (response.status != 200) return of_http_status(response.status);
  const std::string_view type = response.headers.get("content-type").value_or("");
  if (type.starts_with(kContentType)) return std::nullopt;
  return Status{StatusCode::kUnknown,
                fmt::format("unexpected content-type in the answer: \"{}\"", encode_message_text(type))};
}

// An answer's messages, up to its status.
class Incoming {
 public:
  Incoming(net::Response response, const CallRules& rules)
      : response_(std::move(response)), rules_(rules), reader_(rules.message_bytes) {}

  Task<Result<std::optional<std::string>>> next() {
    while (!end_) {
      const Result<std::optional<std::string_view>> message = reader_.next(rest_);
      if (!message) {
        end_ = to_status(message.error());
        break;
      }
      if (*message) co_return std::string(**message);
      auto piece = co_await response_.body->next();
      if (!piece) co_return std::unexpected(local_error(rules_, piece.error()));
      if (*piece) {
        piece_ = std::move(**piece);
        rest_ = *piece_;
      } else {
        end_ = reader_.empty() ? end_status() : Status{StatusCode::kInternal, "unexpected EOF"};
      }
    }
    if (end_->ok()) co_return std::optional<std::string>();
    co_return std::unexpected(rules_.error_of(*end_));
  }

 private:
  Status end_status() const {
    const net::Headers* trailers = response_.body->trailers();
    std::optional<Status> status = trailers ? find_status(*trailers) : std::nullopt;
    if (!status) status = find_status(response_.headers);
    return status.value_or(
        Status{StatusCode::kInternal, "server closed the stream without sending trailers"});
  }

  net::Response response_;
  const CallRules rules_;
  MessageReader reader_;
  SharedBytes piece_;
  std::string_view rest_;  // of the piece
  std::optional<Status> end_;
};

using Outbox = runtime::Channel<SharedBytes>;

class OutboxBody final : public net::BodyReader {
 public:
  explicit OutboxBody(std::shared_ptr<Outbox> outbox) : outbox_(std::move(outbox)) {}
  Task<Result<std::optional<SharedBytes>>> next() override { co_return co_await outbox_->receive(); }

 private:
  std::shared_ptr<Outbox> outbox_;
};

// Puts what a task has found out apart from its having been cancelled, so that a limit around it can tell its
// own time-out from the server's.
template <class T>
Task<Result<Result<T>>> apart(Task<Result<T>> task) {
  Result<T> result = co_await std::move(task);
  if (!result && result.error().code == Code::kCancelled) co_return std::unexpected(result.error());
  co_return Result<Result<T>>(std::in_place, std::move(result));
}

template <class T>
Task<Result<T>> limited(Duration limit, const CallRules& rules, Task<Result<T>> task) {
  if (limit == Duration::zero()) co_return co_await std::move(task);
  Result<Result<T>> result = co_await runtime::with_timeout(limit, "a call", apart(std::move(task)));
  if (result) co_return std::move(*result);
  if (result.error().code != Code::kDeadlineExceeded) co_return std::unexpected(result.error());
  co_return std::unexpected(rules.error_of(deadline_exceeded()));
}

}  // namespace

struct ClientStream::State {
  Incoming incoming;
  std::shared_ptr<Outbox> outbox;
};

ClientStream::ClientStream(std::unique_ptr<State> state) : state_(std::move(state)) {}
ClientStream::~ClientStream() = default;

Task<Result<std::optional<std::string>>> ClientStream::receive() { return state_->incoming.next(); }
bool ClientStream::try_send(SharedBytes message) { return state_->outbox->try_send(std::move(message)); }
void ClientStream::end_sending() { state_->outbox->close(); }

Result<std::unique_ptr<Channel>> Channel::make(ChannelOptions options, net::Resolver& resolver, Logger log) {
  net::HttpClientOptions http{.base_url = options.target,
                              .tls = std::move(options.tls),
                              .http2 = net::Http2::kAlways,
                              .connect_timeout = options.connect_timeout,
                              .head_timeout = Duration::zero(),
                              .min_backoff = options.min_backoff,
                              .max_backoff = options.max_backoff,
                              .ping_after = options.ping_after,
                              .ping_timeout = options.ping_timeout};
  auto client = TRY(net::HttpClient::make(std::move(http), resolver, std::move(log)));
  net::HttpClient* const kept = client.get();
  auto channel = std::make_unique<Channel>(std::move(client), options.rules);
  channel->http_ = kept;
  return channel;
}

Channel::Channel(std::unique_ptr<net::Transport> transport, CallRules rules)
    : rules_(rules), transport_(std::move(transport)) {}
Channel::~Channel() = default;

Task<Result<>> Channel::connect() {
  if (!http_) co_return Result<>();
  const Result<> connected = co_await http_->connect();
  if (!connected) co_return std::unexpected(local_error(rules_, connected.error()));
  co_return connected;
}

void Channel::close(Duration limit) {
  if (http_) http_->close(limit);
}

Task<Result<net::Response>> Channel::begin(std::string method, std::unique_ptr<net::BodyReader> body,
                                           CallOptions options) {
  net::Request request{.method = "POST",
                       .target = std::move(method),
                       .headers = {{"te", "trailers"}, {"content-type", std::string(kContentType)}},
                       .body = std::move(body),
                       .peer = {}};
  if (options.limit > Duration::zero()) request.headers.add("grpc-timeout", timeout_text(options.limit));
  for (const auto& [name, value] : options.metadata) request.headers.add(name, value);
  Result<net::Response> response = co_await transport_->send(std::move(request));
  if (!response) co_return std::unexpected(local_error(rules_, response.error()));
  if (const auto refused = refusal(*response)) co_return std::unexpected(rules_.error_of(*refused));
  co_return response;
}

Task<Result<std::string>> Channel::unlimited(std::string method, SharedBytes request, CallOptions options) {
  Incoming answer(
      CO_TRY(co_await begin(std::move(method), net::make_body(std::move(request)), std::move(options))),
      rules_);
  std::optional<std::string> message = CO_TRY(co_await answer.next());
  if (!message) {
    co_return std::unexpected(
        rules_.error_of({StatusCode::kInternal, "cardinality violation: received no response message"}));
  }
  if (CO_TRY(co_await answer.next())) {
    co_return std::unexpected(
        rules_.error_of({StatusCode::kInternal, "cardinality violation: expected one response message"}));
  }
  co_return std::move(*message);
}

Task<Result<std::string>> Channel::unary(std::string method, SharedBytes request, CallOptions options) {
  const Duration limit = options.limit;
  return limited(limit, rules_, unlimited(std::move(method), std::move(request), std::move(options)));
}

Task<Result<std::unique_ptr<ClientStream>>> Channel::stream(std::string method, SharedBytes first,
                                                            Sending sending, CallOptions options) {
  const auto outbox = std::make_shared<Outbox>(ClientStream::kQueuedMessages);
  outbox->try_send(std::move(first));
  if (sending == Sending::kNothingMore) outbox->close();
  // The server would take a limit for one of the whole call.
  const Duration limit = std::exchange(options.limit, Duration::zero());
  net::Response response = CO_TRY(co_await limited(
      limit, rules_, begin(std::move(method), std::make_unique<OutboxBody>(outbox), std::move(options))));
  auto state = std::make_unique<ClientStream::State>(
      ClientStream::State{Incoming(std::move(response), rules_), outbox});
  co_return std::unique_ptr<ClientStream>(new ClientStream(std::move(state)));
}

}  // namespace cloudless::grpc

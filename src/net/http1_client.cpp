// The client's side of one exchange over HTTP/1.1.
#include "net/client_pool.hpp"
#include "net/http1_link.hpp"

namespace cloudless::net {

using runtime::Task;

namespace {

using GiveBack = std::function<void(std::shared_ptr<http1::Link>)>;

// Keeps the connection until the body has been read; destroyed before, it closes it.
class ResponseBody final : public BodyReader {
 public:
  ResponseBody(std::shared_ptr<http1::Link> link, http1::Framing framing, GiveBack give_back)
      : link_(link), body_(link, framing, [this] { on_end(); }), give_back_(std::move(give_back)) {}
  ~ResponseBody() override {
    if (link_) link_->stream->abort();
  }
  Task<Result<std::optional<SharedBytes>>> next() override { co_return co_await body_.next(); }

 private:
  void on_end() {
    if (give_back_) give_back_(std::exchange(link_, nullptr));
  }

  std::shared_ptr<http1::Link> link_;
  http1::Body body_;
  GiveBack give_back_;
};

class NoBody final : public BodyReader {
 public:
  Task<Result<std::optional<SharedBytes>>> next() override { co_return std::optional<SharedBytes>(); }
};

// The body's first two pieces tell whether it is one buffer, which goes with its length and in one write.
Task<Result<>> write_request(http1::Link& link, Request& request) {
  SharedBytes first;
  std::optional<SharedBytes> second;
  if (request.body) {
    if (auto piece = CO_TRY(co_await request.body->next())) first = std::move(*piece);
    if (first && !request.headers.get("content-length")) second = CO_TRY(co_await request.body->next());
  }
  const bool known_length = request.headers.get("content-length").has_value();
  const bool chunked = !known_length && second.has_value();
  const bool has_semantics =
      request.body || request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (chunked) request.headers.set("Transfer-Encoding", "chunked");
  if (!chunked && !known_length && has_semantics) {
    request.headers.set("Content-Length", fmt::format("{}", view(first).size()));
  }
  std::string head = http1::write_request_head(request);
  if (!chunked) {
    const std::array<std::string_view, 2> pieces = {head, view(first)};
    CO_TRY(co_await link.stream->write_all(pieces));
    while (known_length && request.body) {
      const auto piece = CO_TRY(co_await request.body->next());
      if (!piece) break;
      const std::string_view bytes = view(*piece);
      CO_TRY(co_await link.stream->write_all(std::span(&bytes, 1)));
    }
    co_return Result<>();
  }
  CO_TRY(co_await link.stream->write(std::move(head)));
  for (std::optional<SharedBytes> piece = first; piece;) {
    const std::string size = http1::chunk_head((*piece)->size());
    const std::array<std::string_view, 3> pieces = {size, view(*piece), "\r\n"};
    if (!(*piece)->empty()) CO_TRY(co_await link.stream->write_all(pieces));
    piece = second ? std::exchange(second, std::nullopt) : CO_TRY(co_await request.body->next());
  }
  co_return co_await link.stream->write("0\r\n\r\n");
}

// The final response's head; interim ones are passed over.
Task<Result<http1::ResponseHead>> read_response(http1::Link& link, size_t limit) {
  for (;;) {
    const std::optional<std::string> text = CO_TRY(co_await link.read_head(limit));
    if (!text) co_return fail(Code::kUnavailable, "EOF");
    http1::ResponseHead head = CO_TRY(http1::parse_response_head(*text));
    if (head.status >= 200 || head.status == 101) co_return head;
  }
}

}  // namespace

Task<Result<Response>> send_http1(std::shared_ptr<http1::Link> link, Request request, size_t header_limit,
                                  GiveBack give_back) {
  const Result<> written = co_await write_request(*link, request);
  if (!written && written.error().code != Code::kUnavailable) co_return std::unexpected(written.error());
  // A server that refuses an upload closes after its answer, which is then there to be read.
  Result<http1::ResponseHead> head = co_await read_response(*link, header_limit);
  if (!head) co_return std::unexpected(written ? head.error() : written.error());
  Response response;
  response.status = head->status;
  const http1::Framing framing = CO_TRY(http1::response_framing(*head, request.method));
  const bool reusable = written && http1::keeps_alive(head->minor_version, head->headers) &&
                        framing.kind != http1::Framing::Kind::kUntilClose;
  response.headers = std::move(head->headers);
  if (head->status == 101) {
    response.body = std::make_unique<NoBody>();
    response.upgraded = http1::make_upgraded(std::move(link));
  } else if (framing.kind == http1::Framing::Kind::kNone) {
    response.body = std::make_unique<NoBody>();
    if (reusable) give_back(std::move(link));
  } else {
    response.body =
        std::make_unique<ResponseBody>(std::move(link), framing, reusable ? give_back : GiveBack());
  }
  co_return response;
}

}  // namespace cloudless::net

#include "net/http1_link.hpp"

#include <algorithm>

#include "net/stream_internal.hpp"

namespace cloudless::net::http1 {

using runtime::Task;

namespace {

class Upgraded final : public ByteStream {
 public:
  explicit Upgraded(std::shared_ptr<Link> link) : link_(std::move(link)) {}
  ~Upgraded() override { link_->stream->abort(); }

  Task<Result<std::string>> read(size_t limit) override {
    if (link_->buffer.empty()) co_return co_await link_->stream->read(limit);
    std::string bytes = link_->buffer.substr(0, limit);
    link_->consume(bytes.size());
    co_return bytes;
  }
  Task<Result<>> write(std::string bytes) override {
    co_return co_await link_->stream->write(std::move(bytes));
  }
  Task<Result<>> close_write() override { co_return co_await link_->stream->close_write(); }
  void abort() override { link_->stream->abort(); }

 private:
  std::shared_ptr<Link> link_;
};

}  // namespace

Task<Result<bool>> Link::fill() { co_return co_await read_more(*stream, buffer); }

Task<Result<std::optional<std::string>>> Link::read_head(size_t limit) {
  for (size_t known = 0;;) {
    if (const std::optional<size_t> length = CO_TRY(head_length(buffer, limit, known))) {
      std::string head = buffer.substr(0, *length);
      consume(*length);
      co_return std::optional(std::move(head));
    }
    known = buffer.size();
    if (CO_TRY(co_await fill())) continue;
    if (buffer.empty()) co_return std::optional<std::string>();
    co_return fail(Code::kUnavailable, "unexpected EOF");
  }
}

Body::Body(std::shared_ptr<Link> link, Framing framing, std::move_only_function<void()> at_end)
    : link_(std::move(link)), framing_(framing), at_end_(std::move(at_end)) {}

Task<Result<std::optional<SharedBytes>>> Body::next() {
  if (ended_ || framing_.kind == Framing::Kind::kNone) co_return end();
  if (framing_.kind == Framing::Kind::kChunked) co_return co_await next_chunk();
  co_return co_await next_of_length();
}

Task<Result<bool>> Body::need_bytes() {
  if (!link_->buffer.empty()) co_return true;
  co_return co_await link_->fill();
}

Task<Result<std::optional<SharedBytes>>> Body::next_of_length() {
  const bool until_close = framing_.kind == Framing::Kind::kUntilClose;
  if (!CO_TRY(co_await need_bytes())) {
    if (until_close) co_return end();
    co_return fail(Code::kUnavailable, "unexpected EOF");
  }
  const size_t size =
      until_close ? link_->buffer.size() : std::min<uint64_t>(framing_.length, link_->buffer.size());
  SharedBytes piece = share(link_->buffer.substr(0, size));
  link_->consume(size);
  framing_.length -= until_close ? 0 : size;
  // Known to be the last one: what comes after it belongs to the next message.
  if (!until_close && framing_.length == 0) end();
  co_return piece;
}

Task<Result<std::optional<SharedBytes>>> Body::next_chunk() {
  for (;;) {
    const ChunkDecoder::Step step = CO_TRY(decoder_.decode(link_->buffer));
    SharedBytes piece = step.data.empty() ? nullptr : share(std::string(step.data));
    link_->consume(step.consumed);
    if (piece) co_return piece;
    if (decoder_.done()) co_return end();
    if (!CO_TRY(co_await link_->fill())) co_return fail(Code::kUnavailable, "unexpected EOF");
  }
}

std::optional<SharedBytes> Body::end() {
  if (!std::exchange(ended_, true) && at_end_) at_end_();
  return std::nullopt;
}

std::unique_ptr<ByteStream> make_upgraded(std::shared_ptr<Link> link) {
  return std::make_unique<Upgraded>(std::move(link));
}

std::string chunk_head(size_t size) { return fmt::format("{:x}\r\n", size); }

}  // namespace cloudless::net::http1

// HTTP messages as every part sees them, whatever carries them: HTTP/1.1 or HTTP/2 over TLS, or a direct call
// in one process. A server is a Handler; a client is a Transport; InProcessTransport joins the two without a
// socket.
//
// Bodies are immutable buffers that many can share. A handler sends as fast as the peer takes: write() waits
// for room, with a bound per connection. A handler that has returned without finish() aborts the response.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "runtime/task.hpp"

namespace cloudless::net {

/// Header fields in their order. Names compare without case; values are as sent.
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string, std::string>> fields) : fields_(fields) {}

  /// The first value of that name, or nothing.
  std::optional<std::string_view> get(std::string_view name) const;
  /// All values of that name, in order.
  std::vector<std::string_view> all(std::string_view name) const;
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  /// Replaces all values of that name by one.
  void set(std::string name, std::string value);
  void remove(std::string_view name);

  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  size_t size() const { return fields_.size(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

/// Who is at the other end of a connection.
struct Peer {
  std::string address;  // "192.0.2.1", "::1"; empty in process
  uint16_t port = 0;
  bool tls = false;
  /// DER, leaf first: what the peer presented and the server's client CAs verified; empty where it presented
  /// none.
  std::vector<std::string> certificates;
  /// Why the certificate that the peer presented is not among them; empty where it is, or there was none.
  std::string certificate_error;
  /// In process only: the caller is this program itself, with the identity that cli/ gave this connection.
  std::optional<std::string> in_process_user;
  std::vector<std::string> in_process_groups;
};

/// A two-way stream of bytes: an upgraded connection, a hijacked HTTP/2 stream, a pipe in process. Single
/// reader, single writer. Destroying it closes it.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// The next bytes, at most `limit`; an empty string at the end.
  virtual runtime::Task<Result<std::string>> read(size_t limit) = 0;
  /// Returns once the bytes are handed on; waits while the peer does not take them.
  virtual runtime::Task<Result<>> write(std::string bytes) = 0;
  /// Ends our direction; reading goes on.
  virtual runtime::Task<Result<>> close_write() = 0;
  /// Ends both directions at once; read and write return errors from then on. Any thread.
  virtual void abort() = 0;
};

/// The body of a message as it arrives.
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  /// The next piece; nothing at the end. An error where the peer aborted.
  virtual runtime::Task<Result<std::optional<SharedBytes>>> next() = 0;
  /// The fields that came behind a body which has been read to its end; null where the carrier has none.
  virtual const Headers* trailers() const { return nullptr; }
};

/// All of a body as one buffer. kResourceExhausted past `limit` bytes.
runtime::Task<Result<std::string>> read_all(BodyReader& body, size_t limit);

struct Request {
  std::string method = "GET";
  std::string target = "/";  // origin form: path, and query after '?', both percent-encoded as sent
  Headers headers;
  std::unique_ptr<BodyReader> body;  // absent for an empty body
  Peer peer;                         // filled by servers

  std::string_view path() const;   // encoded
  std::string_view query() const;  // encoded, without '?'
};

/// A body that is there as a whole.
std::unique_ptr<BodyReader> make_body(SharedBytes bytes);
std::unique_ptr<BodyReader> make_body(std::string bytes);

/// How a handler answers. Order: start(), write()*, finish(); or respond(); or upgrade().
class ResponseWriter {
 public:
  virtual ~ResponseWriter() = default;

  /// Sends the head. Without a content-length field the body is chunked (HTTP/1.1) or simply framed (HTTP/2).
  virtual runtime::Task<Result<>> start(int status, Headers headers) = 0;
  /// Sends a piece of the body. kUnavailable where the peer has gone.
  virtual runtime::Task<Result<>> write(SharedBytes piece) = 0;
  virtual runtime::Task<Result<>> finish() = 0;

  /// Head, whole body (its pieces one after another) and end in one.
  virtual runtime::Task<Result<>> respond(int status, Headers headers, std::vector<SharedBytes> body) = 0;

  /// Answers 101 with `headers` and gives up the connection as raw bytes. kUnimplemented where the carrier
  /// cannot, as HTTP/2.
  virtual runtime::Task<Result<std::unique_ptr<ByteStream>>> upgrade(Headers headers) = 0;

  /// True once start(), respond() or upgrade() was called.
  virtual bool started() const = 0;
};

/// Serves one request. Cancelled when the peer goes away or the server stops.
using Handler = std::function<runtime::Task<void>(Request request, ResponseWriter& response)>;

struct Response {
  int status = 0;
  Headers headers;
  std::unique_ptr<BodyReader> body;  // never null
  /// The connection after a 101; null otherwise.
  std::unique_ptr<ByteStream> upgraded;
};

/// What sends requests: a pool of connections to one server, or a Handler in this process.
class Transport {
 public:
  virtual ~Transport() = default;
  /// Returns with the head; the body is read from the response. Destroying the response aborts what is left
  /// of it.
  virtual runtime::Task<Result<Response>> send(Request request) = 0;
};

/// Percent-decoding (RFC 3986); kInvalid on a broken escape.
Result<std::string> percent_decode(std::string_view text, bool plus_is_blank);
/// Percent-encodes all but RFC 3986's unreserved characters.
std::string percent_encode(std::string_view text);

/// The query's parameters in order, decoded as Go's url.ParseQuery does.
Result<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query);

}  // namespace cloudless::net

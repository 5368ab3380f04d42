// What both ends of an HTTP/2 connection (RFC 9113) share: an nghttp2 session, one task that reads, one that
// writes, and streams with bounded queues in both directions.
//
// Flow control is the readers' pace: a window opens again when the reader has taken the bytes, not when they
// arrive. All on the connection's loop. nghttp2 callbacks never resume a coroutine; they wake it by a job.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/fifo.hpp"
#include "net/background.hpp"
#include "net/http.hpp"
#include "net/tcp.hpp"
#include "runtime/channel.hpp"

struct nghttp2_session;

namespace cloudless::net::http2 {

enum class Role { kServer, kClient };

/// Whether heads are held to RFC 9113, 8.2 and 8.3, or left to whoever reads them. gRPC's clients send a unix
/// socket's path as :authority, which the RFC excludes.
enum class Heads { kChecked, kAsTheyCome };

struct Limits {
  size_t header_bytes;
  uint32_t streams;  // that the peer may open
  uint32_t stream_window_bytes;
  uint32_t connection_window_bytes;
  size_t write_buffer_bytes;
  Duration write_stall_timeout;
  Duration quiet_time;    // nothing received for so long: on_quiet()
  Duration ping_timeout;  // the same while a ping is unanswered
  // Streams that the peer may reset in a window of time before it counts as abuse (CVE-2023-44487).
  uint32_t resets_per_window = 0xffffffff;
  Duration reset_window = std::chrono::seconds(10);
  Heads heads = Heads::kChecked;
};

/// A message's head: the pseudo-fields that are read, by name, and the others as they came.
struct Head {
  std::string method;
  std::string authority;
  std::string path;
  int status = 0;
  Headers fields;

  void add(std::string_view name, std::string_view value);
};

/// A message each way. A kind of connection may have streams of a type of its own (Connection::make_stream).
struct Stream {
  int32_t id = 0;
  size_t place = 0;  // among its connection's streams
  Head head;
  size_t header_bytes = 0;
  bool header_overflow = false;
  bool head_complete = false;
  Headers received_trailers;  // behind the body; as long as the head at the most

  Fifo<SharedBytes> incoming;
  bool incoming_ended = false;
  runtime::Signal incoming_changed;

  Fifo<SharedBytes> outgoing;
  size_t outgoing_offset = 0;  // of the first piece, sent already
  size_t outgoing_bytes = 0;
  bool outgoing_ended = false;
  bool end_sent = false;
  runtime::Signal outgoing_changed;

  Background sender;  // of a request's body; ends with the stream
  bool closed = false;
  uint32_t error_code = 0;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Role role, std::unique_ptr<net::Stream> stream, Limits limits, Logger log);
  virtual ~Connection();

  /// Reads and writes until the connection ends. `received`: bytes that were read already.
  runtime::Task<void> run(std::string received);

  bool closed() const { return closed_; }
  size_t stream_count() const { return streams_.size(); }

  /// The next piece of a stream's body; nothing at its end.
  runtime::Task<Result<std::optional<SharedBytes>>> read(Stream& stream);
  /// The same without waiting; null where nothing has come.
  SharedBytes take(Stream& stream);
  /// Queues a piece; waits while the queue is full.
  runtime::Task<Result<>> write(Stream& stream, SharedBytes piece);
  /// Returns once the queue has room; kUnavailable where the stream is closed.
  runtime::Task<Result<>> room(Stream& stream);
  /// Queues a piece however full the queue is.
  void put(Stream& stream, SharedBytes piece);
  void end(Stream& stream);
  /// Waits until all that was queued is sent, its end included, or the peer has taken nothing for the stall
  /// limit.
  runtime::Task<Result<>> drained(Stream& stream);
  void reset(Stream& stream, uint32_t error_code);
  /// Ends it for its streams, too.
  void abort();
  /// No more streams after those at hand; the connection ends with the last one.
  void go_away();

 protected:
  /// A stream that the peer opens.
  virtual std::shared_ptr<Stream> make_stream() { return std::make_shared<Stream>(); }
  /// A field of a stream's head.
  virtual void on_field(Stream& stream, std::string_view name, std::string_view value) {
    stream.head.add(name, value);
  }
  /// A stream's head has come as a whole.
  virtual void on_head(Stream& stream) = 0;
  /// A piece of a stream's body. True where it is taken; otherwise it is queued for read() and take().
  virtual bool take_piece(Stream&, std::string_view) { return false; }
  /// The peer has ended its side of a stream.
  virtual void on_end(Stream&) {}
  /// The last of a stream's body is about to be sent. True where fields were submitted that follow it.
  virtual bool submit_trailers(Stream&) { return false; }
  /// Our side of a stream has been sent as a whole.
  virtual void on_end_sent(Stream&) {}
  virtual void on_closed(Stream& stream) = 0;
  /// Nothing came for quiet_time; false ends the connection.
  virtual bool on_quiet() = 0;

  /// Takes a stream up among those of this connection until it closes. nghttp2 has it as its user data.
  void adopt(std::shared_ptr<Stream> stream);
  /// Another owner of a stream that is not closed.
  std::shared_ptr<Stream> pointer_to(const Stream& stream) const { return streams_[stream.place]; }
  /// Queues a piece of a stream that has yet to be submitted.
  static void queue(Stream& stream, SharedBytes piece);
  void wake_writer() { writer_wake_.notify(); }
  bool send_ping();
  void go_away_from_abuse();
  nghttp2_session* session() const { return session_; }
  const std::vector<std::shared_ptr<Stream>>& streams() const { return streams_; }
  const Limits& limits() const { return limits_; }
  net::Stream& socket() const { return *socket_; }
  const Logger& log() const { return log_; }

 private:
  friend struct Callbacks;
  struct Output;

  runtime::Task<Result<>> read_loop(std::string received);
  static runtime::Task<void> write_loop(std::shared_ptr<Connection> self);
  runtime::Task<Result<>> write_until_done();
  bool collect();
  void resume(Stream& stream);
  std::shared_ptr<Stream> remove(Stream& stream);
  void close(Stream& stream, uint32_t error_code);
  void submit_settings(Role role);
  void count_reset();

  std::unique_ptr<net::Stream> socket_;
  const Limits limits_;
  const Logger log_;
  nghttp2_session* session_ = nullptr;
  std::vector<std::shared_ptr<Stream>> streams_;
  std::unique_ptr<Output> output_;
  runtime::Signal writer_wake_;
  runtime::Signal writer_done_;
  runtime::Executor* executor_ = nullptr;
  SteadyTime reset_window_start_{};
  uint32_t resets_ = 0;
  bool ping_outstanding_ = false;
  bool reader_failed_ = false;
  bool closed_ = false;
};

/// The body of a message that comes on a stream. Destroyed before its end it may reset the stream.
enum class Rest { kKeep, kReset };
std::unique_ptr<BodyReader> make_stream_body(std::shared_ptr<Connection> connection,
                                             std::shared_ptr<Stream> stream, Rest rest);

/// A header list for nghttp2, names in lower case, without the fields that HTTP/2 forbids. Owns its text.
class HeaderBlock {
 public:
  void add(std::string name, std::string value);
  void add_all(const Headers& headers);
  /// For nghttp2_submit_*, valid while the block lives.
  const void* native();
  size_t size() const { return fields_.size(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
  std::string native_;
};

/// The data provider of every stream, for nghttp2_submit_*.
const void* data_provider();

}  // namespace cloudless::net::http2

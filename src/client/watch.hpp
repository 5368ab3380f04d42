// WatchStream: one open watch, event by event. Watch<T> is the same with typed objects.
#pragma once

#include <boost/json/fwd.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "client/codec.hpp"
#include "net/http.hpp"
#include "runtime/task.hpp"

namespace cloudless::client {

enum class EventType { kAdded, kModified, kDeleted, kBookmark };

/// "ADDED", "MODIFIED", "DELETED", "BOOKMARK".
std::string_view to_string(EventType type);

struct WatchFrame {
  EventType type = EventType::kAdded;
  std::shared_ptr<const boost::json::value> object;
};

/// Destroying it ends the watch.
class WatchStream {
 public:
  /// What one event may hold: upstream's 3 MB of a request, and its frame.
  static constexpr size_t kMaxFrameBytes = size_t{4} << 20;

  explicit WatchStream(net::Response response);
  ~WatchStream();

  /// The next event; nothing when the server has ended the watch. An ERROR event is returned as its Status'
  /// error: kCompacted where the resource version is too old.
  runtime::Task<Result<std::optional<WatchFrame>>> next();

 private:
  std::optional<std::string> take_line();

  net::Response response_;
  std::string buffer_;
  size_t scanned_ = 0;
};

template <class T>
struct WatchEvent {
  EventType type = EventType::kAdded;
  T object;  // of a bookmark only the resource version
};

template <class T>
class Watch {
 public:
  explicit Watch(std::unique_ptr<WatchStream> stream) : stream_(std::move(stream)) {}

  runtime::Task<Result<std::optional<WatchEvent<T>>>> next() {
    std::optional<WatchFrame> frame = CO_TRY(co_await stream_->next());
    if (!frame) co_return std::nullopt;
    co_return WatchEvent<T>{frame->type, CO_TRY(decode_object<T>(*frame->object))};
  }

 private:
  std::unique_ptr<WatchStream> stream_;
};

}  // namespace cloudless::client

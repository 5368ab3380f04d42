// Informer<T>: a cache of one resource, kept current by list and watch, that tells its handlers of every
// change.
//
// Guarantees, on the informer's executor:
//   - handlers see each key's changes in order; what happened between two of them may be merged;
//   - after synced(), every object that existed at the first list has been seen;
//   - a lost watch resumes where it ended; where that is too old (410), the resource is listed anew and
//   handlers
//     are told the difference;
//   - the cache never goes back: what observe() put in stays until the watch has passed it.
//
// observe() gives a writer its own writes: the answer of a successful write enters the cache at once, unless
// the watch has already gone past it. A controller that plans from the cache therefore never repeats a write
// that it made, and needs no expectations as client-go has them.
//
//   start --list--> synced --watch--> [event | bookmark]* --end or error--> back-off --> watch from the last
//                     ^                                                                  resource version
//                     +----------------------------- 410 -------------------------------------+
//
// A resource that the server does not know (404: a CRD yet to come) counts as empty and synced once asked,
// and is asked for again: soon at first, as it may be about to come, then every kAbsentRetry.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "client/client.hpp"
#include "client/object_cache.hpp"
#include "runtime/scope.hpp"

namespace cloudless::client {

struct InformerOptions {
  std::string ns;  // empty: all namespaces
  std::string label_selector;
  std::string field_selector;
  bool metadata_only = false;
  /// Ask for the first objects as a watch (WatchList, KEP-3157); falls back to list where refused.
  bool watch_list = false;
};

/// What does not depend on the type: the list and watch loop.
class InformerBase {
 public:
  static constexpr Duration kFirstBackoff = std::chrono::milliseconds(100);
  static constexpr Duration kMaxBackoff = std::chrono::seconds(30);
  static constexpr Duration kAbsentRetry = std::chrono::seconds(5);
  /// Watches end after this or up to twice as long, drawn by chance, as client-go has it.
  static constexpr std::chrono::seconds kMinWatchTimeout{300};

  InformerBase(const Client& client, Resource resource, InformerOptions options, Random& random, Logger log);
  virtual ~InformerBase();
  InformerBase(const InformerBase&) = delete;
  InformerBase& operator=(const InformerBase&) = delete;

  const Resource& resource() const { return resource_; }
  bool synced() const { return synced_; }
  /// Returns once synced; kCancelled where the task is.
  runtime::Task<Result<>> wait_synced();
  /// Lists and watches until cancelled. Run once.
  runtime::Task<void> run();
  /// Called once, when first synced.
  void on_synced(std::function<void()> call);

  /// Takes in the answer to a write. `deleted`: a delete succeeded; where the object is not gone for good the
  /// answer is the object, else a Status.
  virtual void observe(const boost::json::value& answer) = 0;
  virtual void observe_deleted(const std::string& key, const std::string& uid, WallTime now) = 0;
  /// Tells the handlers of every object as if it had changed to itself: the safety net.
  virtual void resync() = 0;

 protected:
  virtual void begin_replace() = 0;
  virtual Result<> replace_one(const boost::json::value& object) = 0;
  virtual void end_replace() = 0;
  virtual Result<> apply(EventType type, const boost::json::value& object) = 0;

  /// The newest revision that list or watch has reached; 0 before.
  int64_t reached() const { return reached_; }
  const InformerOptions& options() const { return options_; }
  const Logger& log() const { return log_; }

 private:
  runtime::Task<Result<>> list();
  runtime::Task<Result<>> watch();
  runtime::Task<Result<>> stream_initial();
  Result<> consume(const WatchFrame& frame);
  Result<> move_to(const boost::json::value& object);
  void mark_synced();

  const Client& client_;
  const Resource resource_;
  const InformerOptions options_;
  Random& random_;
  Logger log_;
  std::string resource_version_;  // empty: list first
  int64_t reached_ = 0;
  bool synced_ = false;
  bool watch_list_refused_ = false;
  bool progressed_ = false;
  std::vector<std::function<void()>> when_synced_;
  std::vector<std::shared_ptr<runtime::Signal>> waiting_;
};

/// The number in metadata.resourceVersion, or 0.
int64_t revision_of(std::string_view resource_version);

template <class T>
class Informer final : public InformerBase {
 public:
  using Ptr = std::shared_ptr<const T>;
  /// `before` is null for a new object, `now` for one that is gone; both are the same object on resync.
  using ChangeHandler = std::function<void(const Ptr& before, const Ptr& now)>;

  Informer(const Client& client, Resource resource, InformerOptions options, Random& random, Logger log)
      : InformerBase(client, std::move(resource), std::move(options), random, std::move(log)) {}

  const ObjectCache<T>& cache() const { return cache_; }
  /// Indexes are added before or after the informer runs.
  void add_index(const std::string& name, typename ObjectCache<T>::IndexFunction function) {
    cache_.add_index(name, std::move(function));
  }
  /// Told of all changes, and at once of the objects already there.
  void add_handler(ChangeHandler handler) {
    for (const auto& [key, object] : cache_.all()) handler(nullptr, object);
    handlers_.push_back(std::move(handler));
  }

  void observe(const boost::json::value& answer) override;
  void observe_deleted(const std::string& key, const std::string& uid, WallTime now) override;
  void resync() override {
    const auto objects = cache_.all();
    for (const auto& [key, object] : objects) tell(object, object);
  }

 protected:
  void begin_replace() override { listed_.clear(); }
  Result<> replace_one(const boost::json::value& object) override;
  void end_replace() override;
  Result<> apply(EventType type, const boost::json::value& object) override;

 private:
  void put(const std::string& key, Ptr object) {
    const Ptr before = cache_.put(key, object);
    tell(before, object);
  }
  void erase(const std::string& key) {
    if (const Ptr before = cache_.erase(key)) tell(before, nullptr);
  }
  void tell(const Ptr& before, const Ptr& now) const {
    for (const auto& handler : handlers_) handler(before, now);
  }

  ObjectCache<T> cache_;
  std::vector<ChangeHandler> handlers_;
  std::map<std::string, Ptr> listed_;
};

}  // namespace cloudless::client

#include "client/informer.ipp"

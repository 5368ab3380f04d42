#include "store/watch_hub.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "store/errors.hpp"

namespace cloudless::store {

// One watch's state, shared by its reader (a task) and the publisher (the writer's thread).
class WatchHub::Subscription {
 public:
  explicit Subscription(WatchRequest request) : request_(std::move(request)) {}

  const WatchRequest& request() const { return request_; }
  bool covers(std::string_view key) const { return in_range(key, request_.key, request_.range_end); }
  bool wants(EventType type) const {
    return type == EventType::kPut ? !request_.no_put : !request_.no_delete;
  }

  void deliver(const SharedEvent& event) {
    const std::lock_guard lock(mutex_);
    if (event->kv.mod_revision < queue_from_ || lagging_ || closed_ || !wants(event->type)) return;
    if (queue_.size() >= kWatchQueueEvents) {
      lagging_ = true;
      queue_.clear();
      return;
    }
    queue_.push_back(event);
  }
  void wake() { signal_.notify(); }

  void request_progress() {
    {
      const std::lock_guard lock(mutex_);
      progress_requested_ = true;
    }
    wake();
  }
  void close(Error error) {
    {
      const std::lock_guard lock(mutex_);
      if (!closed_) closed_ = std::move(error);
    }
    wake();
  }

  // What next() is to do, decided under the lock.
  struct Step {
    std::optional<Result<WatchBatch>> answer;
    bool catch_up = false;
  };
  Step step(Revision published) {
    const std::lock_guard lock(mutex_);
    if (closed_) return {.answer = std::unexpected(*closed_)};
    if (lagging_) return {.catch_up = true};
    // What is beyond `published` may still be growing: a revision is delivered as a whole.
    const auto end = std::ranges::upper_bound(queue_, published, {}, revision_of);
    if (end != queue_.begin()) {
      WatchBatch batch{.revision = revision_of(*std::prev(end))};
      batch.events.assign(queue_.begin(), end);
      queue_.erase(queue_.begin(), end);
      next_ = batch.revision + 1;
      return {.answer = std::move(batch)};
    }
    if (std::exchange(progress_requested_, false)) {
      return {.answer = WatchBatch{.revision = published}};
    }
    return {};
  }
  Revision next() const {
    const std::lock_guard lock(mutex_);
    return next_;
  }
  // What is before `next` is history that the reader has in hand; the rest comes through the queue.
  void caught_up(Revision next) {
    const std::lock_guard lock(mutex_);
    lagging_ = false;
    next_ = queue_from_ = next;
  }
  runtime::Task<Result<>> wait() { return signal_.wait(); }

 private:
  static Revision revision_of(const SharedEvent& event) { return event->kv.mod_revision; }

  const WatchRequest request_;
  mutable std::mutex mutex_;
  std::vector<SharedEvent> queue_;  // by revision
  // The first revision that the reader has not been given.
  Revision next_ = 0;
  // Events before this do not enter the queue.
  Revision queue_from_ = 0;
  bool lagging_ = false;
  bool progress_requested_ = false;
  std::optional<Error> closed_;
  runtime::Signal signal_;
};

class WatchHub::Handle final : public Watcher {
 public:
  Handle(WatchHub& hub, std::shared_ptr<Subscription> subscription)
      : hub_(hub), subscription_(std::move(subscription)) {}
  ~Handle() override { hub_.leave(subscription_.get()); }

  void request_progress() override { subscription_->request_progress(); }
  void cancel() override { subscription_->close({Code::kCancelled, "the watch was cancelled"}); }
  Revision compact_revision() const override { return hub_.history_.compact_revision(); }

  runtime::Task<Result<WatchBatch>> next() override {
    for (;;) {
      if (position_ < history_.size()) {
        WatchBatch batch = CO_TRY(co_await read_chunk());
        delivered_ = batch.revision;
        if (!batch.events.empty()) co_return batch;
        continue;
      }
      Subscription::Step step = subscription_->step(hub_.published());
      if (step.answer) {
        // History may be ahead of what publish() has handed out.
        if (*step.answer)
          delivered_ = (*step.answer)->revision = std::max((*step.answer)->revision, delivered_);
        co_return std::move(*step.answer);
      }
      if (step.catch_up) {
        const std::lock_guard lock(hub_.mutex_);
        begin_history(subscription_->next());
        continue;
      }
      CO_TRY(co_await subscription_->wait());
    }
  }

  // Collects what is to be read, and lets the queue begin right behind it. With the hub's mutex held, which
  // keeps publish() away, so nothing falls between the two.
  void begin_history(Revision from) {
    Result<std::vector<Revision>> revisions = hub_.history_.revisions(subscription_->request(), from);
    if (!revisions) return subscription_->close(revisions.error());
    history_ = std::move(*revisions);
    position_ = 0;
    const Revision last = history_.empty() ? 0 : history_.back();
    subscription_->caught_up(std::max({from, last + 1, hub_.published_ + 1}));
  }

 private:
  runtime::Task<Result<WatchBatch>> read_chunk() {
    const size_t end = std::min(history_.size(), position_ + kHistoryChunk);
    std::vector<Revision> chunk(history_.begin() + static_cast<std::ptrdiff_t>(position_),
                                history_.begin() + static_cast<std::ptrdiff_t>(end));
    WatchBatch batch{.revision = chunk.back()};
    Result<std::vector<SharedEvent>> events =
        co_await hub_.history_.read(subscription_->request(), std::move(chunk));
    if (!events) {
      if (events.error().code == Code::kCompacted) subscription_->close(events.error());
      co_return std::unexpected(events.error());
    }
    position_ = end;
    if (position_ == history_.size()) {
      history_ = {};
      position_ = 0;
    }
    batch.events = std::move(*events);
    co_return batch;
  }

  WatchHub& hub_;
  const std::shared_ptr<Subscription> subscription_;
  std::vector<Revision> history_;
  size_t position_ = 0;
  Revision delivered_ = 0;
};

std::unique_ptr<Watcher> WatchHub::watch(WatchRequest request, Revision now) {
  const Revision start = request.start_revision > 0 ? request.start_revision : now + 1;
  auto subscription = std::make_shared<Subscription>(std::move(request));
  auto handle = std::make_unique<Handle>(*this, subscription);
  const std::lock_guard lock(mutex_);
  handle->begin_history(start);
  if (subscription->request().range_end.empty()) {
    by_key_[subscription->request().key].push_back(subscription);
  } else {
    ranges_.push_back(subscription);
  }
  return handle;
}

void WatchHub::leave(const Subscription* subscription) {
  const std::lock_guard lock(mutex_);
  const auto is_it = [&](const std::shared_ptr<Subscription>& other) { return other.get() == subscription; };
  std::erase_if(ranges_, is_it);
  const auto found = by_key_.find(subscription->request().key);
  if (found == by_key_.end()) return;
  std::erase_if(found->second, is_it);
  if (found->second.empty()) by_key_.erase(found);
}

template <class Visit>
void WatchHub::for_each_of(std::string_view key, const Visit& visit) const {
  if (!by_key_.empty()) {
    const auto found = by_key_.find(std::string(key));
    if (found != by_key_.end()) std::ranges::for_each(found->second, visit);
  }
  for (const auto& subscription : ranges_) {
    if (subscription->covers(key)) visit(subscription);
  }
}

bool WatchHub::wants_previous(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  bool wanted = false;
  for_each_of(key, [&](const auto& subscription) { wanted |= subscription->request().prev_kv; });
  return wanted;
}

bool WatchHub::idle() const {
  const std::lock_guard lock(mutex_);
  return by_key_.empty() && ranges_.empty();
}

void WatchHub::publish(const std::vector<SharedEvent>& events, Revision revision) {
  std::vector<std::shared_ptr<Subscription>> woken;
  {
    const std::lock_guard lock(mutex_);
    for (const SharedEvent& event : events) {
      for_each_of(event->kv.key, [&](const std::shared_ptr<Subscription>& subscription) {
        subscription->deliver(event);
        woken.push_back(subscription);
      });
    }
    published_ = revision;
  }
  std::ranges::sort(woken);
  const auto repeated = std::ranges::unique(woken);
  woken.erase(repeated.begin(), repeated.end());
  for (const auto& subscription : woken) subscription->wake();
}

Revision WatchHub::published() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

void WatchHub::close(const Error& error) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, subscriptions] : by_key_) {
    for (const auto& subscription : subscriptions) subscription->close(error);
  }
  for (const auto& subscription : ranges_) subscription->close(error);
}

}  // namespace cloudless::store

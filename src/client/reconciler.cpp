#include "client/reconciler.hpp"

#include <boost/json.hpp>

namespace cloudless::client {

namespace json = boost::json;

namespace {

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

// The name in an answer, which the server made up if the request had generateName.
std::string name_in(const json::value& object) {
  const json::object* whole = object.if_object();
  const json::value* metadata = whole ? whole->if_contains("metadata") : nullptr;
  const json::value* name =
      metadata && metadata->is_object() ? metadata->get_object().if_contains("name") : nullptr;
  return name && name->is_string() ? std::string(name->get_string()) : std::string();
}

bool is_granted(const Action& action, const Error& error) {
  if (action.when_done != WhenDone::kAccept) return false;
  if (action.verb == Verb::kCreate) return error.code == Code::kAlreadyExists;
  // A conflict on a delete: another object of that name, so ours is gone.
  const bool other_object = action.verb == Verb::kDelete && error.code == Code::kConflict;
  return error.code == Code::kNotFound || other_object;
}

// Whether a write that was answered so may have been done all the same.
bool is_uncertain(const Error& error) {
  return error.code == Code::kDeadlineExceeded || error.code == Code::kUnavailable ||
         error.code == Code::kInternal;
}

}  // namespace

runtime::Task<Result<std::string>> Performer::send(const Action& action) {
  switch (action.verb) {
    case Verb::kCreate:
      if (!action.subresource.empty()) {
        return client_.create_subresource(action.resource, action.ns, action.name, action.subresource,
                                          action.body);
      }
      return client_.create_raw(action.resource, action.ns, action.body);
    case Verb::kUpdate:
      return client_.update_raw(action.resource, action.ns, action.name, action.subresource, action.body);
    case Verb::kPatch:
      return client_.patch_raw(action.resource, action.ns, action.name, action.patch_type, action.body,
                               {.subresource = action.subresource});
    case Verb::kDelete:
      break;
  }
  return client_.delete_raw(action.resource, action.ns, action.name, action.delete_options);
}

void Performer::take_in(const Action& action, const std::string& answer, WallTime now) {
  InformerBase* informer = informers_.find(action.resource);
  if (!informer) return;
  if (action.verb == Verb::kDelete) {
    informer->observe_deleted(object_key(action.ns, action.name), action.delete_options.uid, now);
    return;
  }
  boost::system::error_code error;
  const json::value object = json::parse(answer, error);
  // The answer of a subresource may be of another kind (Binding, Eviction, Scale).
  const json::value* kind = !error && object.is_object() ? object.get_object().if_contains("kind") : nullptr;
  if (kind && kind->is_string() && kind->get_string() == action.resource.kind) informer->observe(object);
}

runtime::Task<Result<>> Performer::perform(Action action) {
  const runtime::TaskContext context = co_await runtime::current_context();
  const Result<std::string> answer = co_await send(action);
  if (!answer) {
    if (is_granted(action, answer.error())) {
      // Gone already, though the cache may not know yet.
      if (action.verb == Verb::kDelete) take_in(action, "", context.executor->clock().wall_now());
      co_return {};
    }
    if (action.on_failure && answer.error().code != Code::kCancelled) {
      EventText event = std::move(*action.on_failure);
      replace_all(event.message, "{name}", action.name);
      replace_all(event.message, "{error}", answer.error().message);
      recorder_.record(std::move(event), component_);
    }
    co_return std::unexpected(answer.error());
  }
  take_in(action, *answer, context.executor->clock().wall_now());
  if (action.on_success) {
    EventText event = std::move(*action.on_success);
    std::string name = action.name;
    if (name.empty()) {
      boost::system::error_code error;
      name = name_in(json::parse(*answer, error));
    }
    replace_all(event.message, "{name}", name);
    recorder_.record(std::move(event), component_);
  }
  co_return {};
}

runtime::Task<Result<>> Performer::perform(Plan plan, std::optional<Doubt>* doubt) {
  for (Action& action : plan.actions) {
    Doubt of_this{action.resource, action.ns, action.name, action.delete_options.uid};
    const Result<> done = co_await perform(std::move(action));
    if (done) continue;
    // A name that the server was to make up is not known.
    if (doubt && is_uncertain(done.error()) && !of_this.name.empty()) *doubt = std::move(of_this);
    co_return done;
  }
  for (EventText& event : plan.events) recorder_.record(std::move(event), component_);
  co_return {};
}

runtime::Task<Result<>> Performer::settle(const Doubt& doubt) {
  InformerBase* informer = informers_.find(doubt.resource);
  if (!informer) co_return {};
  const Result<std::string> found = co_await client_.get_raw(doubt.resource, doubt.ns, doubt.name);
  if (!found) {
    if (found.error().code != Code::kNotFound) co_return std::unexpected(found.error());
    const runtime::TaskContext context = co_await runtime::current_context();
    informer->observe_deleted(object_key(doubt.ns, doubt.name), doubt.uid,
                              context.executor->clock().wall_now());
    co_return {};
  }
  boost::system::error_code error;
  const json::value object = json::parse(*found, error);
  if (!error) informer->observe(object);
  co_return {};
}

namespace {

runtime::Task<Result<Plan>> answer_at_once(Plan plan) { co_return plan; }

}  // namespace

AskingPlanFunction asking_nothing(PlanFunction plan) {
  return [plan = std::move(plan)](const std::string& key, const PlanContext& context) {
    return answer_at_once(plan(key, context));
  };
}

Reconciler::Reconciler(Options options, AskingPlanFunction plan, Performer& performer,
                       runtime::Executor& executor, Random& random, Logger log)
    : options_(std::move(options)),
      plan_(std::move(plan)),
      performer_(performer),
      executor_(executor),
      log_(log.named(options_.name)),
      queue_(executor, random, options_.backoff) {}

runtime::Task<void> Reconciler::run() {
  for (InformerBase* source : sources_) {
    if (!co_await source->wait_synced()) co_return;
  }
  const runtime::TaskContext context = co_await runtime::current_context();
  runtime::TaskScope workers(executor_, log_);
  for (int i = 0; i < options_.workers; ++i) workers.spawn(work());
  class Stop final : public runtime::CancelState::Callback {
   public:
    explicit Stop(runtime::TaskScope& scope) : scope_(scope) {}
    void on_cancel() override { scope_.cancel(); }

   private:
    runtime::TaskScope& scope_;
  } stop(workers);
  if (context.cancelled()) workers.cancel();
  if (context.cancel && !context.cancelled()) context.cancel->add(stop);
  co_await workers.join();
}

runtime::Task<void> Reconciler::work() {
  for (;;) {
    const auto key = co_await queue_.get();
    if (!key || !*key) co_return;
    co_await reconcile(**key);
    queue_.done(**key);
  }
}

runtime::Task<Result<>> Reconciler::plan_and_perform(const std::string& key,
                                                     std::optional<Duration>& again_after) {
  if (const auto doubt = doubts_.find(key); doubt != doubts_.end()) {
    CO_TRY(co_await performer_.settle(doubt->second));
    doubts_.erase(key);
  }
  PlanContext context{.now = executor_.clock().wall_now(), .failures = queue_.failures(key)};
  if (const auto failed = last_failure_.find(key); failed != last_failure_.end())
    context.last_failure = failed->second;
  Plan plan = CO_TRY(co_await plan_(key, std::move(context)));
  again_after = plan.again_after;
  std::optional<Doubt> doubt;
  const Result<> done = co_await performer_.perform(std::move(plan), &doubt);
  if (doubt) doubts_.insert_or_assign(key, std::move(*doubt));
  co_return done;
}

runtime::Task<void> Reconciler::reconcile(const std::string& key) {
  std::optional<Duration> again_after;
  const Result<> done = co_await plan_and_perform(key, again_after);
  if (done) {
    last_failure_.erase(key);
    queue_.forget(key);
    if (again_after) queue_.add_after(key, *again_after);
    co_return;
  }
  if (done.error().code == Code::kCancelled) co_return;
  // A conflict says only that our view was old; the retry sees the newer one.
  if (done.error().code == Code::kConflict) {
    log_.debug("the object has moved; planning anew", {{"key", key}, {"error", done.error()}});
  } else {
    last_failure_[key] = done.error().message;
    log_.warn("a plan could not be carried out; trying again",
              {{"key", key}, {"error", done.error()}, {"failures", queue_.failures(key) + 1}});
  }
  queue_.add_rate_limited(key);
}

}  // namespace cloudless::client

#include "apiserver/server.hpp"

#include "apiserver/json_fields.hpp"
#include "apiserver/server_state.hpp"

namespace cloudless::apiserver {

using runtime::Task;

ApiServer::State::State(ServerOptions server_options, store::Store& store, runtime::Executor& loop,
                        ValueTransformer* transformer, const Clock& server_clock, Random& server_random,
                        metrics::Registry& server_metrics, Logger server_log)
    : options(std::move(server_options)),
      executor(loop),
      clock(server_clock),
      random(server_random),
      metrics(server_metrics),
      log(server_log),
      registry({.root = options.storage_root,
                .services = {options.service_cidr, options.first_node_port, options.last_node_port},
                .event_ttl = options.event_ttl},
               store, loop, transformer, server_clock, server_random, server_log),
      flows(registry),
      in_flight(options.in_flight),
      definitions(registry, loop, server_log, [this] { aggregator.catalog_changed(); }),
      aggregator(registry, loop, server_random, server_log),
      quotas(registry, loop, server_log),
      compactor(store, options.compaction_interval, loop, server_log),
      addresses(options, registry, store, loop, server_log) {}

ApiServer::ApiServer(ServerOptions options, store::Store& store, runtime::Executor& executor,
                     ValueTransformer* transformer, const Clock& clock, Random& random,
                     metrics::Registry& metrics, Logger log)
    : state_(std::make_unique<State>(std::move(options), store, executor, transformer, clock, random, metrics,
                                     log.named("apiserver"))) {}

ApiServer::~ApiServer() = default;

Objects& ApiServer::objects() { return state_->registry; }

void ApiServer::set_pipeline(Pipeline pipeline) {
  state_->registry.set_admission(pipeline.admission);
  state_->pipeline = std::move(pipeline);
}

Task<Result<>> ApiServer::start() {
  CO_TRY(co_await state_->registry.start());
  CO_TRY(co_await state_->definitions.start());
  CO_TRY(co_await state_->create_system_objects());
  CO_TRY(co_await state_->addresses.start());
  if (state_->options.compaction_interval > Duration::zero()) state_->compactor.start();
  state_->aggregator.start(state_->pipeline.nodes);
  state_->quotas.start();
  state_->ready = true;
  co_return Result<>();
}

Task<void> ApiServer::stop() {
  state_->ready = false;
  co_await state_->addresses.stop();
  co_await state_->compactor.stop();
  co_await state_->quotas.stop();
  co_await state_->aggregator.stop();
  co_await state_->definitions.stop();
  co_await state_->registry.stop();
}

net::Handler ApiServer::handler() {
  return [state = state_.get()](net::Request request, net::ResponseWriter& response) {
    return state->handle(std::move(request), response);
  };
}

}  // namespace cloudless::apiserver

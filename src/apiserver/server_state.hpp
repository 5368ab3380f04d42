// The inside of ApiServer, shared by its stages.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "apiserver/aggregation/aggregator.hpp"
#include "apiserver/custom/definitions.hpp"
#include "apiserver/discovery/documents.hpp"
#include "apiserver/flowcontrol/flow_control.hpp"
#include "apiserver/quota/quota_status.hpp"
#include "apiserver/registry/compactor.hpp"
#include "apiserver/registry/registry.hpp"
#include "apiserver/request/call.hpp"
#include "apiserver/server.hpp"
#include "apiserver/server_addresses.hpp"

namespace cloudless::apiserver {

struct ApiServer::State {
  State(ServerOptions server_options, store::Store& store, runtime::Executor& loop,
        ValueTransformer* transformer, const Clock& server_clock, Random& server_random,
        metrics::Registry& server_metrics, Logger server_log);

  const ServerOptions options;
  runtime::Executor& executor;
  const Clock& clock;
  Random& random;
  metrics::Registry& metrics;
  const Logger log;
  Pipeline pipeline;
  Registry registry;
  FlowTables flows;
  InFlight in_flight;
  Definitions definitions;
  Documents documents;
  Aggregator aggregator;
  QuotaStatus quotas;
  Compactor compactor;
  ServerAddresses addresses;
  std::atomic<bool> ready{false};

  // The stages.
  runtime::Task<void> handle(net::Request request, net::ResponseWriter& client);
  runtime::Task<ApiResult<UserInfo>> authenticate(const net::Request& request);
  runtime::Task<ApiResult<>> authorize(const UserInfo& user, const RequestInfo& info);
  void audit(const Call& call, std::string id, std::string uri, std::string address, const ApiResult<>& done);
  runtime::Task<ApiResult<>> serve_path(const RequestInfo& info, net::Request request,
                                        net::ResponseWriter& response);
  runtime::Task<ApiResult<>> read_body(Call& call, net::Request& request);
  runtime::Task<ApiResult<>> serve_long(Call& call, net::Request request, net::ResponseWriter& response);
  runtime::Task<ApiResult<>> serve_resource(Call& call, net::Request request, net::ResponseWriter& response);
  runtime::Task<ApiResult<Answer>> run_verb(Call& call);
  runtime::Task<ApiResult<Answer>> run_subresource(Call& call);
  runtime::Task<ApiResult<Answer>> create_virtual(Call& call);
  runtime::Task<Result<>> create_system_objects();
};

}  // namespace cloudless::apiserver

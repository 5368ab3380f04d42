// The stages that every request passes: who asks, may they, and what for; and how a failure is told.
#include <algorithm>

#include "apiserver/authz/forbidden.hpp"
#include "apiserver/json_fields.hpp"
#include "apiserver/server_state.hpp"
#include "apiserver/subresources/connect.hpp"
#include "apiserver/subresources/subresources.hpp"
#include "apiserver/verbs/verbs.hpp"
#include "base/strings.hpp"
#include "runtime/timer.hpp"

namespace cloudless::apiserver {

using runtime::Task;

namespace {

const GroupResource kBindings{"", "bindings"};
const GroupResource kComponentStatuses{"", "componentstatuses"};

// Versions that upstream deprecates though it goes on serving them.
std::string_view deprecation_of(const RequestInfo& info) {
  if (!info.group.empty()) return "";
  if (info.resource == "componentstatuses") return "v1 ComponentStatus is deprecated in v1.19+";
  if (info.resource == "endpoints")
    return "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";
  return "";
}

net::Headers common_headers(std::string content_type) {
  return {{"content-type", std::move(content_type)}, {"cache-control", "no-cache, private"}};
}

// RFC 7234 section 5.5 as upstream writes it: code 299, no agent, quoted text.
void add_warnings(net::Headers& headers, const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) headers.add("warning", "299 - " + quote(warning));
}

Task<void> send_failure(net::ResponseWriter& response, const MediaType& media, const ApiStatus& status,
                        const std::vector<std::string>& warnings) {
  if (response.started()) co_return;
  Reply reply = render(media, status);
  net::Headers headers = common_headers(std::move(reply.content_type));
  add_warnings(headers, warnings);
  if (status.retry_after_seconds > 0) headers.add("retry-after", std::to_string(status.retry_after_seconds));
  if (status.code == 401) headers.add("www-authenticate", "Basic realm=\"kubernetes-master\"");
  (void)co_await response.respond(reply.code, std::move(headers), std::move(reply.body));
}

// One more while it lives.
class Counted {
 public:
  explicit Counted(metrics::Gauge& gauge) : gauge_(gauge) { gauge_.add(1); }
  Counted(const Counted&) = delete;
  ~Counted() { gauge_.add(-1); }

 private:
  metrics::Gauge& gauge_;
};

// Whether the audit log wants the answer's body, and can show it.
bool records_answers(const Pipeline& pipeline, const Call& call) {
  return pipeline.auditor && call.media.format == Format::kJson &&
         pipeline.auditor->level(make_attributes(call.user, call.info)) == Auditor::Level::kRequestResponse;
}

SharedBytes join_pieces(const std::vector<SharedBytes>& pieces) {
  std::string text;
  for (const SharedBytes& piece : pieces) text += *piece;
  return share(std::move(text));
}

ApiResult<MediaType> negotiate_for(const RequestInfo& info, const ResourceType& type,
                                   const net::Headers& headers, std::string_view query) {
  const bool collection = info.verb == "list" || info.verb == "watch";
  const bool readable = collection || info.verb == "get" || info.verb == "create" || info.verb == "update" ||
                        info.verb == "patch" || info.verb == "delete";
  return negotiate(
      headers, query,
      {.table = readable, .partial = readable, .protobuf = !type.custom, .yaml = info.verb != "watch"});
}

}  // namespace

Task<ApiResult<UserInfo>> ApiServer::State::authenticate(const net::Request& request) {
  for (const std::shared_ptr<Authenticator>& authenticator : pipeline.authenticators) {
    Result<std::optional<UserInfo>> user = co_await authenticator->authenticate(request);
    if (!user) co_return std::unexpected(unauthorized());
    if (*user) co_return std::move(**user);
  }
  if (!pipeline.authenticators.empty()) co_return std::unexpected(unauthorized());
  co_return UserInfo{.name = std::string(kUserAnonymous), .groups = {std::string(kGroupUnauthenticated)}};
}

Task<ApiResult<>> ApiServer::State::authorize(const UserInfo& user, const RequestInfo& info) {
  if (pipeline.authorizers.empty()) co_return ApiResult<>();
  const Attributes attributes = make_attributes(user, info);
  std::string reasons;
  for (const std::shared_ptr<Authorizer>& authorizer : pipeline.authorizers) {
    const Decision decision = co_await authorizer->authorize(attributes);
    if (decision.allowed()) co_return ApiResult<>();
    if (!decision.reason.empty()) reasons = decision.reason;
    if (decision.kind == Decision::Kind::kDeny) break;
  }
  co_return std::unexpected(authz::forbidden_status(attributes, reasons));
}

Task<void> ApiServer::State::handle(net::Request request, net::ResponseWriter& client) {
  // Whoever passes requests on may have named it already.
  const std::string_view given = request.headers.get("audit-id").value_or("");
  const std::string audit_id = given.empty() ? random.uuid() : std::string(given);
  FlowedResponse response(client, audit_id);
  const Result<RequestInfo> info = parse_request_info(request.method, request.path(), request.query());
  if (!info) {
    co_await send_failure(response, {}, bad_request(info.error().message), {});
    co_return;
  }
  ApiResult<UserInfo> user = co_await authenticate(request);
  std::optional<UserInfo> impersonator;
  if (user && pipeline.impersonator) {
    ApiResult<UserInfo> effective = co_await pipeline.impersonator->impersonate(request.headers, *user);
    if (effective && effective->name != user->name) impersonator = std::move(*user);
    user = std::move(effective);
  }
  const std::shared_ptr<const FlowTable> table = flows.current();
  const Flow* flow = user ? table->classify(*user, *info) : nullptr;
  if (flow) response.set_flow(*flow);
  const std::optional<InFlight::Slot> slot = in_flight.enter(*info, flow);
  if (!slot) {
    co_await refuse_too_many(response);
    co_return;
  }
  ApiResult<> done;
  Call call{
      .info = *info, .headers = request.headers, .method = request.method, .received = clock.wall_now()};
  if (!user) {
    done = std::unexpected(user.error());
  } else {
    call.user = std::move(*user);
    call.impersonator = std::move(impersonator);
    done = co_await authorize(call.user, *info);
  }
  std::string uri = request.target;
  std::string address = request.peer.address;
  const std::optional<ExtensionService> extension = done ? aggregator.find(info->path) : std::nullopt;
  if (extension) {
    done = co_await aggregator.serve(*extension, call.user, std::move(request), response);
  } else if (done && info->is_resource_request) {
    done = co_await serve_resource(call, std::move(request), response);
  } else if (done) {
    done = co_await serve_path(*info, std::move(request), response);
  }
  if (!done) call.response_code = done.error().code;
  metrics
      .counter(
          "apiserver_request_total",
          "Counter of apiserver requests broken out for each verb, group, resource and HTTP response code.",
          {"verb", "group", "resource", "code"})
      .with({info->verb, info->group, info->resource, std::to_string(call.response_code)})
      .add();
  audit(call, audit_id, std::move(uri), std::move(address), done);
  if (!done) co_await send_failure(response, call.media, done.error(), call.warnings);
}

Task<ApiResult<>> ApiServer::State::read_body(Call& call, net::Request& request) {
  if (!request.body) co_return ApiResult<>();
  Result<std::string> body = co_await runtime::with_timeout(options.request_timeout, "reading a body",
                                                            net::read_all(*request.body, kMaxBodyBytes));
  if (body) {
    call.body = std::move(*body);
    co_return ApiResult<>();
  }
  if (body.error().code == Code::kResourceExhausted) {
    co_return std::unexpected(request_entity_too_large(fmt::format("limit is {}", kMaxBodyBytes)));
  }
  if (body.error().code == Code::kDeadlineExceeded) {
    co_return std::unexpected(timeout("request did not complete within the allotted timeout", 0));
  }
  // As upstream has it, whose reader's error is no status: a broken encoding is 500 without a reason.
  co_return std::unexpected(ApiStatus(500, "", body.error().message));
}

// Watches and connections, which are counted while they last.
Task<ApiResult<>> ApiServer::State::serve_long(Call& call, net::Request request,
                                               net::ResponseWriter& response) {
  const std::string& group = call.info.group;
  const std::string& resource = call.info.resource;
  const Counted counted(
      metrics
          .gauge("apiserver_longrunning_requests",
                 "Gauge of all active long-running apiserver requests broken out by verb, group, version, "
                 "resource, scope and component. Not all requests are tracked this way.",
                 {"verb", "group", "version", "resource", "subresource"})
          .with({call.info.verb, group, call.info.version, resource, call.info.subresource}));
  if (call.info.verb == "watch" && call.info.subresource.empty()) {
    metrics::Counter& terminated =
        metrics
            .counter("apiserver_terminated_watchers_total",
                     "Counter of watchers closed due to unresponsiveness broken by resource type.",
                     {"group", "resource"})
            .with({group, resource});
    co_return co_await watch_objects(registry, call, response, terminated);
  }
  if (!pipeline.nodes) co_return std::unexpected(service_unavailable("this server has no way to the nodes"));
  co_return co_await serve_connect(registry, *pipeline.nodes, call, std::move(request), response);
}

Task<ApiResult<>> ApiServer::State::serve_resource(Call& call, net::Request request,
                                                   net::ResponseWriter& response) {
  call.raw_query = request.query();
  call.query = CO_TRY(Query::parse(call.raw_query));
  call.catalog = registry.catalog();
  const auto endpoint = call.catalog->find(call.info.group, call.info.version, call.info.resource);
  if (!endpoint) co_return std::unexpected(unknown_resource());
  call.endpoint = *endpoint;
  if (call.info.verb.empty()) co_return std::unexpected(method_not_allowed());
  const bool named = !call.info.name.empty();
  const bool collection_only = call.info.verb == "create" && call.info.subresource.empty();
  const bool named_only = call.info.verb == "update" || call.info.verb == "patch";
  if ((named && collection_only) || (!named && named_only)) co_return std::unexpected(method_not_allowed());
  const schema::ResourceInfo* described = call.described();
  if (!described) co_return std::unexpected(unknown_resource());
  if (std::ranges::find(described->verbs, call.info.verb) == described->verbs.end()) {
    co_return std::unexpected(method_not_allowed());
  }
  if (is_connect(call.info.subresource)) co_return co_await serve_long(call, std::move(request), response);
  call.media = CO_TRY(negotiate_for(call.info, call.type(), request.headers, call.raw_query));
  CO_TRY(co_await read_body(call, request));
  if (const std::string_view text = deprecation_of(call.info); !text.empty())
    call.warnings.emplace_back(text);
  if (call.info.verb == "watch") co_return co_await serve_long(call, std::move(request), response);
  const Answer answer = CO_TRY(co_await run_verb(call));
  Reply reply = CO_TRY(render(call, answer));
  net::Headers headers = common_headers(std::move(reply.content_type));
  add_warnings(headers, call.warnings);
  call.response_code = reply.code;
  if (records_answers(pipeline, call)) call.response_body = join_pieces(reply.body);
  (void)co_await response.respond(reply.code, std::move(headers), std::move(reply.body));
  co_return ApiResult<>();
}

void ApiServer::State::audit(const Call& call, std::string id, std::string uri, std::string address,
                             const ApiResult<>& done) {
  if (!pipeline.auditor) return;
  const Attributes attributes = make_attributes(call.user, call.info);
  const Auditor::Level level = pipeline.auditor->level(attributes);
  if (level == Auditor::Level::kNone) return;
  AuditRecord record{.audit_id = std::move(id),
                     .request_uri = std::move(uri),
                     .attributes = attributes,
                     .impersonated_user = {},
                     .user_agent = std::string(call.user_agent()),
                     .received = call.received,
                     .completed = clock.wall_now(),
                     .response_code = call.response_code,
                     .annotations = call.audit_annotations};
  if (call.impersonator) {
    record.impersonated_user = call.user;
    record.attributes.user = *call.impersonator;
  }
  record.response_body = call.response_body;
  if (!address.empty()) record.source_ips.push_back(std::move(address));
  if (!done) record.failure = done.error();
  const bool is_json = media_type_of(call.headers).ends_with("json");
  if (level >= Auditor::Level::kRequest && is_json) record.request_body = share(call.body);
  pipeline.auditor->record(level, std::move(record));
}

Task<ApiResult<Answer>> ApiServer::State::run_verb(Call& call) {
  const std::string& verb = call.info.verb;
  if (call.type().id == kBindings) co_return co_await create_binding(registry, call);
  if (call.type().id == kComponentStatuses)
    co_return co_await serve_component_statuses(registry, pipeline, call);
  if (!call.type().stored) co_return co_await create_virtual(call);
  if (!call.info.subresource.empty()) co_return co_await run_subresource(call);
  if (verb == "get") co_return co_await get_object(registry, call);
  if (verb == "list") co_return co_await list_collection(registry, call);
  if (verb == "create") co_return co_await create_object(registry, call);
  if (verb == "update") co_return co_await update_object(registry, call);
  if (verb == "patch") co_return co_await patch_object(registry, call);
  if (verb == "delete") co_return co_await delete_object(registry, call);
  if (verb == "deletecollection") co_return co_await delete_collection(registry, call);
  co_return std::unexpected(method_not_supported(call.type().id, verb));
}

Task<ApiResult<Answer>> ApiServer::State::create_virtual(Call& call) {
  std::string key = call.info.group + "/" + call.info.resource;
  if (!call.info.subresource.empty()) key += "/" + call.info.subresource;
  const auto found = pipeline.virtual_resources.find(key);
  if (found == pipeline.virtual_resources.end()) co_return std::unexpected(unknown_resource());
  const WriteOptions options = CO_TRY(parse_write_options(call.query, call.user_agent(), "CreateOptions"));
  const schema::ResourceInfo& info = *call.described();
  const schema::Schema* schema = info.request_schema ? info.request_schema : info.schema;
  json::object object = CO_TRY(decode_object(call, *schema, options.field_validation));
  const CreateContext context{call.user, call.info.namespace_, call.info.name, options.dry_run};
  const json::object answer = CO_TRY(co_await found->second->create(context, std::move(object)));
  co_return answer_kind(answer, schema, 201);
}

}  // namespace cloudless::apiserver

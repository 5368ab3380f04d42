#include "apiserver/audit/policy.hpp"
#include "apiserver/authn/token.hpp"
#include "apiserver/json_fields.hpp"

namespace cloudless::apiserver::audit {

namespace {

json::object object_reference(const Attributes& attributes) {
  json::object out{{"resource", attributes.resource}};
  const auto set = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) out[name] = value;
  };
  set("namespace", attributes.namespace_);
  set("name", attributes.name);
  set("apiGroup", attributes.group);
  set("apiVersion", attributes.version);
  set("subresource", attributes.subresource);
  return out;
}

json::object response_status(const AuditRecord& record) {
  if (!record.failure) return {{"metadata", json::object()}, {"code", record.response_code}};
  return {{"metadata", json::object()},
          {"status", "Failure"},
          {"message", record.failure->message},
          {"reason", record.failure->reason},
          {"code", record.response_code}};
}

// A body as JSON; nothing where it is none.
void set_body(json::object& event, std::string_view name, const SharedBytes& bytes,
              bool omit_managed_fields) {
  if (view(bytes).empty()) return;
  boost::system::error_code error;
  json::value body = json::parse(view(bytes), error);
  if (error) return;
  if (omit_managed_fields && body.is_object()) erase_at(body.get_object(), {"metadata", "managedFields"});
  event[name] = std::move(body);
}

}  // namespace

std::string encode_event(Auditor::Level level, const AuditRecord& record, const Policy& policy) {
  json::object event{{"kind", "Event"},
                     {"apiVersion", "audit.k8s.io/v1"},
                     {"level", to_string(level)},
                     {"auditID", record.audit_id},
                     {"stage", "ResponseComplete"},
                     {"requestURI", record.request_uri},
                     {"verb", record.attributes.verb},
                     {"user", authn::to_json(record.attributes.user)}};
  if (record.impersonated_user) event["impersonatedUser"] = authn::to_json(*record.impersonated_user);
  if (!record.source_ips.empty())
    event["sourceIPs"] = json::array(record.source_ips.begin(), record.source_ips.end());
  if (!record.user_agent.empty()) event["userAgent"] = record.user_agent;
  if (record.attributes.is_resource_request) event["objectRef"] = object_reference(record.attributes);
  event["responseStatus"] = response_status(record);
  if (level >= Auditor::Level::kRequest)
    set_body(event, "requestObject", record.request_body, policy.omit_managed_fields);
  if (level >= Auditor::Level::kRequestResponse)
    set_body(event, "responseObject", record.response_body, policy.omit_managed_fields);
  event["requestReceivedTimestamp"] = format_rfc3339_micro(record.received);
  event["stageTimestamp"] = format_rfc3339_micro(record.completed);
  if (!record.annotations.empty()) {
    json::object& annotations = event["annotations"].emplace_object();
    for (const auto& [key, value] : record.annotations) annotations[key] = value;
  }
  return json::serialize(event);
}

}  // namespace cloudless::apiserver::audit

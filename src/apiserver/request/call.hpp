// Call: one authorized request on a resource, and Answer: what is to be sent back, before it is encoded.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "apiserver/registry/registry.hpp"
#include "apiserver/request/negotiation.hpp"

namespace cloudless::apiserver {

/// Upstream's limit on request bodies.
inline constexpr size_t kMaxBodyBytes = 3 * 1024 * 1024;

struct Call {
  RequestInfo info;
  UserInfo user;
  std::optional<UserInfo> impersonator;  // who acts as `user`
  net::Headers headers;
  std::string method;
  WallTime received;
  std::string raw_query;
  Query query;
  MediaType media;
  CatalogPtr catalog;  // keeps the endpoint alive
  Endpoint endpoint;
  std::string body;
  std::vector<std::string> warnings;
  std::map<std::string, std::string> audit_annotations;
  int response_code = 200;    // of what was sent
  SharedBytes response_body;  // JSON, where the audit log wants it

  const ResourceType& type() const { return *endpoint.type; }
  const Representation& representation() const { return *endpoint.representation; }
  std::string_view user_agent() const { return headers.get("user-agent").value_or(""); }
  /// The info of the resource, or of the subresource asked for; null where there is no such subresource.
  const schema::ResourceInfo* described() const;
};

/// An object in the form it is served in, and what it is an instance of (for YAML and protobuf).
struct EncodedObject {
  SharedBytes json;
  const schema::Schema* schema = nullptr;
};

struct Answer {
  int code = 200;
  std::variant<EncodedObject, ObjectList> content;
};

/// The answer that has this object of the call's resource (in its storage version).
Answer answer_object(const Call& call, const boost::json::object& object, int code = 200);
Answer answer_object(const Call& call, const CachedObjectPtr& object);
/// The answer that has an object of another kind: Scale, Status, TokenReview.
Answer answer_kind(const boost::json::object& object, const schema::Schema* schema, int code = 200);
/// Status "Success" of what leaves no object to send.
Answer answer_success(int code);
/// The same about an object that is gone.
Answer answer_deleted(const Call& call, const boost::json::object& object);

/// The head and the pieces of an encoded answer.
struct Reply {
  int code = 200;
  std::string content_type;
  std::vector<SharedBytes> body;
};
/// Encodes in the form that the call negotiated. 406 for what has no such form.
ApiResult<Reply> render(const Call& call, const Answer& answer);
/// A failure, in JSON, YAML or protobuf.
Reply render(const MediaType& media, const ApiStatus& status);

enum class TableHead { kWithColumns, kWithoutColumns };
/// One object as the call's watch sends it: a Table of one row, PartialObjectMetadata, or itself. JSON.
SharedBytes shape_object(const Call& call, const CachedObject& object, TableHead head);
/// The object in protobuf as lists and envelopes hold it (schema::encode_item); kept with it in the storage
/// version. Null where it has no such form.
SharedBytes protobuf_item(const Call& call, const CachedObject& object);

/// What a list or watch selects, from its selectors. 400 with upstream's words for what they cannot name.
ApiResult<Scope> make_scope(const Call& call, const ListOptions& options);

/// The request's body as an object of `schema`, defaulted; 400 and 415 with upstream's words. Complaints of
/// fieldValidation=Warn join the call's warnings.
ApiResult<boost::json::object> decode_object(Call& call, const schema::Schema& schema,
                                             FieldValidation validation);

/// A write on the call's resource.
WriteRequest make_write(const Call& call, const WriteOptions& options);
/// Takes back what the write has to tell.
void absorb(Call& call, WriteRequest& request);

}  // namespace cloudless::apiserver

// Answers as bytes. JSON of stored objects is never touched: a list is its head, the shared texts of its
// items with commas between them, and its tail.
#include "api/registry.hpp"
#include "apiserver/json_fields.hpp"
#include "apiserver/printers/table.hpp"
#include "apiserver/registry/conversion.hpp"
#include "apiserver/request/call.hpp"
#include "schema/codec.hpp"
#include "schema/json.hpp"
#include "schema/protobuf.hpp"
#include "schema/yaml.hpp"

namespace cloudless::apiserver {

namespace {

std::unexpected<ApiStatus> no_protobuf() {
  return std::unexpected(not_acceptable({"application/json", "application/yaml"}));
}

json::object list_metadata(const ObjectList& list) {
  json::object meta{{"resourceVersion", std::to_string(list.revision)}};
  if (!list.continue_token.empty()) meta["continue"] = list.continue_token;
  if (list.remaining_items) meta["remainingItemCount"] = *list.remaining_items;
  return meta;
}

std::vector<SharedBytes> join_list(std::string_view kind, std::string_view api_version,
                                   const ObjectList& list, std::vector<SharedBytes> items) {
  static const SharedBytes kComma = share(",");
  static const SharedBytes kTail = share("]}\n");
  std::vector<SharedBytes> body;
  body.reserve(2 * items.size() + 2);
  body.push_back(share(fmt::format("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",\"metadata\":{},\"items\":[",
                                   kind, api_version, json::serialize(list_metadata(list)))));
  for (SharedBytes& item : items) {
    if (body.size() > 1) body.push_back(kComma);
    body.push_back(std::move(item));
  }
  body.push_back(kTail);
  return body;
}

std::vector<SharedBytes> list_items(const Call& call, const ObjectList& list) {
  std::vector<SharedBytes> items;
  items.reserve(list.items.size());
  for (const CachedObjectPtr& object : list.items) {
    items.push_back(served_json(call.type(), call.representation(), *object));
  }
  return items;
}

json::object partial_metadata(const json::object& object, std::string_view version) {
  json::object partial{{"kind", "PartialObjectMetadata"},
                       {"apiVersion", fmt::format("meta.k8s.io/{}", version)}};
  copy_member(object, partial, "metadata");
  return partial;
}

json::object parse_object(std::string_view text) { return json::parse(text).as_object(); }

std::string flatten(const std::vector<SharedBytes>& pieces) {
  size_t size = 0;
  for (const SharedBytes& piece : pieces) size += piece->size();
  std::string text;
  text.reserve(size);
  for (const SharedBytes& piece : pieces) text += *piece;
  return text;
}

// JSON text in the format that was negotiated. `schema` may be null: then there is no protobuf form.
ApiResult<SharedBytes> transcode(const MediaType& media, std::string text, const schema::Schema* schema) {
  if (media.format == Format::kJson)
    return share(media.pretty ? pretty_json(json::parse(text)) : std::move(text));
  const json::value value = json::parse(text);
  if (media.format == Format::kYaml) return share(schema::serialize_yaml(value));
  if (!schema) return no_protobuf();
  Result<std::string> bytes = schema::encode_protobuf(value, *schema);
  if (!bytes) return no_protobuf();
  return share(std::move(*bytes));
}

// A list of built-in objects in protobuf: each item is encoded once and kept with the cached object.
ApiResult<std::vector<SharedBytes>> protobuf_list(const Call& call, const ObjectList& list) {
  static const SharedBytes kTail = share(std::string(schema::kEnvelopeEnd));
  std::vector<SharedBytes> body(1);
  body.reserve(list.items.size() + 2);
  size_t size = 0;
  for (const CachedObjectPtr& object : list.items) {
    SharedBytes item = protobuf_item(call, *object);
    if (!item) return no_protobuf();
    size += item->size();
    body.push_back(std::move(item));
  }
  const schema::Schema* meta = api::find_type("k8s.io.apimachinery.pkg.apis.meta.v1", "ListMeta");
  Result<std::string> head = schema::encode_list_head(
      {call.representation().api_version(), call.type().kind + "List"}, list_metadata(list), *meta, size);
  if (!head) return std::unexpected(internal_error(head.error().message));
  body.front() = share(std::move(*head));
  body.push_back(kTail);
  return body;
}

json::object table_of(const Call& call, json::object object, TableHead head) {
  json::object meta{{"resourceVersion", text_at(object, {"metadata", "resourceVersion"})}};
  std::vector<json::object> rows;
  rows.push_back(std::move(object));
  return make_table(call, std::move(rows), std::move(meta), head);
}

ApiResult<SharedBytes> table_list(const Call& call, const ObjectList& list) {
  std::vector<json::object> objects;
  objects.reserve(list.items.size());
  for (const SharedBytes& item : list_items(call, list)) objects.push_back(parse_object(*item));
  const json::object table =
      make_table(call, std::move(objects), list_metadata(list), TableHead::kWithColumns);
  return transcode(call.media, schema::serialize_json(table), nullptr);
}

ApiResult<std::vector<SharedBytes>> render_list(const Call& call, const ObjectList& list) {
  if (call.media.shape == Shape::kTable) return std::vector{TRY(table_list(call, list))};
  const bool partial = call.media.shape == Shape::kPartial;
  if (call.media.format == Format::kProtobuf && !partial) {
    if (call.type().custom) return no_protobuf();
    return protobuf_list(call, list);
  }
  std::vector<SharedBytes> items = list_items(call, list);
  std::string kind = call.type().kind + "List";
  std::string api_version = call.representation().api_version();
  const schema::Schema* schema = nullptr;
  if (partial) {
    for (SharedBytes& item : items) {
      item = share(schema::serialize_json(partial_metadata(parse_object(*item), call.media.version)));
    }
    kind = "PartialObjectMetadataList";
    api_version = "meta.k8s.io/" + call.media.version;
    schema = api::find_kind("meta.k8s.io", "v1", kind);
  }
  std::vector<SharedBytes> body = join_list(kind, api_version, list, std::move(items));
  if (call.media.format == Format::kJson && !call.media.pretty) return body;
  return std::vector{TRY(transcode(call.media, flatten(body), schema))};
}

ApiResult<std::vector<SharedBytes>> render_object(const Call& call, const EncodedObject& object) {
  static const SharedBytes kNewline = share("\n");
  const bool own_kind = call.representation().info && object.schema == call.representation().info->schema;
  if (call.media.shape == Shape::kTable && own_kind) {
    const json::object table = table_of(call, parse_object(*object.json), TableHead::kWithColumns);
    return std::vector{TRY(transcode(call.media, schema::serialize_json(table), nullptr))};
  }
  if (call.media.shape == Shape::kTable && object.schema && object.schema->name == "Scale") {
    const json::object table = make_scale_table(call, parse_object(*object.json));
    return std::vector{TRY(transcode(call.media, schema::serialize_json(table), nullptr))};
  }
  if (call.media.shape == Shape::kPartial && own_kind) {
    const json::object partial = partial_metadata(parse_object(*object.json), call.media.version);
    const schema::Schema* schema = api::find_kind("meta.k8s.io", "v1", "PartialObjectMetadata");
    return std::vector{TRY(transcode(call.media, schema::serialize_json(partial), schema))};
  }
  if (call.media.format == Format::kJson && !call.media.pretty) return std::vector{object.json, kNewline};
  return std::vector{TRY(transcode(call.media, *object.json, object.schema))};
}

}  // namespace

ApiResult<Reply> render(const Call& call, const Answer& answer) {
  Reply reply{.code = answer.code, .content_type = call.media.content_type(false)};
  if (const auto* list = std::get_if<ObjectList>(&answer.content)) {
    reply.body = TRY(render_list(call, *list));
  } else {
    reply.body = TRY(render_object(call, std::get<EncodedObject>(answer.content)));
  }
  return reply;
}

Reply render(const MediaType& media, const ApiStatus& status) {
  MediaType plain{.format = media.format, .pretty = media.pretty};
  ApiResult<SharedBytes> body = transcode(plain, encode(status), api::find_kind("", "v1", "Status"));
  if (body) return {status.code, plain.content_type(false), {std::move(*body)}};
  return {status.code, MediaType().content_type(false), {share(encode(status))}};
}

SharedBytes protobuf_item(const Call& call, const CachedObject& object) {
  const Representation& representation = call.representation();
  const auto encode = [&](const CachedObject& each) {
    const SharedBytes text = served_json(call.type(), representation, each);
    Result<std::string> bytes = schema::encode_item(json::parse(*text), *representation.info->schema);
    return bytes ? share(std::move(*bytes)) : SharedBytes();
  };
  const bool stored = &representation == &call.type().storage_representation();
  return stored ? object.protobuf(encode) : encode(object);
}

SharedBytes shape_object(const Call& call, const CachedObject& object, TableHead head) {
  SharedBytes text = served_json(call.type(), call.representation(), object);
  if (call.media.shape == Shape::kPartial) {
    return share(schema::serialize_json(partial_metadata(parse_object(*text), call.media.version)));
  }
  if (call.media.shape == Shape::kTable) {
    return share(schema::serialize_json(table_of(call, parse_object(*text), head)));
  }
  return text;
}

}  // namespace cloudless::apiserver

#include "apiserver/printers/table.hpp"

#include "apiserver/json_fields.hpp"
#include "apiserver/printers/columns.hpp"
#include "schema/json.hpp"

namespace cloudless::apiserver {

namespace {

json::array column_definitions(const std::vector<Column>& columns) {
  json::array out;
  for (const Column& column : columns) {
    out.push_back({{"name", column.name},
                   {"type", column.type},
                   {"format", column.format},
                   {"description", column.description},
                   {"priority", column.priority}});
  }
  return out;
}

// What a row says about its object beside the cells.
json::value row_object(json::object object, std::string_view include, std::string_view version) {
  if (include == "Object") return object;
  if (include == "None") return nullptr;
  json::object partial{{"kind", "PartialObjectMetadata"},
                       {"apiVersion", fmt::format("meta.k8s.io/{}", version)}};
  copy_member(object, partial, "metadata");
  return partial;
}

void indent(const json::value& value, std::string& out, size_t depth) {
  const auto line = [&](size_t level) { out.append("\n").append(2 * level, ' '); };
  if (const json::object* object = value.if_object(); object && !object->empty()) {
    char separator = '{';
    for (const auto& [key, member] : *object) {
      out.push_back(std::exchange(separator, ','));
      line(depth + 1);
      schema::append_json_string(key, out);
      out += ": ";
      indent(member, out, depth + 1);
    }
    line(depth);
    out.push_back('}');
  } else if (const json::array* array = value.if_array(); array && !array->empty()) {
    char separator = '[';
    for (const json::value& element : *array) {
      out.push_back(std::exchange(separator, ','));
      line(depth + 1);
      indent(element, out, depth + 1);
    }
    line(depth);
    out.push_back(']');
  } else {
    schema::append_json(value, out);
  }
}

json::object print(const Call& call, const Printer& printer, std::vector<json::object> objects,
                   json::object metadata, TableHead head) {
  const std::string version = call.media.version.empty() ? "v1" : call.media.version;
  json::object table{
      {"kind", "Table"}, {"apiVersion", "meta.k8s.io/" + version}, {"metadata", std::move(metadata)}};
  table["columnDefinitions"] = head == TableHead::kWithColumns
                                   ? json::value(column_definitions(printer.columns))
                                   : json::value(nullptr);
  const std::string_view include = call.query.text("includeObject");
  json::array rows;
  rows.reserve(objects.size());
  for (json::object& object : objects) {
    json::array cells = printer.row(object, call.received);
    rows.push_back(
        {{"cells", std::move(cells)}, {"object", row_object(std::move(object), include, version)}});
  }
  table["rows"] = std::move(rows);
  return table;
}

}  // namespace

json::object make_table(const Call& call, std::vector<json::object> objects, json::object metadata,
                        TableHead head) {
  const PrinterPtr printer = printer_of(call.type(), call.representation());
  return print(call, *printer, std::move(objects), std::move(metadata), head);
}

json::object make_scale_table(const Call& call, json::object scale) {
  json::object metadata{{"resourceVersion", text_at(scale, {"metadata", "resourceVersion"})}};
  std::vector<json::object> rows;
  rows.push_back(std::move(scale));
  return print(call, *scale_printer(), std::move(rows), std::move(metadata), TableHead::kWithColumns);
}

std::string pretty_json(const json::value& value) {
  std::string out;
  indent(value, out, 0);
  out.push_back('\n');
  return out;
}

}  // namespace cloudless::apiserver

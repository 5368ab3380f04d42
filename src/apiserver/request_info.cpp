#include "apiserver/request_info.hpp"

#include <array>
#include <optional>
#include <span>

#include "base/strings.hpp"
#include "net/http.hpp"

namespace cloudless::apiserver {

namespace {

// Path segments; empty ones at either end do not count.
std::vector<std::string> split_path(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  std::vector<std::string> parts;
  if (path.empty()) return parts;
  for (std::string_view part : split(path, '/')) parts.emplace_back(part);
  return parts;
}

std::string_view resource_verb(std::string_view method) {
  if (method == "GET" || method == "HEAD") return "get";
  if (method == "POST") return "create";
  if (method == "PUT") return "update";
  if (method == "PATCH") return "patch";
  if (method == "DELETE") return "delete";
  return "";
}

// Not sub-resources' verbs in a path any more, but still understood: /api/v1/watch/pods.
bool is_path_verb(std::string_view part) { return part == "watch" || part == "proxy"; }

bool is_namespace_subresource(std::string_view part) { return part == "status" || part == "finalize"; }

// As upstream converts booleans of a query: all but these is true.
bool is_true(std::string_view value) { return value != "0" && !equal_ignoring_case(value, "false"); }

// The name that a field selector "metadata.name=x" pins; nothing where it pins none.
std::optional<std::string> pinned_name(std::string_view field_selector) {
  for (std::string_view term : split(field_selector, ',')) {
    for (std::string_view operation : {"metadata.name==", "metadata.name="}) {
      if (!term.starts_with(operation)) continue;
      const std::string_view name = term.substr(operation.size());
      if (!name.empty() && name.find_first_of("/%\\") == std::string_view::npos) return std::string(name);
      return std::nullopt;
    }
  }
  return std::nullopt;
}

// Without a name, a get is a list or a watch, and a delete a deletecollection.
void settle_collection_verb(RequestInfo& info, std::string_view query) {
  if (!info.name.empty()) return;
  if (info.verb == "delete") info.verb = "deletecollection";
  if (info.verb != "get" && info.verb != "watch" && info.verb != "deletecollection") return;
  bool watch = info.verb == "watch";
  // An undecodable query is refused where options are read; here it only means that nothing is pinned.
  const auto parameters = net::parse_query(query);
  const std::vector<std::pair<std::string, std::string>> none;
  for (const auto& [key, value] : parameters ? *parameters : none) {
    if (key == "watch" && info.verb == "get") watch = is_true(value);
    if (key == "labelSelector") info.label_selector = value;
    if (key != "fieldSelector") continue;
    info.field_selector = value;
    if (std::optional<std::string> name = pinned_name(value)) info.name = *name;
  }
  if (info.verb != "deletecollection") info.verb = watch ? "watch" : "list";
}

// What follows the version: [namespaces/<ns>/]<resource>[/<name>[/<subresource>...]].
void read_resource(RequestInfo& info, std::span<const std::string> parts) {
  if (parts[0] == "namespaces" && parts.size() > 1) {
    info.namespace_ = parts[1];
    if (parts.size() > 2 && !is_namespace_subresource(parts[2])) parts = parts.subspan(2);
  }
  info.parts.assign(parts.begin(), parts.end());
  info.resource = parts[0];
  if (parts.size() >= 2) info.name = parts[1];
  if (parts.size() >= 3) info.subresource = parts[2];
}

}  // namespace

Result<RequestInfo> parse_request_info(std::string_view method, std::string_view path,
                                       std::string_view query) {
  RequestInfo info;
  info.path = TRY(net::percent_decode(path, false));
  info.verb = to_lower(method);
  const std::vector<std::string> all = split_path(info.path);
  std::span<const std::string> parts(all);
  if (parts.size() < 3 || (parts[0] != "api" && parts[0] != "apis")) return info;
  const bool has_group = parts[0] == "apis";
  if (has_group && parts.size() < 4) return info;

  info.prefix = parts[0];
  if (has_group) info.group = parts[1];
  parts = parts.subspan(has_group ? 2 : 1);
  info.is_resource_request = true;
  info.version = parts[0];
  info.verb = resource_verb(method);
  parts = parts.subspan(1);
  if (is_path_verb(parts[0])) {
    if (parts.size() < 2)
      return fail(Code::kInvalid, "unable to determine kind and namespace from url, {}", info.path);
    info.verb = parts[0];
    parts = parts.subspan(1);
  }
  read_resource(info, parts);
  settle_collection_verb(info, query);
  return info;
}

}  // namespace cloudless::apiserver

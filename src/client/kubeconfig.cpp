#include "client/kubeconfig.hpp"

#include <boost/json.hpp>

#include <filesystem>

#include "base/encoding.hpp"
#include "base/files.hpp"
#include "base/strings.hpp"
#include "schema/yaml.hpp"

namespace cloudless::client {

namespace {

namespace json = boost::json;

std::string text_at(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->as_string()) : std::string();
}

bool truth_at(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_bool() && value->as_bool();
}

// The entry of that name in a list such as users: [{name: ..., user: {...}}].
Result<const json::object*> find_entry(const json::object& config, std::string_view list,
                                       std::string_view member, const std::string& name) {
  const json::value* items = config.if_contains(list);
  if (items && items->is_array()) {
    for (const json::value& item : items->as_array()) {
      if (!item.is_object() || text_at(item.as_object(), "name") != name) continue;
      const json::value* value = item.as_object().if_contains(member);
      if (value && value->is_object()) return &value->as_object();
    }
  }
  return fail(Code::kInvalid, "the kubeconfig has no {} {}", member, quote(name));
}

std::string absolute(const std::string& path, const std::string& directory) {
  return path.empty() || path.starts_with('/') || directory.empty() ? path : directory + "/" + path;
}

// PEM from `<name>-data` (base64), or from the file that `<name>` leads to.
Result<std::string> read_pem(const json::object& object, const std::string& name,
                             const std::string& directory) {
  const std::string data = text_at(object, name + "-data");
  if (!data.empty()) {
    auto decoded = base64_decode(data);
    if (!decoded) return wrap(decoded.error(), "{}-data", name);
    return *decoded;
  }
  const std::string path = text_at(object, name);
  return path.empty() ? Result<std::string>(std::string()) : read_file(absolute(path, directory));
}

Result<> read_cluster(const json::object& cluster, const std::string& directory, ConnectionConfig& out) {
  out.server = text_at(cluster, "server");
  if (out.server.empty()) return fail(Code::kInvalid, "the kubeconfig's cluster has no server");
  out.ca = TRY(read_pem(cluster, "certificate-authority", directory));
  out.server_name = text_at(cluster, "tls-server-name");
  out.insecure = truth_at(cluster, "insecure-skip-tls-verify");
  return {};
}

Result<> read_user(const json::object& user, const std::string& directory, ConnectionConfig& out) {
  for (const char* unsupported : {"exec", "auth-provider", "username", "password"}) {
    if (user.if_contains(unsupported))
      return fail(Code::kUnimplemented,
                  "the kubeconfig's user has {}, which is not supported: use a client "
                  "certificate or a token",
                  quote(unsupported));
  }
  out.client_certificate = TRY(read_pem(user, "client-certificate", directory));
  out.client_key = TRY(read_pem(user, "client-key", directory));
  out.token = text_at(user, "token");
  out.token_file = absolute(text_at(user, "tokenFile"), directory);
  return {};
}

// Without a context there is one cluster at the most, and no user: kubeadm's cluster-info.
Result<ConnectionConfig> read_only_cluster(const json::object& config, const std::string& directory) {
  const json::value* clusters = config.if_contains("clusters");
  const bool single = clusters && clusters->is_array() && clusters->as_array().size() == 1 &&
                      clusters->as_array()[0].is_object();
  const json::value* cluster = single ? clusters->as_array()[0].as_object().if_contains("cluster") : nullptr;
  if (!cluster || !cluster->is_object()) return fail(Code::kInvalid, "the kubeconfig has no current-context");
  ConnectionConfig out;
  TRY(read_cluster(cluster->as_object(), directory, out));
  return out;
}

}  // namespace

Result<ConnectionConfig> parse_kubeconfig(const std::string& text, const std::string& directory,
                                          const std::string& context_name) {
  const json::value parsed = TRY(schema::parse_yaml(text));
  if (!parsed.is_object()) return fail(Code::kInvalid, "a kubeconfig has to be an object");
  const json::object& config = parsed.as_object();
  const std::string wanted = context_name.empty() ? text_at(config, "current-context") : context_name;
  if (wanted.empty()) return read_only_cluster(config, directory);
  const json::object& context = *TRY(find_entry(config, "contexts", "context", wanted));
  ConnectionConfig out;
  TRY(read_cluster(*TRY(find_entry(config, "clusters", "cluster", text_at(context, "cluster"))), directory,
                   out));
  const std::string user = text_at(context, "user");
  if (!user.empty()) TRY(read_user(*TRY(find_entry(config, "users", "user", user)), directory, out));
  const std::string ns = text_at(context, "namespace");
  if (!ns.empty()) out.ns = ns;
  return out;
}

Result<ConnectionConfig> load_kubeconfig(const std::string& path, const std::string& context) {
  const std::string text = TRY(read_file(path));
  auto config = parse_kubeconfig(text, std::filesystem::path(path).parent_path(), context);
  if (!config) return wrap(config.error(), "read {}", path);
  return config;
}

}  // namespace cloudless::client

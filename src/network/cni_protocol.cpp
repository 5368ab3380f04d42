#include "network/cni_protocol.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "base/strings.hpp"

namespace cloudless::network {

namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, 5> kVersions{"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
constexpr std::array<std::pair<std::string_view, CniCommand>, 6> kCommands{{
    {"ADD", CniCommand::kAdd},
    {"DEL", CniCommand::kDel},
    {"CHECK", CniCommand::kCheck},
    {"VERSION", CniCommand::kVersion},
    {"GC", CniCommand::kGc},
    {"STATUS", CniCommand::kStatus},
}};
/// IFNAMSIZ without the terminator.
constexpr size_t kMaxInterfaceName = 15;

std::unexpected<CniError> cni_fail(CniErrorCode code, std::string message, std::string details = {}) {
  return std::unexpected(CniError{code, std::move(message), std::move(details)});
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

const json::array* array_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_array() ? &value->get_array() : nullptr;
}

bool valid_container_id(std::string_view id) {
  const auto plain = [](char c) { return isalnum(static_cast<unsigned char>(c)) != 0; };
  return !id.empty() && plain(id[0]) &&
         std::ranges::all_of(id, [&](char c) { return plain(c) || c == '_' || c == '.' || c == '-'; });
}

bool valid_interface(std::string_view name) {
  return !name.empty() && name.size() <= kMaxInterfaceName && name != "." && name != ".." &&
         name.find_first_of("/: \t\n") == std::string_view::npos;
}

CniResult<CniConfig> parse_config(const json::object& object) {
  CniConfig config;
  config.network_name = text_of(object, "name");
  config.state_dir = text_of(object, "stateDir");
  if (const std::string table = text_of(object, "hostPortTable"); !table.empty())
    config.hostport_table = table;
  if (const json::value* mtu = object.if_contains("mtu"); mtu && mtu->is_int64())
    config.mtu = static_cast<uint32_t>(mtu->get_int64());
  if (const json::array* ranges = array_of(object, "podCIDRs")) {
    for (const json::value& range : *ranges) {
      const auto prefix = net::Prefix::parse(range.is_string() ? std::string_view(range.get_string()) : "");
      if (!prefix) return cni_fail(CniErrorCode::kInvalidConfig, "podCIDRs: " + prefix.error().message);
      config.pod_cidrs.push_back(*prefix);
    }
  }
  if (config.state_dir.empty()) return cni_fail(CniErrorCode::kInvalidConfig, "stateDir is missing");
  if (config.pod_cidrs.empty()) return cni_fail(CniErrorCode::kInvalidConfig, "podCIDRs is missing");
  return config;
}

CniResult<std::vector<HostPort>> parse_host_ports(const json::object& object) {
  std::vector<HostPort> ports;
  const json::value* runtime = object.if_contains("runtimeConfig");
  if (!runtime || !runtime->is_object()) return ports;
  const json::array* mappings = array_of(runtime->get_object(), "portMappings");
  if (!mappings) return ports;
  for (const json::value& value : *mappings) {
    if (!value.is_object()) return cni_fail(CniErrorCode::kInvalidConfig, "portMappings: not an object");
    const json::object& mapping = value.get_object();
    const auto number = [&](std::string_view name) {
      const json::value* found = mapping.if_contains(name);
      return found && found->is_int64() ? found->get_int64() : 0;
    };
    HostPort port;
    port.protocol = to_lower(text_of(mapping, "protocol"));
    if (port.protocol.empty()) port.protocol = "tcp";
    const int64_t host_port = number("hostPort"), container_port = number("containerPort");
    if (host_port == 0) continue;
    const bool known = port.protocol == "tcp" || port.protocol == "udp" || port.protocol == "sctp";
    if (!known || host_port < 0 || host_port > 65535 || container_port < 1 || container_port > 65535)
      return cni_fail(CniErrorCode::kInvalidConfig, "portMappings: a port or protocol is out of range");
    port.host_port = static_cast<uint16_t>(host_port);
    port.container_port = static_cast<uint16_t>(container_port);
    const auto host_ip = net::IpAddress::parse(text_of(mapping, "hostIP"));
    if (host_ip && !host_ip->is_unspecified()) port.host_ip = *host_ip;
    ports.push_back(std::move(port));
  }
  return ports;
}

std::vector<Attachment> parse_valid_attachments(const json::object& object) {
  std::vector<Attachment> valid;
  const json::array* entries = array_of(object, "cni.dev/valid-attachments");
  if (!entries) return valid;
  for (const json::value& entry : *entries) {
    if (entry.is_object())
      valid.push_back({text_of(entry.get_object(), "containerID"), text_of(entry.get_object(), "ifname")});
  }
  return valid;
}

CniResult<CniCommand> parse_command(const Environment& environment) {
  const std::string name = environment("CNI_COMMAND").value_or("");
  for (const auto& [text, command] : kCommands) {
    if (text == name) return command;
  }
  return cni_fail(CniErrorCode::kInvalidEnvironment, "CNI_COMMAND is missing or unknown: " + quote(name));
}

CniResult<Attachment> parse_attachment(const Environment& environment) {
  Attachment attachment{environment("CNI_CONTAINERID").value_or(""), environment("CNI_IFNAME").value_or("")};
  if (!valid_container_id(attachment.container_id))
    return cni_fail(CniErrorCode::kInvalidEnvironment, "CNI_CONTAINERID is missing or malformed");
  if (!valid_interface(attachment.interface))
    return cni_fail(CniErrorCode::kInvalidEnvironment, "CNI_IFNAME is missing or malformed");
  return attachment;
}

bool names_attachment(CniCommand command) {
  return command == CniCommand::kAdd || command == CniCommand::kDel || command == CniCommand::kCheck;
}

}  // namespace

CniResult<CniRequest> parse_cni_request(const Environment& environment, std::string_view input) {
  CniRequest request;
  const auto command = parse_command(environment);
  if (!command) return std::unexpected(command.error());
  request.command = *command;

  boost::system::error_code error;
  const json::value document = json::parse(input, error);
  if (error || !document.is_object())
    return cni_fail(CniErrorCode::kDecodingFailed, "the network configuration is not a JSON object");
  const json::object& object = document.get_object();
  request.version = text_of(object, "cniVersion");
  if (request.command == CniCommand::kVersion) return request;
  if (std::ranges::find(kVersions, request.version) == kVersions.end())
    return cni_fail(
        CniErrorCode::kIncompatibleVersion, "incompatible CNI versions",
        fmt::format("config is {}, plugin supports {}", quote(request.version), join(kVersions, ", ")));

  if (names_attachment(request.command)) {
    const auto attachment = parse_attachment(environment);
    if (!attachment) return std::unexpected(attachment.error());
    request.attachment = *attachment;
    request.netns = environment("CNI_NETNS").value_or("");
    if (request.netns.empty() && request.command != CniCommand::kDel)
      return cni_fail(CniErrorCode::kInvalidEnvironment, "CNI_NETNS is missing");
  }
  auto config = parse_config(object);
  if (!config) return std::unexpected(config.error());
  request.config = std::move(*config);
  auto ports = parse_host_ports(object);
  if (!ports) return std::unexpected(ports.error());
  request.host_ports = std::move(*ports);
  request.valid_attachments = parse_valid_attachments(object);
  return request;
}

net::IpAddress pod_gateway(const net::IpAddress& pod_address) {
  static constexpr std::string_view kGatewayV6("\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
  return pod_address.is_v4() ? net::IpAddress::v4(0xa9fe0101) : net::IpAddress::from_bytes(kGatewayV6);
}

std::string format_cni_result(const CniRequest& request, const CniAttachmentResult& result) {
  constexpr int kPodInterface = 1;
  const bool tells_family = request.version.starts_with("0.");
  json::array addresses, routes;
  for (const net::IpAddress& address : result.addresses) {
    const std::string gateway = pod_gateway(address).to_string();
    json::object entry{{"interface", kPodInterface},
                       {"address", net::Prefix{address, address.bits()}.to_string()},
                       {"gateway", gateway}};
    if (tells_family) entry["version"] = address.is_v4() ? "4" : "6";
    addresses.push_back(std::move(entry));
    routes.push_back(json::object{{"dst", address.is_v4() ? "0.0.0.0/0" : "::/0"}, {"gw", gateway}});
  }
  return json::serialize(json::object{
      {"cniVersion", request.version},
      {"interfaces", json::array{json::object{{"name", result.host_interface}, {"mac", result.host_mac}},
                                 json::object{{"name", request.attachment.interface},
                                              {"mac", result.pod_mac},
                                              {"sandbox", request.netns}}}},
      {"ips", std::move(addresses)},
      {"routes", std::move(routes)},
      {"dns", json::object{}}});
}

std::string format_cni_versions(std::string_view version) {
  json::array versions;
  for (const std::string_view supported : kVersions) versions.emplace_back(supported);
  return json::serialize(json::object{{"cniVersion", version.empty() ? std::string_view("1.0.0") : version},
                                      {"supportedVersions", std::move(versions)}});
}

std::string format_cni_error(std::string_view version, const CniError& error) {
  json::object object{{"cniVersion", version.empty() ? std::string_view("1.0.0") : version},
                      {"code", static_cast<int>(error.code)},
                      {"msg", error.message}};
  if (!error.details.empty()) object["details"] = error.details;
  return json::serialize(object);
}

}  // namespace cloudless::network

#include "network/loopback.hpp"

#include <boost/json.hpp>

#include "net/netlink.hpp"

namespace cloudless::network {

namespace json = boost::json;

namespace {

std::string text_at(std::string_view input, std::string_view key) {
  boost::system::error_code error;
  const json::value document = json::parse(input, error);
  const json::object* object = error ? nullptr : document.if_object();
  const json::value* value = object ? object->if_contains(key) : nullptr;
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

Result<> bring_up(const std::string& netns) {
  net::Netlink netlink = TRY(net::Netlink::open_in(netns));
  const net::Link loopback = TRY(netlink.link("lo"));
  return netlink.set_admin(loopback.index, net::Netlink::Admin::kUp);
}

// As the reference plugin answers (containernetworking/plugins, plugins/main/loopback). Before 1.0.0 an
// address had a version of its own.
std::string result_text(const std::string& version, const std::string& netns) {
  json::object address{{"address", "127.0.0.1/8"}, {"interface", 0}};
  if (version.starts_with("0.")) address.emplace("version", "4");
  const json::object lo{{"name", "lo"}, {"mac", "00:00:00:00:00:00"}, {"sandbox", netns}};
  return json::serialize(
      json::object{{"cniVersion", version}, {"interfaces", json::array{lo}}, {"ips", json::array{address}}});
}

}  // namespace

bool is_loopback_config(std::string_view input) { return text_at(input, "type") == kLoopbackPluginName; }

int run_loopback_plugin(const Environment& environment, std::string_view input, std::ostream& output) {
  const std::string version = text_at(input, "cniVersion");
  const std::string command = environment("CNI_COMMAND").value_or("");
  if (command == "VERSION") {
    output << format_cni_versions(version) << "\n";
    return 0;
  }
  // lo goes with its namespace, so there is nothing to undo.
  if (command != "ADD" && command != "CHECK") return 0;
  const std::string netns = environment("CNI_NETNS").value_or("");
  if (const auto up = bring_up(netns); !up) {
    output << format_cni_error(version, {CniErrorCode::kIo, up.error().message, ""}) << "\n";
    return 1;
  }
  if (command == "ADD") output << result_text(version, netns) << "\n";
  return 0;
}

}  // namespace cloudless::network

#include "cli/api_servers.hpp"

#include <algorithm>

#include "base/files.hpp"
#include "base/strings.hpp"
#include "net/address.hpp"

namespace cloudless::cli {

using api::discovery::v1::EndpointSlice;
using runtime::Task;

namespace {

constexpr std::string_view kScheme = "https://";
constexpr mode_t kPublicMode = 0644;

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  for (const std::string_view line : split(text, '\n')) {
    if (line.starts_with(kScheme)) lines.emplace_back(line);
  }
  return lines;
}

}  // namespace

std::vector<std::string> api_server_urls(const EndpointSlice& slice) {
  std::vector<std::string> urls;
  for (const auto& port : slice.ports) {
    if (port.name != "https" || !port.port) continue;
    for (const auto& endpoint : slice.endpoints) {
      for (const std::string& address : endpoint.addresses)
        urls.push_back(
            fmt::format("{}{}", kScheme, net::join_host_port(address, static_cast<uint16_t>(*port.port))));
    }
  }
  std::ranges::sort(urls);
  return urls;
}

bool is_of_dead_node(const std::string& url, const gossip::MembershipView& view) {
  return std::ranges::any_of(view.members, [&](const auto& entry) {
    const gossip::Member& member = entry.second;
    const std::string host = net::join_host_port(member.address.address.to_string(), 0);
    // "https://host:" of any port.
    return view.is_dead(member.name) &&
           url.starts_with(std::string(kScheme) + host.substr(0, host.rfind(':') + 1));
  });
}

ApiServers::ApiServers(std::string file, client::Connection& connection)
    : file_(std::move(file)), connection_(connection) {}

void ApiServers::load() {
  const auto text = read_file(file_);
  if (!text) return;
  known_ = lines_of(*text);
  connection_.set_fallbacks(known_);
}

void ApiServers::start(runtime::TaskScope& scope, client::Informers& informers,
                       gossip::Membership& membership) {
  informers.of<EndpointSlice>().add_handler(
      [this](const auto&, const std::shared_ptr<const EndpointSlice>& now) {
        if (!now || now->metadata.namespace_ != "default" || now->metadata.name != "kubernetes") return;
        take(api_server_urls(*now));
      });
  subscription_ = membership.subscribe([changed = changed_] { changed->notify(); });
  scope.spawn(leave_dead_servers(membership));
}

void ApiServers::take(std::vector<std::string> urls) {
  if (urls.empty() || urls == known_) return;
  known_ = std::move(urls);
  connection_.set_fallbacks(known_);
  // What is not kept is learnt again at the next start.
  static_cast<void>(write_file(file_, join(known_, "\n") + "\n", kPublicMode));
}

Task<void> ApiServers::leave_dead_servers(gossip::Membership& membership) {
  while (co_await changed_->wait()) {
    const auto view = membership.view();
    // Each at the most once: all of them may be gone.
    for (size_t tries = 0; tries <= known_.size() && is_of_dead_node(connection_.server(), *view); ++tries)
      co_await connection_.leave();
  }
}

}  // namespace cloudless::cli

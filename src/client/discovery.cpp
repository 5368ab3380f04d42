#include "client/discovery.hpp"

#include "api/meta_v1.hpp"

namespace cloudless::client {

namespace {

using api::meta::v1::APIGroupList;
using api::meta::v1::APIResourceList;

struct GroupVersion {
  std::string group;
  std::string version;
  std::string path() const { return group.empty() ? "/api/" + version : "/apis/" + group + "/" + version; }
};

runtime::Task<Result<std::vector<DiscoveredResource>>> discover_version(const Client& client,
                                                                        GroupVersion at) {
  const std::string body = CO_TRY(co_await client.call({.target = at.path()}));
  const APIResourceList list = CO_TRY(schema::decode<APIResourceList>(body));
  std::vector<DiscoveredResource> found;
  for (const auto& entry : list.resources) {
    if (entry.name.contains('/')) continue;
    const Scope scope = entry.namespaced ? Scope::kNamespaced : Scope::kCluster;
    found.push_back(
        {{at.group, at.version, entry.name, entry.kind, scope}, {entry.verbs.begin(), entry.verbs.end()}});
  }
  co_return found;
}

}  // namespace

runtime::Task<Result<Discovered>> discover(const Client& client) {
  std::vector<GroupVersion> versions{{"", "v1"}};
  const std::string body = CO_TRY(co_await client.call({.target = "/apis"}));
  const APIGroupList groups = CO_TRY(schema::decode<APIGroupList>(body));
  for (const auto& group : groups.groups) {
    std::string version = group.preferredVersion.version;
    if (version.empty() && !group.versions.empty()) version = group.versions.front().version;
    if (!version.empty()) versions.push_back({group.name, std::move(version)});
  }
  Discovered discovered;
  for (const GroupVersion& version : versions) {
    auto found = co_await discover_version(client, version);
    if (!found) {
      if (found.error().code == Code::kCancelled) co_return std::unexpected(found.error());
      discovered.failures.push_back(version.path() + ": " + found.error().message);
      continue;
    }
    for (DiscoveredResource& resource : *found) discovered.resources.push_back(std::move(resource));
  }
  co_return discovered;
}

}  // namespace cloudless::client

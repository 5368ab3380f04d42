#include "cli/node_agent.hpp"

#include <algorithm>

#include "base/encoding.hpp"
#include "cli/files.hpp"
#include "dns/dns.hpp"
#include "gossip/gossip.hpp"
#include "kubelet/containerd/containerd.hpp"
#include "kubelet/cri/cri_client.hpp"
#include "kubelet/image/import.hpp"
#include "kubelet/kubelet.hpp"
#include "lb/lb.hpp"
#include "net/server.hpp"
#include "network/network.hpp"
#include "network/service_proxy.hpp"

namespace cloudless::cli {

using runtime::Task;

namespace {

// What blocks on a node: nft, ctr, mounts, volumes. Each takes milliseconds to a few seconds.
constexpr size_t kWorkers = 4;
constexpr size_t kWorkerQueue = 1000;
constexpr Duration kDrain = std::chrono::seconds(1);

kubelet::Options kubelet_options(const NodeAgentOptions& options, kubelet::CgroupDriver driver) {
  kubelet::Options out;
  out.node_name = options.node_name;
  out.node_ips = {options.node_ip.to_string()};
  out.root_dir = options.data_dir + "/kubelet";
  out.log_dir = options.data_dir + "/pods";
  out.manifest_dir = options.manifest_dir;
  out.cluster_dns = {options.cluster_dns.to_string()};
  out.cluster_domain = options.cluster_domain;
  out.cgroup_driver = driver;
  out.cgroup_root = options.cgroup_root;
  out.port = options.kubelet_port;
  out.node_labels = options.node_labels;
  out.register_with_taints = options.register_with_taints;
  out.max_pods = options.max_pods;
  out.resolv_conf = options.resolv_conf;
  return out;
}

network::NetworkOptions network_options(const NodeAgentOptions& options) {
  network::NetworkOptions out;
  out.node_name = options.node_name;
  out.cluster_cidrs = options.pod_cidrs;
  out.service_cidrs = options.service_cidrs;
  out.cni_config_dir = options.data_dir + "/cni/net.d";
  out.cni_bin_dir = options.data_dir + "/cni/bin";
  out.state_dir = options.data_dir + "/network";
  out.table_prefix = options.table_prefix;
  out.gossip_port = options.gossip_port;
  return out;
}

// Answers for the cluster's own names go to pods and nodes; others may ask for the public zones.
dns::Options dns_options(const NodeAgentOptions& options) {
  dns::Options out;
  out.server.listen = options.dns_listen;
  out.server.cluster_clients = options.pod_cidrs;
  out.server.cluster_clients.push_back({options.node_ip, options.node_ip.bits()});
  if (const auto text = read_file("/etc/resolv.conf"))
    out.forwarder.upstreams = dns::parse_resolv_conf(*text);
  std::erase_if(out.forwarder.upstreams, [&](const net::SocketAddress& upstream) {
    return std::ranges::find(options.dns_listen, upstream) != options.dns_listen.end();
  });
  out.cluster.domain = options.cluster_domain;
  out.cluster.dns_address = options.cluster_dns;
  out.cluster.reverse_prefixes = options.service_cidrs;
  std::ranges::copy(options.pod_cidrs, std::back_inserter(out.cluster.reverse_prefixes));
  if (options.reports_dns) out.reports = [] { return true; };
  return out;
}

}  // namespace

// A socket's path holds 107 bytes, so the name is a digest of the data directory's.
std::string node_run_dir(const std::string& data_dir) {
  return "/run/cloudless/" + hex_encode(sha256(data_dir)).substr(0, 8);
}

kubelet::ContainerdOptions node_containerd_options(const std::string& data_dir) {
  return {.dir = data_dir + "/containerd",
          .run_dir = node_run_dir(data_dir),
          .cni_bin_dir = data_dir + "/cni/bin",
          .cni_conf_dir = data_dir + "/cni/net.d"};
}

struct NodeAgent::Parts {
  NodeAgentOptions options;
  runtime::EventLoop& loop;
  client::Client& client;
  client::Informers& informers;
  Random& random;
  metrics::Registry& registry;
  Logger log;

  runtime::WorkerPool workers{"node-worker", kWorkers, kWorkerQueue};
  std::unique_ptr<kubelet::Containerd> containerd;
  std::unique_ptr<kubelet::cri::CriClient> cri;
  std::unique_ptr<gossip::Gossip> gossip;
  std::unique_ptr<network::Network> network;
  std::unique_ptr<network::ServiceProxy> proxy;
  std::unique_ptr<lb::LoadBalancerSpeaker> speaker;
  std::unique_ptr<dns::Dns> dns;
  std::unique_ptr<kubelet::Kubelet> kubelet;
  std::unique_ptr<net::Server> kubelet_server;

  Task<Result<>> start_runtime();
  Task<Result<>> import_image(std::string endpoint, std::string path);
  Task<Result<>> start_network();
  Task<Result<>> start_kubelet();
};

NodeAgent::NodeAgent(NodeAgentOptions options, runtime::EventLoop& loop, client::Client& client,
                     client::Informers& informers, Random& random, metrics::Registry& registry, Logger log)
    : parts_(new Parts{std::move(options), loop, client, informers, random, registry, std::move(log)}) {}

NodeAgent::~NodeAgent() = default;

Task<Result<>> NodeAgent::start() {
  // The network first: its configuration must lie ready when the runtime makes the first sandbox.
  CO_TRY(co_await parts_->start_network());
  CO_TRY(co_await parts_->start_runtime());
  co_return co_await parts_->start_kubelet();
}

Task<Result<>> NodeAgent::Parts::start_runtime() {
  std::string endpoint = options.runtime_endpoint;
  if (endpoint.empty()) {
    containerd = std::make_unique<kubelet::Containerd>(node_containerd_options(options.data_dir), workers,
                                                       log.named("containerd"));
    CO_TRY(co_await containerd->start());
    endpoint = containerd->endpoint();
  }
  for (const std::string& path : options.image_archives) CO_TRY(co_await import_image(endpoint, path));
  cri = std::make_unique<kubelet::cri::CriClient>(endpoint);
  co_return {};
}

// Another's containerd is asked by its socket as ours is; a runtime that is none says so.
Task<Result<>> NodeAgent::Parts::import_image(std::string endpoint, std::string path) {
  if (containerd) co_return co_await containerd->import_archive(std::move(path));
  const kubelet::ImportTarget target{.socket = kubelet::socket_of_endpoint(endpoint), .snapshotter = {}};
  co_return co_await workers.run([target, path] { return kubelet::import_archive(target, path); });
}

Task<Result<>> NodeAgent::Parts::start_network() {
  gossip = std::make_unique<gossip::Gossip>(gossip::GossipOptions{.node_name = options.node_name,
                                                                  .advertise_address = options.node_ip,
                                                                  .port = options.gossip_port,
                                                                  .key = options.gossip_key,
                                                                  .tuning = {}},
                                            loop, random, log.named("gossip"));
  CO_TRY(co_await gossip->start());
  network = std::make_unique<network::Network>(network_options(options), informers, gossip.get(), loop,
                                               workers, log.named("network"));
  CO_TRY(co_await network->start());
  proxy = std::make_unique<network::ServiceProxy>(
      network::ServiceProxyOptions{.node_name = options.node_name,
                                   .cluster_cidrs = options.pod_cidrs,
                                   .service_cidrs = options.service_cidrs,
                                   .table_prefix = options.table_prefix,
                                   .node_port_addresses = {}},
      informers, *gossip, loop, workers, log.named("proxy"));
  CO_TRY(co_await proxy->start());
  speaker = std::make_unique<lb::LoadBalancerSpeaker>(lb::LoadBalancerOptions{.node_name = options.node_name},
                                                      informers, *gossip, loop, random, log.named("lb"));
  CO_TRY(co_await speaker->start());
  dns = std::make_unique<dns::Dns>(dns_options(options), loop, informers, gossip.get(), random, registry,
                                   log.named("dns"));
  co_return dns->start();
}

Task<Result<>> NodeAgent::Parts::start_kubelet() {
  const auto driver = containerd ? containerd->cgroup_driver() : kubelet::CgroupDriver::kCgroupfs;
  kubelet = std::make_unique<kubelet::Kubelet>(kubelet_options(options, driver), &client, *cri, *cri, workers,
                                               random, log.named("kubelet"));
  CO_TRY(co_await kubelet->start());
  net::ServerOptions server_options;
  server_options.address = {options.node_ip.is_v6() ? net::IpAddress::any_v6() : net::IpAddress::any_v4(),
                            options.kubelet_port};
  server_options.tls = CO_TRY(net::TlsServerConfig::make(options.kubelet_tls, log));
  kubelet_server = std::make_unique<net::Server>(std::vector{&loop}, std::move(server_options),
                                                 kubelet->handler(), log.named("kubelet"));
  co_return kubelet_server->start();
}

gossip::Membership& NodeAgent::membership() { return *parts_->gossip; }

Task<void> NodeAgent::stop() {
  // Gossip says goodbye first: the others take the addresses over while this node still answers.
  if (parts_->gossip) co_await parts_->gossip->stop();
  if (parts_->speaker) co_await parts_->speaker->stop();
  if (parts_->kubelet_server) co_await parts_->kubelet_server->stop(kDrain);
  if (parts_->kubelet) co_await parts_->kubelet->stop();
  if (parts_->dns) co_await parts_->dns->stop();
  if (parts_->proxy) co_await parts_->proxy->stop();
  if (parts_->network) co_await parts_->network->stop();
  if (parts_->containerd) co_await parts_->containerd->stop();
}

}  // namespace cloudless::cli

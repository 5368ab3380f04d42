// Server: answers DNS over UDP and TCP from zones in memory, and forwards for those who may ask for more.
//
// Two audiences. Anybody is told the public zones. Clients of the cluster (its pods, its nodes) are also told
// the cluster's own zones, and names that no zone holds are forwarded for them. Zones are immutable
// snapshots, replaced as a whole by set_zones(): an answer comes from one state.
#pragma once

#include <memory>
#include <vector>

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "dns/forwarder.hpp"
#include "dns/zone.hpp"
#include "net/tcp.hpp"
#include "net/udp_batch.hpp"
#include "runtime/scope.hpp"

namespace cloudless::dns {

struct ServerOptions {
  std::vector<net::SocketAddress> listen;              // UDP and TCP each; port 0: the kernel chooses
  std::vector<net::Prefix> cluster_clients;            // who is of the cluster; loopback always is
  size_t max_tcp_connections = 256;                    // beyond it, new ones are closed
  Duration tcp_idle_limit = std::chrono::seconds(10);  // RFC 7766 section 6.2.3
  bool free_bind = false;                              // listen on addresses that this host may get later
};

struct Zones {
  ZoneSet for_anybody;
  ZoneSet for_cluster;  // all of for_anybody, and the cluster's own
};

class Server {
 public:
  /// `forwarder` may be null: then names outside all zones are refused.
  Server(runtime::EventLoop& loop, ServerOptions options, Forwarder* forwarder, metrics::Registry& registry,
         Logger log);
  ~Server();

  /// Binds and begins to answer. kUnavailable, naming address and port, where a port is taken.
  Result<> start();
  runtime::Task<void> stop();

  /// What is served from now on. On the loop's thread.
  void set_zones(std::shared_ptr<const Zones> zones);

  /// Where it listens, in the order of the options, with the ports that the kernel chose.
  std::vector<net::SocketAddress> addresses() const;

 private:
  struct Listener;

  runtime::Task<void> serve_udp(net::UdpSocket& socket);
  runtime::Task<void> serve_tcp(net::TcpListener& listener);
  runtime::Task<void> serve_connection(std::unique_ptr<net::Stream> stream);
  runtime::Task<Result<>> exchange(net::Stream& stream);
  runtime::Task<void> forward_udp(net::UdpSocket& socket, net::Datagram datagram, Query query);

  bool is_of_cluster(const net::IpAddress& client) const;
  // The query where it is to be forwarded; otherwise the answer stands in `response`, which is empty where
  // the packet is to be ignored.
  std::optional<Query> judge(std::string_view packet, const net::IpAddress& client, Carrier carrier,
                             std::string& response);

  runtime::EventLoop& loop_;
  const ServerOptions options_;
  Forwarder* forwarder_;
  Logger log_;
  metrics::Counter& queries_udp_;
  metrics::Counter& queries_tcp_;
  metrics::Counter& dropped_;
  std::shared_ptr<const Zones> zones_ = std::make_shared<Zones>();
  std::vector<std::unique_ptr<Listener>> listeners_;
  net::UdpBatch batch_;  // of all listeners
  size_t tcp_connections_ = 0;
  runtime::TaskScope scope_;
};

}  // namespace cloudless::dns

// Server: answers DNS over UDP and TCP from zones in memory, and forwards for those who may ask for more.
//
// Two audiences. Anybody is told the public zones. Clients of the cluster (its pods, its nodes) are also told
// the cluster's own zones, and names that no zone holds are forwarded for them. Zones are immutable
// snapshots, replaced as a whole by set_zones(): an answer comes from one state.
//
// Each UDP address has a thread that receives, looks up and answers, and does nothing else; TCP and what is
// to be forwarded are the loop's.
//
//     UDP thread:  recvmmsg -> judge -> sendmmsg
//                                |  names of others, at most kMaxForwards that wait
//     loop:                      +--> Forwarder -> sendmsg
#pragma once

#include <memory>
#include <vector>

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "dns/forwarder.hpp"
#include "dns/snapshot.hpp"
#include "dns/zone.hpp"
#include "net/tcp.hpp"
#include "net/udp.hpp"
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

  /// What is served from now on. Any thread.
  void set_zones(std::shared_ptr<const Zones> zones);

  /// Where it listens, in the order of the options, with the ports that the kernel chose.
  std::vector<net::SocketAddress> addresses() const;

 private:
  struct Listener;
  struct Forward {
    Listener& listener;
    net::Datagram envelope;
    Query query;
  };

  Result<std::unique_ptr<Listener>> listen(const net::SocketAddress& wanted);
  void serve_udp(Listener& listener);
  runtime::Task<void> hand_out_forwards();
  runtime::Task<void> forward_udp(Forward forward);
  runtime::Task<void> serve_tcp(net::TcpListener& listener);
  runtime::Task<void> serve_connection(std::unique_ptr<net::Stream> stream);
  runtime::Task<Result<>> exchange(net::Stream& stream);

  bool is_of_cluster(const net::IpAddress& client) const;
  // The query where it is to be forwarded; otherwise the answer stands in `response`, which is empty where
  // the packet is to be ignored. Any thread.
  std::optional<Query> judge(const Zones& zones, std::string_view packet, const net::IpAddress& client,
                             Carrier carrier, std::string& response) const;

  runtime::EventLoop& loop_;
  const ServerOptions options_;
  Forwarder* forwarder_;
  Logger log_;
  metrics::Counter& queries_udp_;
  metrics::Counter& queries_tcp_;
  metrics::Counter& dropped_;
  Snapshot<Zones> zones_{std::make_shared<Zones>()};
  Snapshot<Zones>::Reader zones_of_loop_{zones_};
  runtime::Channel<Forward> forwards_;
  std::vector<std::unique_ptr<Listener>> listeners_;  // their threads use what stands above
  size_t tcp_connections_ = 0;
  runtime::TaskScope scope_;
};

}  // namespace cloudless::dns

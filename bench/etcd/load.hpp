// Load on an etcd server over gRPC, as clients see it: many callers, one request of each under way.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace cloudless::bench {

struct LoadResult {
  double per_second = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double longest_ms = 0;
  int64_t failed = 0;
  /// What the load itself took of a CPU for each request, in microseconds.
  double own_cpu_us = 0;
};

struct PutLoad {
  int clients;
  int total;
  std::string prefix;  // of the keys
  size_t value_bytes = 1024;
  /// Values are JSON-like text; those of different seeds have nothing in common.
  uint64_t seed = 0;
};

/// Puts `total` keys.
LoadResult put_load(const std::string& endpoint, const PutLoad& load);

/// Puts the same keys over and over while everything but the present state is compacted away, until the space
/// is free. Only puts that began before that count.
LoadResult put_load_while_compacting(const std::string& endpoint, const PutLoad& load);

struct MixResult {
  LoadResult operations;
  /// Events that all watchers together got, each second.
  double events_per_second = 0;
  int64_t writes = 0;
};

/// What a small cluster asks of its store: pods created and their status updated under a comparison of the
/// mod revision, node leases renewed, events recorded, pods listed; with watchers on the pods.
MixResult kubernetes_load(const std::string& endpoint, int clients, int total, int watchers);

/// Waits until the server answers a read; how long that took. Negative where `limit` passed.
double seconds_until_ready(const std::string& endpoint, std::chrono::seconds limit);

/// The median, in milliseconds, from the start of a put on one server to its event on another.
double write_to_event_ms(const std::string& writer, const std::string& watcher, int samples);

}  // namespace cloudless::bench

#include "load.hpp"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "client.hpp"
#include "etcd/rpc.pb.h"
#include "kubernetes_mix.hpp"
#include "kubernetes_objects.hpp"

namespace cloudless::bench {

namespace pb = ::etcdserverpb;
using Steady = std::chrono::steady_clock;

namespace {

// Connections that callers share, as those of kube-apiserver do.
constexpr int kConnections = 4;
constexpr int64_t kListLimit = 500;
constexpr uint64_t kMixSeed = 20260301;
const std::string kPut = "/etcdserverpb.KV/Put";
const std::string kRange = "/etcdserverpb.KV/Range";
const std::string kTxn = "/etcdserverpb.KV/Txn";
const std::string kCompact = "/etcdserverpb.KV/Compact";
const std::string kWatch = "/etcdserverpb.Watch/Watch";

std::string bytes_of(const google::protobuf::MessageLite& message) {
  return with_prefix(message.SerializeAsString());
}

template <class Response>
Response parsed(std::string_view bytes) {
  Response response;
  response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  return response;
}

double own_cpu_us() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

// How long each request took, and the time and CPU of all.
class Times {
 public:
  void add(Steady::time_point begun, bool ok) {
    latencies_.push_back(std::chrono::duration<double, std::milli>(Steady::now() - begun).count());
    failed_ += ok ? 0 : 1;
  }
  size_t count() const { return latencies_.size(); }
  LoadResult result() {
    const double seconds = std::chrono::duration<double>(Steady::now() - begun_).count();
    const double cpu = own_cpu_us() - cpu_begun_;
    const auto count = static_cast<double>(latencies_.size());
    std::sort(latencies_.begin(), latencies_.end());
    return {.per_second = count / seconds,
            .p50_ms = latencies_[latencies_.size() / 2],
            .p99_ms = latencies_[latencies_.size() * 99 / 100],
            .longest_ms = latencies_.back(),
            .failed = failed_,
            .own_cpu_us = cpu / count};
  }

 private:
  const Steady::time_point begun_ = Steady::now();
  const double cpu_begun_ = own_cpu_us();
  std::vector<double> latencies_;
  int64_t failed_ = 0;
};

std::vector<std::string> connections_to(const std::string& endpoint, int callers) {
  return std::vector<std::string>(static_cast<size_t>(std::min(callers, kConnections)), endpoint);
}

std::string put_message(const PutLoad& load, int number) {
  pb::PutRequest request;
  request.set_key(fmt::format("{}{:08}", load.prefix, number));
  request.set_value(json_filler(load.seed + static_cast<uint64_t>(number), load.value_bytes));
  return bytes_of(request);
}

// Callers that each send the next of the messages as soon as they have their answer.
class PutCallers {
 public:
  PutCallers(Client& client, size_t connections, std::vector<std::string> messages)
      : client_(client), connections_(connections), messages_(std::move(messages)) {}

  void begin(int callers) {
    for (int i = 0; i < callers; ++i) next(static_cast<size_t>(i) % connections_);
  }
  /// From now on the messages come around again and again.
  void repeat() { repeating_ = true; }
  void stop() { stopped_ = true; }
  bool done() const { return under_way_ == 0; }
  Times& times() { return times_; }

 private:
  void next(size_t connection) {
    if (stopped_ || sent_ == messages_.size()) return;
    const auto begun = Steady::now();
    std::string message = repeating_ ? messages_[sent_] : std::move(messages_[sent_]);
    ++sent_;
    if (repeating_) sent_ %= messages_.size();
    ++under_way_;
    client_.call(connection, kPut, std::move(message), [this, connection, begun](bool ok, std::string_view) {
      times_.add(begun, ok);
      --under_way_;
      next(connection);
    });
  }

  Client& client_;
  const size_t connections_;
  std::vector<std::string> messages_;
  size_t sent_ = 0;
  size_t under_way_ = 0;
  bool repeating_ = false;
  bool stopped_ = false;
  Times times_;
};

std::vector<std::string> put_messages(const PutLoad& load) {
  std::vector<std::string> messages;
  for (int number = 0; number < load.total; ++number) messages.push_back(put_message(load, number));
  return messages;
}

// The answer to one call.
template <class Response>
std::optional<Response> ask(const std::string& endpoint, const std::string& path,
                            const google::protobuf::MessageLite& request) {
  Client client({endpoint});
  std::optional<Response> response;
  bool answered = false;
  client.call(0, path, bytes_of(request), [&](bool ok, std::string_view answer) {
    if (ok) response = parsed<Response>(answer);
    answered = true;
  });
  client.run_until([&] { return answered; });
  return response;
}

// Counts the events of a WatchResponse (its field 11) without making them.
int64_t count_events(std::string_view message) {
  constexpr uint64_t kEvents = 11;
  constexpr uint64_t kLengthDelimited = 2;
  size_t at = 0;
  const auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0; at < message.size(); shift += 7) {
      const auto byte = static_cast<uint8_t>(message[at++]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return value;
  };
  int64_t events = 0;
  while (at < message.size()) {
    const uint64_t tag = varint();
    const uint64_t number = varint();
    if ((tag & 7) == kLengthDelimited) at += number;
    events += tag >> 3 == kEvents ? 1 : 0;
  }
  return events;
}

// The callers of the mix, each with one step under way.
class MixCallers {
 public:
  MixCallers(Client& client, size_t connections, KubernetesMix mix)
      : client_(client), connections_(connections), mix_(std::move(mix)), objects_(mix_.keys.size()) {}

  void begin(int callers) {
    for (int i = 0; i < callers; ++i) next(static_cast<size_t>(i) % connections_);
  }
  bool done() const { return times_.count() == mix_.steps.size(); }
  Times& times() { return times_; }
  int64_t writes() const { return writes_; }

 private:
  struct Object {
    int64_t revision = 0;
    bool busy = false;
    std::deque<size_t> waiting;  // steps that found it busy
  };

  void next(size_t connection) {
    while (taken_ < mix_.steps.size()) {
      const size_t step = taken_++;
      if (mix_.steps[step].kind == MixStep::Kind::kList) return list(connection);
      Object& object = objects_[mix_.steps[step].object];
      if (!object.busy) return write(connection, step);
      object.waiting.push_back(step);
    }
  }

  void list(size_t connection) {
    pb::RangeRequest request;
    request.set_key(kPodsFrom);
    request.set_range_end(kPodsTo);
    request.set_limit(kListLimit);
    const auto begun = Steady::now();
    client_.call(connection, kRange, bytes_of(request), [this, connection, begun](bool ok, std::string_view) {
      times_.add(begun, ok);
      next(connection);
    });
  }

  void write(size_t connection, size_t number) {
    MixStep& step = mix_.steps[number];
    Object& object = objects_[step.object];
    object.busy = true;
    const std::string& key = mix_.keys[step.object];
    pb::TxnRequest request;
    pb::Compare& compare = *request.add_compare();
    compare.set_target(pb::Compare::MOD);
    compare.set_key(key);
    compare.set_mod_revision(object.revision);
    pb::PutRequest& put = *request.add_success()->mutable_request_put();
    put.set_key(key);
    put.set_value(std::move(step.value));
    request.add_failure()->mutable_request_range()->set_key(key);
    const auto begun = Steady::now();
    client_.call(connection, kTxn, bytes_of(request),
                 [this, connection, begun, &object](bool ok, std::string_view answer) {
                   const auto response = parsed<pb::TxnResponse>(answer);
                   times_.add(begun, ok && response.succeeded());
                   written(object, response, connection);
                 });
  }

  void written(Object& object, const pb::TxnResponse& response, size_t connection) {
    if (response.succeeded()) {
      object.revision = response.header().revision();
      ++writes_;
    }
    object.busy = false;
    if (object.waiting.empty()) return next(connection);
    const size_t step = object.waiting.front();
    object.waiting.pop_front();
    write(connection, step);
  }

  Client& client_;
  const size_t connections_;
  KubernetesMix mix_;
  std::vector<Object> objects_;
  size_t taken_ = 0;
  int64_t writes_ = 0;
  Times times_;
};

std::string watch_message(const std::string& key, const std::string& range_end, bool prev_kv) {
  pb::WatchRequest request;
  auto& create = *request.mutable_create_request();
  create.set_key(key);
  create.set_range_end(range_end);
  create.set_prev_kv(prev_kv);
  return bytes_of(request);
}

}  // namespace

LoadResult put_load(const std::string& endpoint, const PutLoad& load) {
  const auto endpoints = connections_to(endpoint, load.clients);
  Client client(endpoints);
  PutCallers callers(client, endpoints.size(), put_messages(load));
  callers.begin(load.clients);
  client.run_until([&] { return callers.done(); });
  return callers.times().result();
}

LoadResult put_load_while_compacting(const std::string& endpoint, const PutLoad& load) {
  pb::RangeRequest range;
  range.set_key("present");
  const auto present = ask<pb::RangeResponse>(endpoint, kRange, range);
  pb::CompactionRequest compaction;
  compaction.set_revision(present ? present->header().revision() : 0);
  compaction.set_physical(true);

  auto endpoints = connections_to(endpoint, load.clients);
  const size_t of_callers = endpoints.size();
  endpoints.push_back(endpoint);
  Client client(endpoints);
  PutCallers callers(client, of_callers, put_messages(load));
  callers.repeat();
  callers.begin(load.clients);
  bool compacted = false;
  client.call(of_callers, kCompact, bytes_of(compaction), [&](bool ok, std::string_view) {
    if (!ok) fmt::print(stderr, "the compaction failed\n");
    callers.stop();
    compacted = true;
  });
  client.run_until([&] { return compacted && callers.done(); });
  return callers.times().result();
}

MixResult kubernetes_load(const std::string& endpoint, int clients, int total, int watchers) {
  auto endpoints = connections_to(endpoint, clients);
  const size_t of_callers = endpoints.size();
  endpoints.push_back(endpoint);
  Client client(endpoints);
  int64_t events = 0;
  int created = 0;
  for (int i = 0; i < watchers; ++i) {
    client.stream(of_callers, kWatch, watch_message(kPodsFrom, kPodsTo, true),
                  [&events, &created, first = true](std::string_view message) mutable {
                    if (std::exchange(first, false)) ++created;
                    events += count_events(message);
                  });
  }
  client.run_until([&] { return created == watchers; });
  MixCallers callers(client, of_callers, make_kubernetes_mix(total, kMixSeed));
  const auto begun = Steady::now();
  callers.begin(clients);
  client.run_until([&] { return callers.done(); });
  const double seconds = std::chrono::duration<double>(Steady::now() - begun).count();
  return {.operations = callers.times().result(),
          .events_per_second = static_cast<double>(events) / seconds,
          .writes = callers.writes()};
}

double seconds_until_ready(const std::string& endpoint, std::chrono::seconds limit) {
  const auto begun = Steady::now();
  pb::RangeRequest request;
  request.set_key("ready");
  while (Steady::now() - begun < limit) {
    if (listens(endpoint) && ask<pb::RangeResponse>(endpoint, kRange, request)) {
      return std::chrono::duration<double>(Steady::now() - begun).count();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return -1;
}

double write_to_event_ms(const std::string& writer, const std::string& watcher, int samples) {
  constexpr size_t kWriter = 0;
  constexpr size_t kWatcher = 1;
  Client client({writer, watcher});
  const std::string key = "across";
  int64_t events = 0;
  bool created = false;
  client.stream(kWatcher, kWatch, watch_message(key, "", false), [&](std::string_view message) {
    created = true;
    events += count_events(message);
  });
  client.run_until([&] { return created; });
  std::vector<double> latencies;
  for (int i = 0; i < samples; ++i) {
    pb::PutRequest put;
    put.set_key(key);
    put.set_value(std::to_string(i));
    bool answered = false;
    const int64_t before = events;
    const auto begun = Steady::now();
    client.call(kWriter, kPut, bytes_of(put), [&](bool ok, std::string_view) {
      answered = true;
      if (!ok) fmt::print(stderr, "a put failed\n");
    });
    client.run_until([&] { return events > before; });
    latencies.push_back(std::chrono::duration<double, std::milli>(Steady::now() - begun).count());
    client.run_until([&] { return answered; });
  }
  std::sort(latencies.begin(), latencies.end());
  return latencies[latencies.size() / 2];
}

}  // namespace cloudless::bench

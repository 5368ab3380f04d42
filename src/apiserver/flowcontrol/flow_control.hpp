// Flow control: what every request is told of its flow, and how many requests are worked on at once.
//
// Upstream's limits are those of kube-apiserver's --max-requests-inflight and
// --max-mutating-requests-inflight: what is above them is refused with 429 at once. Requests of an exempt
// level (system:masters, probes) and long ones are not counted. Priority levels do not share the limits out
// among each other. Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "apiserver/flowcontrol/flow_table.hpp"
#include "apiserver/registry/registry.hpp"
#include "apiserver/server.hpp"

namespace cloudless::apiserver {

/// A count of requests of each kind that are worked on.
class InFlight {
 public:
  explicit InFlight(InFlightLimits limits) : limits_(limits) {}

  /// A request that is worked on, for as long as this lives.
  class Slot {
   public:
    Slot() = default;
    explicit Slot(std::atomic<int64_t>& count) : count_(&count) {}
    Slot(Slot&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
    Slot& operator=(Slot&&) = delete;
    ~Slot() {
      if (count_) --*count_;
    }

   private:
    std::atomic<int64_t>* count_ = nullptr;
  };
  /// Nothing where too many are worked on already. `flow` may be null.
  std::optional<Slot> enter(const RequestInfo& info, const Flow* flow);

 private:
  const InFlightLimits limits_;
  std::atomic<int64_t> reading_{0};
  std::atomic<int64_t> mutating_{0};
};

/// The FlowTable of what the registry holds, made anew when that changes.
class FlowTables {
 public:
  explicit FlowTables(Registry& registry) : registry_(registry) {}
  std::shared_ptr<const FlowTable> current();

 private:
  Registry& registry_;
  std::mutex mutex_;
  std::shared_ptr<const FlowTable> table_;
  uint64_t schemas_revision_ = 0;  // that the table was made of
  uint64_t levels_revision_ = 0;
};

/// The answer's head says by which id the audit log knows the request, and which flow it was of.
class FlowedResponse final : public net::ResponseWriter {
 public:
  FlowedResponse(net::ResponseWriter& client, std::string audit_id)
      : client_(client), audit_id_(std::move(audit_id)) {}
  void set_flow(const Flow& flow);

  runtime::Task<Result<>> start(int status, net::Headers headers) override;
  runtime::Task<Result<>> write(SharedBytes piece) override;
  runtime::Task<Result<>> finish() override;
  runtime::Task<Result<>> respond(int status, net::Headers headers, std::vector<SharedBytes> body) override;
  runtime::Task<Result<std::unique_ptr<net::ByteStream>>> upgrade(net::Headers headers) override;
  bool started() const override { return client_.started(); }

 private:
  void add_to(net::Headers& headers) const;

  net::ResponseWriter& client_;
  const std::string audit_id_;
  std::optional<Flow> flow_;
};

/// 429 as upstream's filter answers, before there is a Status.
runtime::Task<void> refuse_too_many(net::ResponseWriter& response);

}  // namespace cloudless::apiserver

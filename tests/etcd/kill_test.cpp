// `cloudless store` killed again and again under load over gRPC: what it acknowledged as strict is there
// afterwards, at its revision and in its order; relaxed writes are lost only from the end.
//
// CLOUDLESS_KILLS=500 for a long night.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "base/random.hpp"
#include "etcd/store_process.hpp"

namespace cloudless::etcd::testing {
namespace {

using cloudless::testing::eventually;
using cloudless::testing::TempDir;

constexpr int kWorkers = 4;
// Large enough that a few rounds fill a journal.
constexpr size_t kValueBytes = 8000;

int wanted_kills() {
  const char* wanted = std::getenv("CLOUDLESS_KILLS");
  return wanted ? std::atoi(wanted) : 12;
}

struct Write {
  std::string key;
  std::string value;
  bool relaxed = false;
};

// What was acknowledged, by revision.
class Acknowledged {
 public:
  void add(int64_t revision, Write write) {
    const std::lock_guard lock(mutex_);
    EXPECT_TRUE(writes_.emplace(revision, std::move(write)).second) << "revision " << revision << " twice";
    count_.fetch_add(1);
  }
  int64_t count() const { return count_; }
  /// After a restart at `head`: what is lost must be relaxed. Forgets it.
  void lose_after(int64_t head) {
    for (auto lost = writes_.upper_bound(head); lost != writes_.end(); lost = writes_.erase(lost)) {
      EXPECT_TRUE(lost->second.relaxed) << lost->second.key << " at " << lost->first << ", head is " << head;
      ++lost_;
    }
  }
  const Write* find(int64_t revision) const {
    const auto found = writes_.find(revision);
    return found == writes_.end() ? nullptr : &found->second;
  }
  int64_t between(int64_t after, int64_t to) const {
    return std::distance(writes_.upper_bound(after), writes_.upper_bound(to));
  }
  int64_t lost() const { return lost_; }

 private:
  std::mutex mutex_;
  std::map<int64_t, Write> writes_;
  std::atomic<int64_t> count_{0};
  int64_t lost_ = 0;
};

// Writes by turns a strict and a relaxed key of its own until the server is gone.
void write_until_killed(const std::string& endpoint, int worker, int round, Acknowledged& acknowledged) {
  KvClient client(endpoint);
  SeededRandom random(static_cast<uint64_t>(worker * 1'000'000 + round));
  for (int number = 0;; ++number) {
    const bool relaxed = number % 3 == 2;
    const std::string prefix = relaxed ? "/registry/leases/" : "/registry/pods/";
    Write write{.key = prefix + std::to_string(worker),
                .value = fmt::format("{}/{}/", round, number) + random.bytes(kValueBytes),
                .relaxed = relaxed};
    int64_t revision = 0;
    if (!client.put_all({{write.key, write.value}}, &revision).ok()) return;
    acknowledged.add(revision, std::move(write));
  }
}

// Every event after `after` up to `to`, in the order in which a watch gives them.
std::vector<mvccpb::Event> events(const std::string& endpoint, int64_t after, int64_t to) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  const auto stub = etcdserverpb::Watch::NewStub(
      grpc::CreateCustomChannel(endpoint, grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  const auto stream = stub->Watch(&context);
  etcdserverpb::WatchRequest request;
  request.mutable_create_request()->set_key(std::string(1, '\0'));
  request.mutable_create_request()->set_range_end(std::string(1, '\0'));
  request.mutable_create_request()->set_start_revision(after + 1);
  stream->Write(request);
  std::vector<mvccpb::Event> found;
  etcdserverpb::WatchResponse response;
  while ((found.empty() || found.back().kv().mod_revision() < to) && stream->Read(&response)) {
    for (auto& event : *response.mutable_events()) found.push_back(std::move(event));
  }
  context.TryCancel();
  stream->Finish();
  return found;
}

class KillTest : public ::testing::Test {
 protected:
  // Restarts after a kill, and holds what is there against what was acknowledged. Returns with the store
  // running.
  void check_and_go_on(StoreProcess& store) {
    ASSERT_TRUE(store.serves()) << store.output();
    const auto all = KvClient(store.endpoint()).all();
    ASSERT_TRUE(all);
    const int64_t head = all->header().revision();
    acknowledged_.lose_after(head);
    ASSERT_GE(head, checked_);
    if (head == checked_) return;
    int64_t expected = checked_;
    int64_t known = 0;
    for (const auto& event : events(store.endpoint(), checked_, head)) {
      ASSERT_EQ(event.kv().mod_revision(), ++expected) << "revisions have a gap";
      const Write* const write = acknowledged_.find(expected);
      if (!write) continue;  // was under way when the store was killed
      ++known;
      ASSERT_EQ(event.kv().key(), write->key) << "at " << expected;
      ASSERT_TRUE(event.kv().value() == write->value) << write->key << " at " << expected;
    }
    ASSERT_EQ(expected, head);
    ASSERT_EQ(known, acknowledged_.between(checked_, head));
    checked_ = head;
  }

  Acknowledged acknowledged_;
  int64_t checked_ = 1;
};

TEST_F(KillTest, WhatWasAcknowledgedIsThereAfterwards) {
  const TempDir dir;
  SeededRandom random(7);
  const int kills = wanted_kills();
  for (int round = 0; round < kills; ++round) {
    SCOPED_TRACE(fmt::format("kill {}", round));
    StoreProcess store(dir / "state.db", dir);
    ASSERT_NO_FATAL_FAILURE(check_and_go_on(store));
    const int64_t enough = acknowledged_.count() + 1 + static_cast<int64_t>(random.below(150));
    std::vector<std::thread> writers;
    for (int worker = 0; worker < kWorkers; ++worker) {
      writers.emplace_back(
          [&, worker] { write_until_killed(store.endpoint(), worker, round, acknowledged_); });
    }
    EXPECT_TRUE(eventually([&] { return acknowledged_.count() >= enough; }));
    store.kill(SIGKILL);
    for (std::thread& writer : writers) writer.join();
  }
  StoreProcess store(dir / "state.db", dir);
  ASSERT_NO_FATAL_FAILURE(check_and_go_on(store));
  fmt::print("{} kills, {} acknowledged writes, {} relaxed ones lost\n", kills, acknowledged_.count(),
             acknowledged_.lost());
}

}  // namespace
}  // namespace cloudless::etcd::testing

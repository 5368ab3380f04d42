// Requests come from whoever can connect: any bytes, through decoding and translation into a store.
#include <cstdint>

#include "etcd/convert.hpp"
#include "runtime/event_loop.hpp"
#include "store/open.hpp"

namespace {

using namespace cloudless;

// A store that starts afresh now and then, so that what it holds stays small.
struct World {
  static constexpr int kRequests = 10'000;

  World() : store(*store::open_store({.endpoint = "memory://"}, clock, random, Logger())) {}

  SystemClock clock;
  SeededRandom random{1};
  runtime::LoopThread thread{"fuzz"};
  std::unique_ptr<store::Store> store;
  int requests = 0;
};

template <class Message>
Message parse(std::string_view bytes) {
  Message message;
  (void)message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  return message;
}

template <class T>
void run(World& world, runtime::Task<T> task) {
  (void)runtime::run_blocking(world.thread.loop(), std::move(task));
}

void request(World& world, uint8_t kind, std::string_view bytes) {
  using namespace cloudless::etcd;
  store::Store& store = *world.store;
  switch (kind % 5) {
    case 0:
      return run(world, store.range(to_store(parse<pb::RangeRequest>(bytes))));
    case 1:
      return run(world, store.put(to_store(parse<pb::PutRequest>(bytes))));
    case 2:
      return run(world, store.delete_range(to_store(parse<pb::DeleteRangeRequest>(bytes))));
    case 3: {
      auto txn = to_store(parse<pb::TxnRequest>(bytes));
      if (txn) run(world, store.txn(std::move(*txn)));
      return;
    }
    default:
      return run(world, store.watch(to_store(parse<pb::WatchCreateRequest>(bytes))));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static std::unique_ptr<World> world;
  if (size == 0) return 0;
  if (!world || ++world->requests > World::kRequests) world = std::make_unique<World>();
  request(*world, data[0], std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
  return 0;
}

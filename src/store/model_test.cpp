// Random histories against a model that is too simple to be wrong: a full copy of the state for every
// revision.
#include "store/errors.hpp"
#include "store/testing_logs.hpp"

namespace cloudless::store::testing {
namespace {

class Model {
 public:
  using State = std::map<std::string, KeyValue>;

  Revision head() const { return kEmptyHead + static_cast<Revision>(states_.size()) - 1; }
  const State& at(Revision revision) const { return states_.at(static_cast<size_t>(revision - kEmptyHead)); }
  const State& now() const { return states_.back(); }

  void put(State& next, const std::string& key, const std::string& value) const {
    const Revision revision = head() + 1;
    KeyValue& kv = next[key];
    if (kv.version == 0) kv = {.key = key, .create_revision = revision};
    kv.value = share(value);
    kv.mod_revision = revision;
    ++kv.version;
  }
  void commit(State next) { states_.push_back(std::move(next)); }

 private:
  std::vector<State> states_{1};
};

std::string show(const KeyValue& kv) {
  return fmt::format("{}={} c{} m{} v{}", kv.key, view(kv.value), kv.create_revision, kv.mod_revision,
                     kv.version);
}

class History {
 public:
  History(Backend backend, uint64_t seed) : random_(seed), logs_(backend) { open(); }

  void step() {
    switch (random_.below(12)) {
      case 0:
        return delete_some();
      case 1:
        return transact();
      case 2:
        return read_back();
      case 3:
        return compact();
      case 4:
        if (logs_.keeps_data() && random_.below(10) == 0) open();
        return;
      default:
        return put_one();
    }
  }
  void read_back() {
    const Revision low = std::max(compacted_, kEmptyHead);
    const Revision revision =
        low + static_cast<Revision>(random_.below(static_cast<uint64_t>(model_.head() - low + 1)));
    expect_state(revision);
  }
  void expect_state(Revision revision) {
    std::vector<std::string> expected;
    for (const auto& [key, kv] : model_.at(revision)) expected.push_back(show(kv));
    const Result<RangeResponse> response = run_(store_->range(list("/", revision)));
    ASSERT_TRUE(response) << response.error().message;
    std::vector<std::string> found;
    for (const KeyValue& kv : response->kvs) found.push_back(show(kv));
    ASSERT_EQ(found, expected) << "at revision " << revision;
    if (compacted_ > kEmptyHead) {
      ASSERT_EQ(run_(store_->range(list("/", compacted_ - 1))).error(), errors::compacted());
    }
  }
  Revision head() const { return model_.head(); }
  // All that a watch from the compaction on delivers leads from that state to the present one.
  void expect_watch() {
    const Revision start = std::max<Revision>(compacted_, kEmptyHead);
    if (start == model_.head()) return;
    auto watcher = run_(store_->watch({.key = "/", .range_end = "0", .start_revision = start + 1}));
    ASSERT_TRUE(watcher);
    std::map<std::string, std::string> state;
    for (const auto& [key, kv] : model_.at(start)) state[key] = view(kv.value);
    Revision reached = start;
    while (reached < model_.head()) {
      const Result<WatchBatch> batch = run_((*watcher)->next());
      ASSERT_TRUE(batch) << batch.error().message;
      for (const SharedEvent& event : batch->events) {
        ASSERT_GE(event->kv.mod_revision, reached);
        reached = event->kv.mod_revision;
        if (event->type == EventType::kPut) {
          state[event->kv.key] = view(event->kv.value);
        } else {
          state.erase(event->kv.key);
        }
      }
    }
    std::map<std::string, std::string> expected;
    for (const auto& [key, kv] : model_.now()) expected[key] = view(kv.value);
    EXPECT_EQ(state, expected);
  }

 private:
  void open() {
    store_.reset();
    auto opened =
        LocalStore::open(logs_.open(), {.value_cache_bytes = 4096}, clock_, system_random_, Logger());
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  std::string some_key() { return fmt::format("/{}", random_.below(12)); }
  std::string some_value() {
    if (random_.below(6) == 0) return random_.bytes(random_.below(200));
    return fmt::format(
        "{{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"web\",\"uid\":\"{}\"}}}}",
        random_.below(1000));
  }
  void put_one() {
    const std::string key = some_key();
    const std::string value = some_value();
    Model::State next = model_.now();
    model_.put(next, key, value);
    model_.commit(std::move(next));
    const Result<PutResponse> response = run_(store_->put(put(key, value)));
    ASSERT_TRUE(response) << response.error().message;
    ASSERT_EQ(response->revision, model_.head());
  }
  void delete_some() {
    std::string from = some_key();
    std::string to = some_key();
    Model::State next = model_.now();
    const auto removed =
        std::erase_if(next, [&](const auto& item) { return in_range(item.first, from, to); });
    if (removed > 0) model_.commit(std::move(next));
    const Result<DeleteRangeResponse> response = run_(store_->delete_range({.key = from, .range_end = to}));
    ASSERT_TRUE(response);
    ASSERT_EQ(response->deleted, static_cast<int64_t>(removed));
    ASSERT_EQ(response->revision, model_.head());
  }
  void transact() {
    const std::string guard = some_key();
    const auto found = model_.now().find(guard);
    const Revision actual = found == model_.now().end() ? 0 : found->second.mod_revision;
    const bool matches = random_.below(3) != 0;
    TxnRequest request{.compare = {mod_is(guard, matches ? actual : actual + 1)}};
    Model::State next = model_.now();
    for (int i = 0; i < 3; ++i) {
      const std::string key = fmt::format("/{}", i * 4 + static_cast<int>(random_.below(4)));
      const std::string value = some_value();
      request.success.push_back(put(key, value));
      if (matches) model_.put(next, key, value);
    }
    if (matches) model_.commit(std::move(next));
    const Result<TxnResponse> response = run_(store_->txn(request));
    ASSERT_TRUE(response);
    ASSERT_EQ(response->succeeded, matches);
    ASSERT_EQ(response->revision, model_.head());
  }
  void compact() {
    if (random_.below(4) != 0 || model_.head() == kEmptyHead) return;
    const Revision low = std::max(compacted_, kEmptyHead);
    const Revision target = low + 1 + static_cast<Revision>(random_.below(20));
    if (target > model_.head()) return;
    ASSERT_TRUE(run_(store_->compact(target, true)));
    compacted_ = target;
  }

  SeededRandom random_;
  Logs logs_;
  SystemClock clock_;
  SystemRandom system_random_;
  Runner run_;
  std::unique_ptr<LocalStore> store_;
  Model model_;
  Revision compacted_ = 0;
};

class StoreModel : public ::testing::TestWithParam<Backend> {};

TEST_P(StoreModel, RandomHistoriesAgreeWithTheModel) {
  const uint64_t seeds = GetParam() == Backend::kMemory ? 25 : 4;
  const int steps = GetParam() == Backend::kMemory ? 400 : 150;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    History history(GetParam(), seed);
    for (int i = 0; i < steps; ++i) {
      history.step();
      if (HasFatalFailure()) return;
    }
    history.expect_state(history.head());
    history.expect_watch();
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Every, StoreModel, kAllBackends, backend_name);

}  // namespace
}  // namespace cloudless::store::testing

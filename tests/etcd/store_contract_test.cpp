// The contract of Store, for a store over a remote etcd: Debian's own, and our own store served as one.
#include "store/testing/store_contract.hpp"

#include "etcd/remote_store.hpp"
#include "etcd/served_store.hpp"

namespace cloudless::store::testing {
namespace {

std::unique_ptr<Store> connect(const std::string& endpoint) {
  auto store = etcd::make_remote_store({.endpoints = {"http://" + endpoint}});
  EXPECT_TRUE(store) << store.error().message;
  return std::move(*store);
}

class OverEtcd final : public Subject {
 public:
  Store& store() override { return *store_; }
  bool reopen() override {
    store_.reset();
    etcd_.restart();
    store_ = connect(etcd_.endpoint());
    return true;
  }
  Restores restores() const override { return Restores::kNo; }

 private:
  etcd::testing::RealEtcd etcd_;
  std::unique_ptr<Store> store_ = connect(etcd_.endpoint());
};

class OverOurOwn final : public Subject {
 public:
  OverOurOwn() { open(); }

  Store& store() override { return *store_; }
  bool reopen() override {
    store_.reset();
    served_.reset();
    open();
    return true;
  }
  Restores restores() const override { return Restores::kNo; }

 private:
  void open() {
    served_ =
        std::make_unique<etcd::testing::ServedStore>(Options{.endpoint = "sqlite://" + dir_ / "state.db"});
    store_ = connect(served_->endpoint());
  }

  const cloudless::testing::TempDir dir_;
  std::unique_ptr<etcd::testing::ServedStore> served_;
  std::unique_ptr<Store> store_;
};

INSTANTIATE_TEST_SUITE_P(
    Remote, StoreContract,
    ::testing::Values(Implementation{"OverEtcd", [] { return std::make_unique<OverEtcd>(); }},
                      Implementation{"OverOurOwn", [] { return std::make_unique<OverOurOwn>(); }}),
    implementation_name);

}  // namespace
}  // namespace cloudless::store::testing

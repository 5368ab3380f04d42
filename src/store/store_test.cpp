// The contract of Store, for a LocalStore over every Log.
#include "store/testing/store_contract.hpp"
#include "store/testing_logs.hpp"

namespace cloudless::store::testing {
namespace {

class LocalSubject final : public Subject {
 public:
  explicit LocalSubject(Backend backend) : logs_(backend) { open(); }

  Store& store() override { return *store_; }
  bool reopen() override {
    if (!logs_.keeps_data()) return false;
    store_.reset();
    open();
    return true;
  }

 private:
  void open() {
    auto opened = LocalStore::open(logs_.open(), {}, clock_, random_, Logger());
    EXPECT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }

  Logs logs_;
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<LocalStore> store_;
};

template <Backend backend>
std::unique_ptr<Subject> make() {
  return std::make_unique<LocalSubject>(backend);
}

INSTANTIATE_TEST_SUITE_P(Local, StoreContract,
                         ::testing::Values(Implementation{"Memory", make<Backend::kMemory>},
                                           Implementation{"Sqlite", make<Backend::kSqlite>},
                                           Implementation{"Postgres", make<Backend::kPostgres>}),
                         implementation_name);

}  // namespace
}  // namespace cloudless::store::testing

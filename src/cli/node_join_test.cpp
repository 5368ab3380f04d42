#include "cli/node_join.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>

#include "api/certificates_v1.hpp"
#include "base/encoding.hpp"
#include "base/files.hpp"
#include "bootstrap/node_certificates.hpp"
#include "bootstrap/testing.hpp"
#include "client/testing/fake_api.hpp"
#include "net/in_process.hpp"
#include "net/tcp.hpp"
#include "runtime/scope.hpp"
#include "runtime/simulation.hpp"
#include "runtime/timer.hpp"
#include "runtime/worker_pool.hpp"

namespace cloudless::cli {
namespace {

using namespace std::chrono_literals;
using api::certificates::v1::CertificateSigningRequest;
using ::testing::ElementsAre;

constexpr auto kDay = 24h;
constexpr const char* kRequests = "certificatesigningrequests.certificates.k8s.io";

// Signs what is asked for, as the cluster's controllers do, for a year.
runtime::Task<void> sign_requests(runtime::Simulation& simulation, client::testing::FakeApi& api,
                                  const pki::Ca& ca) {
  while (co_await runtime::sleep_for(50ms)) {
    std::vector<boost::json::object> all;
    for (const boost::json::object* one : api.all(kRequests)) all.push_back(*one);
    for (boost::json::object& object : all) {
      const auto request =
          client::decode_object<CertificateSigningRequest>(boost::json::value(object)).value();
      if (!request.status.certificate.empty()) continue;
      const WallTime now = simulation.clock().wall_now();
      const auto parsed = pki::CertificateRequest::from_pem(request.spec.request).value();
      const auto signed_one = pki::sign_csr(ca, parsed, request.spec.usages, now, 365 * kDay).value();
      object["status"] = {{"certificate", base64_encode(signed_one.to_pem())}};
      api.put(kRequests, object);
    }
  }
}

class NodeJoinTest : public ::testing::Test {
 public:
  ~NodeJoinTest() override { EXPECT_TRUE(simulation_.run(transport_.stop()).has_value()); }

 protected:
  NodeJoinTest() { EXPECT_TRUE(write_file(options_.files.ca, ca_.certificate.to_pem(), 0644)); }

  runtime::Task<Result<>> renew_while_signing() {
    runtime::TaskScope signer(simulation_, Logger());
    signer.spawn(sign_requests(simulation_, api_, ca_));
    const Result<> done = co_await join_.renew(client_);
    signer.cancel();
    co_await signer.join();
    co_return done;
  }
  void renew() {
    const auto done = simulation_.run(renew_while_signing());
    ASSERT_TRUE(done && *done) << (done ? done->error().message : done.error().message);
  }
  // What the node serves now.
  pki::Certificate serving() {
    return bootstrap::load_node_certificate(options_.files.cert_dir, "kubelet-server", now())
        .value()
        .certificate;
  }
  WallTime now() { return simulation_.clock().wall_now(); }

  bootstrap::testing::TemporaryFolder folder_;
  runtime::Simulation simulation_{1};
  client::testing::FakeApi api_{simulation_, 1};
  net::InProcessTransport transport_{
      simulation_, api_.handler(), "system:node:box", {"system:nodes"}, Logger()};
  client::Client client_{transport_};
  runtime::WorkerPool workers_{"resolver", 1, 10};
  net::Resolver resolver_{workers_};
  SeededRandom random_{1};
  const pki::Ca ca_ = pki::make_ca(pki::KeyType::kEcdsaP256, "kubernetes", now(), 3650 * kDay).value();
  const JoinOptions options_{.node_name = "box",
                             .node_ip = net::IpAddress::parse("192.0.2.1").value(),
                             .files = {.cert_dir = folder_.path(),
                                       .ca = folder_.file("ca.crt"),
                                       .kubeconfig = folder_.file("kubelet.conf")}};
  NodeJoin join_{options_, resolver_, random_, simulation_.clock(), Logger()};
};

TEST_F(NodeJoinTest, ServesWithACertificateOfItsOwnUntilTheClusterHasGivenOne) {
  ASSERT_TRUE(join_.serving_options());
  EXPECT_NE(serving().authority_key_id(), ca_.certificate.subject_key_id());
  renew();
  EXPECT_EQ(serving().authority_key_id(), ca_.certificate.subject_key_id());
  EXPECT_THAT(serving().alt_names().ips, ElementsAre("192.0.2.1"));
}

// Three years of a look every twenty days: both certificates are always good for months, and made anew once a
// renewal is due.
TEST_F(NodeJoinTest, RenewsWhatItServesAndShowsWithLongBeforeTheEnd) {
  ASSERT_TRUE(join_.serving_options());
  std::set<std::string> served;
  for (int days = 0; days < 3 * 365; days += 20) {
    renew();
    served.insert(serving().serial());
    ASSERT_GT(serving().not_after(), now() + 90 * kDay) << "after " << days << " days";
    const auto shown = bootstrap::load_node_certificate(options_.files.cert_dir, "kubelet-client", now());
    ASSERT_TRUE(shown && shown->certificate.not_after() > now() + 90 * kDay) << "after " << days << " days";
    simulation_.run_for(20 * kDay);
  }
  EXPECT_EQ(served.size(), 5u);
}

}  // namespace
}  // namespace cloudless::cli

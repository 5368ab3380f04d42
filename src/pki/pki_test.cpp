#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/encoding.hpp"
#include "base/strings.hpp"
#include "pki/certificate.hpp"
#include "pki/jws.hpp"
#include "pki/pem.hpp"

namespace cloudless::pki {
namespace {

using namespace std::chrono_literals;

WallTime now() { return SystemClock().wall_now(); }

CertificateSpec client_spec(std::string user, std::vector<std::string> groups) {
  return {.subject = {std::move(user), std::move(groups)},
          .usages = {"digital signature", "key encipherment", "client auth"},
          .not_before = now() - kBackdate,
          .not_after = now() + 24h};
}

class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "cl-pki-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string put(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name) << text;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

class Keys : public testing::TestWithParam<KeyType> {};
INSTANTIATE_TEST_SUITE_P(Types, Keys, testing::Values(KeyType::kEcdsaP256, KeyType::kRsa2048));

TEST_P(Keys, SurviveTheWayThroughPem) {
  const PrivateKey key = PrivateKey::generate(GetParam()).value();
  const PrivateKey again = PrivateKey::from_pem(key.to_pem()).value();
  EXPECT_EQ(again.public_key(), key.public_key());
  EXPECT_EQ(PublicKey::from_pem(key.public_key().to_pem()).value(), key.public_key());
  EXPECT_FALSE(PrivateKey::from_pem(key.public_key().to_pem()));
}

TEST_P(Keys, SignTokensThatOnlyTheirOwnKeyVerifies) {
  const PrivateKey key = PrivateKey::generate(GetParam()).value();
  const PrivateKey other = PrivateKey::generate(GetParam()).value();
  const std::string token = sign_jws(key, key_id(key.public_key()), R"({"sub":"x"})").value();
  const Jws jws = parse_jws(token).value();
  EXPECT_EQ(jws.payload, R"({"sub":"x"})");
  EXPECT_EQ(jws.key_id, key_id(key.public_key()));
  EXPECT_TRUE(verify_jws(jws, key.public_key()));
  EXPECT_FALSE(verify_jws(jws, other.public_key()));
  Jws changed = jws;
  changed.signing_input += "x";
  EXPECT_FALSE(verify_jws(changed, key.public_key()));
}

TEST_P(Keys, IssueWhatOpensslVerifies) {
  const Folder folder;
  const Ca ca = make_ca(GetParam(), "kubernetes", now(), 24h * 3650).value();
  const PrivateKey key = PrivateKey::generate(GetParam()).value();
  CertificateSpec spec = client_spec("kube-apiserver", {});
  spec.usages.back() = "server auth";
  spec.alt_names = {.dns = {"kubernetes", "kubernetes.default.svc"}, .ips = {"10.96.0.1", "::1"}};
  const Certificate certificate = issue(ca, spec, key.public_key()).value();
  const std::string ca_file = folder.put("ca.crt", ca.certificate.to_pem());
  const std::string file = folder.put("leaf.crt", certificate.to_pem());
  const std::string command =
      "openssl verify -x509_strict -purpose sslserver -verify_hostname kubernetes -CAfile " + ca_file + " " +
      file + " >/dev/null 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(certificate.alt_names(), spec.alt_names);
  EXPECT_EQ(certificate.usages(), spec.usages);
  EXPECT_EQ(certificate.authority_key_id(), ca.certificate.subject_key_id());
  EXPECT_TRUE(ca.certificate.is_ca());
  EXPECT_FALSE(certificate.is_ca());
}

TEST(Certificate, TellsUserAndGroups) {
  const Ca ca = make_ca(KeyType::kEcdsaP256, "kubernetes", now(), 24h).value();
  const PrivateKey key = PrivateKey::generate(KeyType::kEcdsaP256).value();
  const Certificate certificate =
      issue(ca, client_spec("system:node:a", {"system:nodes", "x"}), key.public_key()).value();
  const Certificate read = Certificate::from_pem(certificate.to_pem()).value();
  EXPECT_EQ(read.subject(), (Subject{"system:node:a", {"system:nodes", "x"}}));
  EXPECT_EQ(read.issuer(), (Subject{"kubernetes", {}}));
  EXPECT_EQ(read.der(), certificate.der());
}

TEST(Certificate, EndsNoLaterThanItsCa) {
  const Ca ca = make_ca(KeyType::kEcdsaP256, "kubernetes", now(), 1h).value();
  const PrivateKey key = PrivateKey::generate(KeyType::kEcdsaP256).value();
  EXPECT_EQ(issue(ca, client_spec("a", {}), key.public_key())->not_after(), ca.certificate.not_after());
}

TEST(Verify, RefusesOtherCasTimesAndUsages) {
  const Ca ca = make_ca(KeyType::kEcdsaP256, "kubernetes", now(), 48h).value();
  const Ca other = make_ca(KeyType::kEcdsaP256, "kubernetes", now(), 48h).value();
  const PrivateKey key = PrivateKey::generate(KeyType::kEcdsaP256).value();
  const Certificate leaf = issue(ca, client_spec("a", {}), key.public_key()).value();
  EXPECT_TRUE(verify(leaf, {}, {ca.certificate}, {now(), "client auth"}));
  EXPECT_TRUE(verify(leaf, {}, {other.certificate, ca.certificate}, {now(), "client auth"}));
  EXPECT_FALSE(verify(leaf, {}, {other.certificate}, {now(), "client auth"}));
  EXPECT_FALSE(verify(leaf, {}, {ca.certificate}, {now(), "server auth"}));
  EXPECT_FALSE(verify(leaf, {}, {ca.certificate}, {now() + 25h, "client auth"}));
  EXPECT_FALSE(verify(leaf, {}, {}, {now(), "client auth"}));
}

TEST(Csr, IsSignedWithItsOwnNamesAndTheUsagesAskedFor) {
  const Ca ca = make_ca(KeyType::kEcdsaP256, "kubernetes", now(), 24h * 365).value();
  const PrivateKey key = PrivateKey::generate(KeyType::kEcdsaP256).value();
  const Subject subject{"system:node:a", {"system:nodes"}};
  const AltNames names{.dns = {"a"}, .ips = {"192.0.2.1"}};
  const std::string pem = CertificateRequest::make(key, subject, names)->to_pem();
  const CertificateRequest request = CertificateRequest::from_pem(pem).value();
  EXPECT_EQ(request.subject(), subject);
  EXPECT_EQ(request.alt_names(), names);
  const Certificate certificate =
      sign_csr(ca, request, {"digital signature", "server auth"}, now(), 24h).value();
  EXPECT_EQ(certificate.subject(), subject);
  EXPECT_EQ(certificate.alt_names(), names);
  EXPECT_EQ(certificate.usages(), (Usages{"digital signature", "server auth"}));
  EXPECT_EQ(certificate.public_key(), key.public_key());
  EXPECT_EQ(sign_csr(ca, request, {"flying"}, now(), 24h).error().code, Code::kInvalid);
}

TEST(Csr, WithAWrongSignatureIsRefused) {
  const PrivateKey key = PrivateKey::generate(KeyType::kEcdsaP256).value();
  const std::string pem = CertificateRequest::make(key, {"a", {}}, {})->to_pem();
  std::string der = parse_pem(pem)[0].bytes;
  der.back() ^= 1;
  EXPECT_FALSE(CertificateRequest::from_der(der));
  EXPECT_FALSE(CertificateRequest::from_pem("nonsense"));
  der.back() ^= 1;
  EXPECT_TRUE(CertificateRequest::from_der(der));
  EXPECT_FALSE(CertificateRequest::from_der(der + "and more"));
}

TEST(Jws, RefusesWhatIsNoToken) {
  for (const char* bad : {"", "a.b", "a.b.c.d", "e30.e30.e30", "bm8.e30.e30", "..", "!.!.!"})
    EXPECT_FALSE(parse_jws(bad)) << bad;
  EXPECT_FALSE(parse_jws(std::string(kMaxJwsBytes + 1, 'a')));
}

TEST(Jws, NeverTakesTheAlgorithmFromTheToken) {
  const PrivateKey key = PrivateKey::generate(KeyType::kRsa2048).value();
  const std::string none = base64url_encode(R"({"alg":"none"})") + "." + base64url_encode("{}") + ".";
  EXPECT_FALSE(verify_jws(parse_jws(none).value(), key.public_key()));
  const std::string input = base64url_encode(R"({"alg":"HS256"})") + "." + base64url_encode("{}");
  const std::string hs = input + "." + base64url_encode(hmac_sha256(key.public_key().to_pem(), input));
  EXPECT_FALSE(verify_jws(parse_jws(hs).value(), key.public_key()));
}

TEST(Jws, DetachedSignatureMatchesTheKnownOne) {
  // The vector of kubernetes/kubernetes pkg/controller/bootstrap/jws_test.go.
  EXPECT_EQ(sign_detached_hs256("joshua", "my voice is my passcode",
                                "Hello from the other side. I must have called a thousand times."),
            "eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8");
  EXPECT_TRUE(verify_detached_hs256(sign_detached_hs256("id", "secret", "text"), "id", "secret", "text"));
  EXPECT_FALSE(verify_detached_hs256(sign_detached_hs256("id", "secret", "text"), "id", "secret", "tex"));
  EXPECT_FALSE(verify_detached_hs256("a.b.c", "id", "secret", "text"));
}

TEST(Pem, SkipsWhatStandsBetweenBlocks) {
  const auto blocks = parse_pem("hello\n" + format_pem("A", "one") + "text\n" + format_pem("B", "two"));
  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_EQ(blocks[1].label, "B");
  EXPECT_EQ(blocks[1].bytes, "two");
  EXPECT_TRUE(parse_pem("-----BEGIN A-----\n!!\n-----END A-----\n").empty());
}

}  // namespace
}  // namespace cloudless::pki

#include "apiserver/encryption/encryption.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/encoding.hpp"

namespace cloudless::apiserver::encryption {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kOld(32, 'o');
const std::string kNew(32, 'n');
constexpr const char* kKey = "/registry/secrets/default/a";

Configuration with(std::vector<Provider> providers) { return {{{{"secrets"}, std::move(providers)}}}; }

class EveryCipher : public ::testing::TestWithParam<Cipher> {};

TEST_P(EveryCipher, OpensWhatItSealed) {
  for (const size_t size : {0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1000}) {
    const std::string plain(size, 'x');
    const std::string sealed = seal(GetParam(), kOld, "where", plain).value();
    EXPECT_THAT(sealed, Not(HasSubstr("xxxxxxxx")));
    EXPECT_EQ(open_sealed(GetParam(), kOld, "where", sealed).value(), plain);
    EXPECT_NE(sealed, seal(GetParam(), kOld, "where", plain).value()) << "each has a nonce of its own";
  }
}

TEST_P(EveryCipher, OpensNothingElse) {
  const std::string sealed = seal(GetParam(), kOld, "where", "some text").value();
  const auto other_key = open_sealed(GetParam(), kNew, "where", sealed);
  EXPECT_TRUE(!other_key || *other_key != "some text");
  EXPECT_FALSE(open_sealed(GetParam(), kOld, "where", ""));
  EXPECT_FALSE(open_sealed(GetParam(), kOld, "where", sealed.substr(0, sealed.size() - 1)));
  EXPECT_FALSE(open_sealed(GetParam(), "short", "where", sealed));
  EXPECT_FALSE(seal(GetParam(), "short", "", ""));
}

INSTANTIATE_TEST_SUITE_P(Ciphers, EveryCipher,
                         ::testing::Values(Cipher::kAesGcm, Cipher::kAesCbc, Cipher::kSecretbox),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST(AesGcm, AuthenticatesTheValueAndItsPlace) {
  const std::string sealed = seal(Cipher::kAesGcm, kOld, "where", "text").value();
  EXPECT_FALSE(open_sealed(Cipher::kAesGcm, kNew, "where", sealed));
  EXPECT_FALSE(open_sealed(Cipher::kAesGcm, kOld, "elsewhere", sealed));
  std::string changed = sealed;
  changed.back() ^= 1;
  EXPECT_FALSE(open_sealed(Cipher::kAesGcm, kOld, "where", changed));
}

TEST(Secretbox, AuthenticatesTheValue) {
  const std::string sealed = seal(Cipher::kSecretbox, kOld, "", "text").value();
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] ^= 1;
    EXPECT_FALSE(open_sealed(Cipher::kSecretbox, kOld, "", changed)) << i;
  }
}

// The example of "Cryptography in NaCl", section 10.
TEST(Secretbox, IsNaclsSecretbox) {
  const auto hex = [](std::string_view text) { return hex_decode(text).value(); };
  const std::string secret = hex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389");
  const std::string nonce = hex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37");
  const std::string plain = hex(
      "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc"
      "3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb"
      "48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705");
  const std::string sealed = hex(
      "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0df"
      "c17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368"
      "517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5");
  EXPECT_EQ(secretbox::seal_with(secret, nonce, plain).value(), nonce + sealed);
  EXPECT_EQ(secretbox::open_sealed(secret, nonce + sealed).value(), plain);
}

TEST(Encryption, HidesSecretsAndLeavesTheRest) {
  Encryption encryption(with({{.name = "k", .secret = kOld}}), "/registry");
  const std::string stored = encryption.to_storage(kKey, "password").value();
  EXPECT_THAT(stored, StartsWith("k8s:enc:aesgcm:v1:k:"));
  EXPECT_THAT(stored, Not(HasSubstr("password")));
  const auto plain = encryption.from_storage(kKey, stored).value();
  EXPECT_EQ(plain.value, "password");
  EXPECT_FALSE(plain.stale);
  EXPECT_EQ(encryption.to_storage("/registry/configmaps/default/a", "x").value(), "x");
  EXPECT_FALSE(encryption.from_storage("/registry/secrets/default/b", stored));
}

TEST(Encryption, KeysRotate) {
  Encryption before(with({{.name = "old", .secret = kOld}}), "/registry");
  Encryption after(with({{.name = "new", .secret = kNew}, {.name = "old", .secret = kOld}}), "/registry");
  const auto plain = after.from_storage(kKey, before.to_storage(kKey, "x").value()).value();
  EXPECT_EQ(plain.value, "x");
  EXPECT_TRUE(plain.stale);
  EXPECT_FALSE(after.from_storage(kKey, after.to_storage(kKey, "x").value())->stale);
  EXPECT_THAT(before.from_storage(kKey, after.to_storage(kKey, "x").value()).error().message,
              HasSubstr("no matching key was found"));
}

TEST(Encryption, PlainValuesFromBeforeAreReadAndStale) {
  Encryption on(
      with({{.name = "k", .secret = kOld}, {.cipher = Cipher::kIdentity, .name = {}, .secret = {}}}),
      "/registry");
  EXPECT_EQ(on.from_storage(kKey, "plain")->value, "plain");
  EXPECT_TRUE(on.from_storage(kKey, "plain")->stale);
  Encryption off(
      with({{.cipher = Cipher::kIdentity, .name = {}, .secret = {}}, {.name = "k", .secret = kOld}}),
      "/registry");
  EXPECT_EQ(off.to_storage(kKey, "x").value(), "x");
  EXPECT_TRUE(off.from_storage(kKey, on.to_storage(kKey, "x").value())->stale);
}

TEST(Encryption, KeysMoveFromOneCipherToAnother) {
  Encryption before(with({{.cipher = Cipher::kAesCbc, .name = "k", .secret = kOld}}), "/registry");
  const std::string stored = before.to_storage(kKey, "x").value();
  EXPECT_THAT(stored, StartsWith("k8s:enc:aescbc:v1:k:"));
  Encryption after(with({{.cipher = Cipher::kSecretbox, .name = "k", .secret = kNew},
                         {.cipher = Cipher::kAesCbc, .name = "k", .secret = kOld}}),
                   "/registry");
  EXPECT_EQ(after.from_storage(kKey, stored)->value, "x");
  EXPECT_TRUE(after.from_storage(kKey, stored)->stale);
  EXPECT_THAT(after.to_storage(kKey, "x").value(), StartsWith("k8s:enc:secretbox:v1:k:"));
}

TEST(Encryption, RulesNameResourcesAndGroups) {
  const Configuration configuration{
      {{{"deployments.apps", "*.example.com"}, {{.name = "k", .secret = kOld}}}}};
  Encryption encryption(configuration, "/registry");
  EXPECT_THAT(encryption.to_storage("/registry/example.com/widgets/a/b", "x").value(),
              StartsWith("k8s:enc:"));
  EXPECT_THAT(encryption.to_storage("/registry/deployments/a/b", "x").value(), StartsWith("k8s:enc:"));
  EXPECT_EQ(encryption.to_storage("/registry/other.com/widgets/a/b", "x").value(), "x");
}

TEST(EncryptionConfiguration, IsMadeOnceWithAKeyForSecrets) {
  std::string folder = std::filesystem::temp_directory_path() / "cl-encryption-XXXXXX";
  ASSERT_TRUE(mkdtemp(folder.data()));
  const std::string path = folder + "/encryption.yaml";
  SystemRandom random;
  const auto made = load_or_make_configuration(path, random).value();
  ASSERT_EQ(made.rules.size(), 1u);
  EXPECT_EQ(made.rules[0].providers.at(0).secret.size(), 32u);
  EXPECT_EQ(made.rules[0].providers.at(1).cipher, Cipher::kIdentity);
  EXPECT_EQ(load_or_make_configuration(path, random)->rules[0].providers[0].secret,
            made.rules[0].providers[0].secret);
  struct stat status{};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  std::filesystem::remove_all(folder);
}

TEST(EncryptionConfiguration, RefusesWhatItCannotDo) {
  const auto error_of = [](std::string_view providers) {
    const auto read = parse_configuration(fmt::format(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: "
        "[secrets]\n  providers: {}\n",
        providers));
    return read ? std::string() : read.error().message;
  };
  EXPECT_EQ(error_of("[{identity: {}}]"), "");
  EXPECT_THAT(error_of("[{kms: {}}]"), HasSubstr("\"kms\" is not supported"));
  EXPECT_THAT(error_of("[{aesgcm: {keys: [{name: a, secret: eA==}]}}]"),
              HasSubstr("expected one of [16 24 32]"));
  EXPECT_THAT(error_of("[{secretbox: {keys: [{name: a, secret: eHh4eHh4eHh4eHh4eHh4eA==}]}}]"),
              HasSubstr("got 16, expected one of [32]"));
  EXPECT_EQ(error_of("[{aescbc: {keys: [{name: a, secret: eHh4eHh4eHh4eHh4eHh4eA==}]}}]"), "");
  EXPECT_THAT(error_of("[]"), HasSubstr("Required value"));
  EXPECT_FALSE(parse_configuration("kind: Other"));
}

}  // namespace
}  // namespace cloudless::apiserver::encryption

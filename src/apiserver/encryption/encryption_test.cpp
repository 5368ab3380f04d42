#include "apiserver/encryption/encryption.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>

namespace cloudless::apiserver::encryption {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kOld(32, 'o');
const std::string kNew(32, 'n');
constexpr const char* kKey = "/registry/secrets/default/a";

Configuration with(std::vector<Provider> providers) { return {{{{"secrets"}, std::move(providers)}}}; }

TEST(AesGcm, OpensWhatItSealedAndNothingElse) {
  const std::string sealed = seal(kOld, "where", "text").value();
  EXPECT_EQ(open_sealed(kOld, "where", sealed).value(), "text");
  EXPECT_FALSE(open_sealed(kNew, "where", sealed));
  EXPECT_FALSE(open_sealed(kOld, "elsewhere", sealed));
  std::string changed = sealed;
  changed.back() ^= 1;
  EXPECT_FALSE(open_sealed(kOld, "where", changed));
  EXPECT_FALSE(open_sealed(kOld, "where", ""));
  EXPECT_EQ(open_sealed(kOld, "", seal(kOld, "", "").value()).value(), "");
  EXPECT_FALSE(seal("short", "", ""));
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
  Encryption on(with({{.name = "k", .secret = kOld}, {.identity = true}}), "/registry");
  EXPECT_EQ(on.from_storage(kKey, "plain")->value, "plain");
  EXPECT_TRUE(on.from_storage(kKey, "plain")->stale);
  Encryption off(with({{.identity = true}, {.name = "k", .secret = kOld}}), "/registry");
  EXPECT_EQ(off.to_storage(kKey, "x").value(), "x");
  EXPECT_TRUE(off.from_storage(kKey, on.to_storage(kKey, "x").value())->stale);
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
  EXPECT_TRUE(made.rules[0].providers.at(1).identity);
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
  EXPECT_THAT(error_of("[]"), HasSubstr("Required value"));
  EXPECT_FALSE(parse_configuration("kind: Other"));
}

}  // namespace
}  // namespace cloudless::apiserver::encryption

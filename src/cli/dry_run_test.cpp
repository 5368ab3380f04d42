#include "cli/dry_run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cloudless::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const MachineIdentity kMachine{"box", "192.0.2.1"};

TEST(DryRun, OfInitTellsFilesAndObjectsAndNoSecret) {
  SeededRandom random(1);
  InitFlags flags;
  flags.token = "abcdef.0123456789abcdef";
  flags.upload_certs = true;
  flags.control_plane_endpoint = "api.home.example";
  flags.datastore_endpoint = "postgres://kube:sesame@192.0.2.9/kube";
  const auto plan = plan_init(flags, {}, kMachine, random, WallTime()).value();
  const std::string text = describe(plan);
  EXPECT_THAT(text, HasSubstr("[dryrun] Would write file \"/etc/kubernetes/pki/ca.key\"\n"));
  EXPECT_THAT(text,
              HasSubstr("[dryrun] Would write file \"/etc/kubernetes/manifests/kube-apiserver.yaml\" with "
                        "content:\n\t"));
  EXPECT_THAT(text, HasSubstr("Would perform action CREATE on resource \"configmaps\" in API group \"v1\"\n"
                              "[dryrun] Resource name \"kubeadm-config\", namespace \"kube-system\"\n"));
  EXPECT_THAT(text, HasSubstr("Resource name \"kubeadm-certs\", namespace \"kube-system\""));
  EXPECT_THAT(text, HasSubstr("Resource name \"bootstrap-token-abcdef\""));
  for (const std::string& secret :
       {std::string("0123456789abcdef"), std::string("sesame"), plan.certificate_key})
    EXPECT_THAT(text, Not(HasSubstr(secret)));
}

TEST(DryRun, OfJoinTellsWhatAControlPlaneNodeGets) {
  JoinFlags flags;
  flags.server = "192.0.2.7:6443";
  flags.token = "abcdef.0123456789abcdef";
  flags.ca_pins = {"sha256:" + std::string(64, 'a')};
  const std::string worker = describe(plan_join(flags, {}, kMachine, Credentials::kNeeded).value());
  EXPECT_THAT(worker, HasSubstr("https://192.0.2.7:6443"));
  EXPECT_THAT(worker, HasSubstr("Would write file \"/etc/kubernetes/kubelet.conf\""));
  EXPECT_THAT(worker, Not(HasSubstr("manifests")));
  EXPECT_THAT(worker, Not(HasSubstr("0123456789abcdef")));
  flags.control_plane = true;
  flags.certificate_key = std::string(64, 'c');
  const std::string further = describe(plan_join(flags, {}, kMachine, Credentials::kNeeded).value());
  EXPECT_THAT(further, HasSubstr("manifests/kube-apiserver.yaml"));
  EXPECT_THAT(further, Not(HasSubstr(flags.certificate_key)));
}

TEST(DryRun, OfResetTellsEachStep) {
  const std::string text = describe(bootstrap::plan_reset({}, {}), "/srv/box");
  EXPECT_THAT(text, HasSubstr("Would delete the contents of the directory \"/etc/kubernetes/manifests\""));
  EXPECT_THAT(text, HasSubstr("Would delete the file \"/etc/kubernetes/admin.conf\""));
  EXPECT_THAT(text, HasSubstr("Would delete the directory \"/srv/box\""));
}

}  // namespace
}  // namespace cloudless::cli

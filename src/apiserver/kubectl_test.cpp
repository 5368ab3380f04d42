// Debian's kubectl against the server, as people use it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "apiserver/testing/test_server.hpp"

namespace cloudless::apiserver {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Kubectl : public ::testing::Test {
 protected:
  Kubectl() {
    std::string pattern = (std::filesystem::temp_directory_path() / "cl-kubectl-XXXXXX").string();
    home_ = mkdtemp(pattern.data());
  }
  ~Kubectl() override { std::filesystem::remove_all(home_); }

  struct Output {
    int status = 0;
    std::string text;  // standard output and error
  };
  /// `arguments` as a shell would take them; `input` is its standard input.
  Output kubectl(const std::string& arguments, const std::string& input = "") {
    const std::filesystem::path file = home_ / "input";
    std::ofstream(file) << input;
    const std::string command = "HOME=" + home_.string() +
                                " KUBECONFIG=/dev/null timeout 60 kubectl --server=" + server_.url() + " " +
                                arguments + " <" + file.string() + " 2>&1";
    Output output;
    FILE* pipe = popen(command.c_str(), "r");
    std::array<char, 4096> buffer;
    while (const size_t count = fread(buffer.data(), 1, buffer.size(), pipe))
      output.text.append(buffer.data(), count);
    output.status = WEXITSTATUS(pclose(pipe));
    return output;
  }
  /// Fails the test unless the command succeeds.
  std::string ok(const std::string& arguments, const std::string& input = "") {
    Output output = kubectl(arguments, input);
    EXPECT_EQ(output.status, 0) << "kubectl " << arguments << "\n" << output.text;
    return output.text;
  }

  testing::TestServer server_;
  std::filesystem::path home_;
};

constexpr const char* kDeployment = R"(
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: nginx
        image: nginx:1
        ports:
        - containerPort: 80
)";

TEST_F(Kubectl, ShowsWhatTheServerServes) {
  EXPECT_THAT(ok("version"), HasSubstr("Server Version: v1.35.0"));
  EXPECT_THAT(ok("api-resources"),
              AllOf(HasSubstr("deployments"), HasSubstr("networkpolicies"), HasSubstr("netpol")));
  EXPECT_THAT(ok("api-versions"), AllOf(HasSubstr("apps/v1"), HasSubstr("autoscaling/v2")));
  EXPECT_THAT(ok("get ns"), AllOf(HasSubstr("NAME"), HasSubstr("STATUS"), HasSubstr("kube-node-lease"),
                                  HasSubstr("Active")));
  EXPECT_EQ(ok("get --raw /readyz"), "ok");
}

TEST_F(Kubectl, CreatesShowsChangesAndDeletesADeployment) {
  EXPECT_EQ(ok("apply -f -", kDeployment), "deployment.apps/web created\n");
  EXPECT_EQ(ok("apply -f -", kDeployment), "deployment.apps/web unchanged\n");
  EXPECT_THAT(ok("get deploy -o wide"),
              AllOf(HasSubstr("UP-TO-DATE"), HasSubstr("0/2"), HasSubstr("nginx:1"), HasSubstr("app=web")));
  EXPECT_THAT(ok("get deploy web -o yaml"), AllOf(HasSubstr("strategy:"), HasSubstr("maxSurge: 25%")));
  EXPECT_EQ(ok("get deploy web -o jsonpath={.spec.replicas}"), "2");
  EXPECT_THAT(ok("describe deploy web"), HasSubstr("25% max unavailable, 25% max surge"));
  EXPECT_EQ(ok("scale deploy web --replicas=3"), "deployment.apps/web scaled\n");
  EXPECT_EQ(ok("label deploy web tier=front"), "deployment.apps/web labeled\n");
  EXPECT_EQ(ok("annotate deploy web note=x"), "deployment.apps/web annotated\n");
  EXPECT_EQ(ok("set image deploy/web nginx=nginx:2"), "deployment.apps/web image updated\n");
  EXPECT_EQ(
      ok("get deploy web -o 'jsonpath={.spec.replicas} {.metadata.labels.tier} {.metadata.generation}'"),
      "3 front 3");
  EXPECT_EQ(ok("get deploy -l tier=front -o name"), "deployment.apps/web\n");
  EXPECT_THAT(ok("delete deploy web"), HasSubstr("deployment.apps \"web\" deleted"));
  EXPECT_THAT(kubectl("get deploy web").text, HasSubstr("deployments.apps \"web\" not found"));
}

TEST_F(Kubectl, PatchesInThreeWays) {
  ok("apply -f -", kDeployment);
  ok("patch deploy web -p "
     "'{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"side\",\"image\":\"b\"}]}}}}'");
  EXPECT_EQ(ok("get deploy web -o 'jsonpath={.spec.template.spec.containers[*].name}'"), "side nginx");
  ok("patch deploy web --type=merge -p '{\"spec\":{\"replicas\":5}}'");
  ok("patch deploy web --type=json -p '[{\"op\":\"remove\",\"path\":\"/spec/template/spec/containers/0\"}]'");
  EXPECT_EQ(ok("get deploy web -o 'jsonpath={.spec.replicas} {.spec.template.spec.containers[*].name}'"),
            "5 nginx");
}

TEST_F(Kubectl, AppliesOnTheServerAndTellsOfConflicts) {
  EXPECT_EQ(ok("apply --server-side -f -", kDeployment), "deployment.apps/web serverside-applied\n");
  std::string changed = kDeployment;
  changed.replace(changed.find("replicas: 2"), 11, "replicas: 4");
  const Output refused = kubectl("apply --server-side --field-manager=other -f -", changed);
  EXPECT_NE(refused.status, 0);
  EXPECT_THAT(refused.text, AllOf(HasSubstr("conflict with \"kubectl\""), HasSubstr(".spec.replicas")));
  ok("apply --server-side --force-conflicts --field-manager=other -f -", changed);
  EXPECT_EQ(ok("get deploy web -o jsonpath={.spec.replicas}"), "4");
}

TEST_F(Kubectl, DiffsExplainsAndWaits) {
  ok("apply -f -", kDeployment);
  std::string changed = kDeployment;
  changed.replace(changed.find("replicas: 2"), 11, "replicas: 4");
  const Output diff = kubectl("diff -f -", changed);
  EXPECT_EQ(diff.status, 1) << diff.text;
  EXPECT_THAT(diff.text, AllOf(HasSubstr("-  replicas: 2"), HasSubstr("+  replicas: 4")));
  EXPECT_THAT(ok("explain deployment.spec.replicas"), AllOf(HasSubstr("apps"), HasSubstr("<integer>")));
  EXPECT_THAT(ok("wait deploy/web --for=jsonpath='{.spec.replicas}'=2 --timeout=60s"),
              HasSubstr("condition met"));
}

TEST_F(Kubectl, RefusesUnknownFieldsAsTheServerSays) {
  std::string wrong = kDeployment;
  wrong.replace(wrong.find("replicas: 2"), 11, "replicaz: 2");
  const Output output = kubectl("create -f -", wrong);
  EXPECT_NE(output.status, 0);
  EXPECT_THAT(output.text, HasSubstr("unknown field \"spec.replicaz\""));
}

TEST_F(Kubectl, MakesServicesWithAddressesOfTheirOwn) {
  ok("create service nodeport a --tcp=80:80");
  ok("create service nodeport b --tcp=80:80");
  const std::string a = ok("get svc a -o 'jsonpath={.spec.clusterIP} {.spec.ports[0].nodePort}'");
  const std::string b = ok("get svc b -o 'jsonpath={.spec.clusterIP} {.spec.ports[0].nodePort}'");
  EXPECT_TRUE(a.starts_with("10.")) << a;
  EXPECT_NE(a, b);
  const Output taken = kubectl("create service clusterip c --tcp=80 --clusterip=10.96.0.1");
  EXPECT_THAT(taken.text, HasSubstr("provided IP is already allocated"));
  EXPECT_THAT(ok("get svc"), AllOf(HasSubstr("CLUSTER-IP"), HasSubstr("kubernetes"), HasSubstr("443/TCP")));
}

constexpr const char* kDefinition = R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: widgets.example.com
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, shortNames: [wd], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              size: {type: integer, minimum: 1, default: 3}
          status:
            type: object
            properties:
              replicas: {type: integer}
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.replicas}
)";

TEST_F(Kubectl, UsesCustomResourcesAtOnce) {
  ok("create -f -", kDefinition);
  EXPECT_THAT(ok("wait crd/widgets.example.com --for=condition=Established --timeout=60s"),
              HasSubstr("condition met"));
  ok("create -f -", "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {}\n");
  EXPECT_THAT(ok("get wd"), AllOf(HasSubstr("SIZE"), HasSubstr("3")));
  EXPECT_THAT(ok("get all"), HasSubstr("widget.example.com/w"));
  ok("scale widget w --replicas=7");
  EXPECT_EQ(ok("get widget w -o jsonpath={.spec.size}"), "7");
  const Output small = kubectl("patch widget w --type=merge -p '{\"spec\":{\"size\":0}}'");
  EXPECT_THAT(
      small.text,
      HasSubstr("spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"));
  EXPECT_THAT(ok("explain widget.spec.size"), HasSubstr("<integer>"));
  ok("delete crd widgets.example.com");
  EXPECT_NE(kubectl("get widgets").status, 0);
}

}  // namespace
}  // namespace cloudless::apiserver

#include "kubelet/image/import.hpp"

#include <vector>

#include "kubelet/containerd/process.hpp"

namespace cloudless::kubelet {

std::string socket_of_endpoint(const std::string& endpoint) {
  constexpr std::string_view kScheme = "unix://";
  return endpoint.starts_with(kScheme) ? endpoint.substr(kScheme.size()) : endpoint;
}

Result<> import_archive(const ImportTarget& target, const std::string& archive) {
  std::vector<std::string> command{"ctr",    "--address", target.socket, "--namespace",
                                   "k8s.io", "images",    "import"};
  if (!target.snapshotter.empty()) command.insert(command.end(), {"--snapshotter", target.snapshotter});
  command.push_back(archive);
  const auto output = run_process(command, kImportLimit);
  if (!output) return wrap(output.error(), "import the image {}", archive);
  if (output->exit_code == 0) return {};
  return fail(Code::kUnavailable, "import the image {} into the containerd at {}: {}", archive, target.socket,
              output->output);
}

}  // namespace cloudless::kubelet

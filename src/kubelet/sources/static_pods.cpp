#include "kubelet/sources/static_pods.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <filesystem>

#include "base/encoding.hpp"
#include "base/files.hpp"
#include "net/descriptor.hpp"
#include "runtime/timer.hpp"
#include "schema/defaulting.hpp"
#include "schema/normalize.hpp"
#include "schema/struct_codec.hpp"
#include "schema/yaml.hpp"

namespace cloudless::kubelet {

namespace fs = std::filesystem;

namespace {

// An editor writes a file in several steps; they are taken together.
constexpr Duration kSettle = std::chrono::milliseconds(50);

Result<> check_self_contained(const core::Pod& pod) {
  if (!pod.spec.serviceAccountName.empty() && pod.spec.serviceAccountName != "default")
    return fail(Code::kInvalid, "static pods may not reference serviceaccounts");
  for (const core::Volume& volume : pod.spec.volumes) {
    if (volume.configMap) return fail(Code::kInvalid, "static pods may not reference configmaps");
    if (volume.secret) return fail(Code::kInvalid, "static pods may not reference secrets");
    if (volume.persistentVolumeClaim)
      return fail(Code::kInvalid, "static pods may not reference persistentvolumeclaims");
  }
  return {};
}

// A uid in the form of one, from the content's digest: the same manifest is the same pod.
std::string uid_from(const std::string& digest_hex) {
  return fmt::format("{}-{}-{}-{}-{}", digest_hex.substr(0, 8), digest_hex.substr(8, 4),
                     digest_hex.substr(12, 4), digest_hex.substr(16, 4), digest_hex.substr(20, 12));
}

}  // namespace

Result<core::Pod> parse_static_pod(std::string_view text, const std::string& path,
                                   const std::string& node_name, WallTime seen) {
  boost::json::value value = TRY(schema::parse_yaml(text));
  if (!value.is_object()) return fail(Code::kInvalid, "{}: not a pod", path);
  const auto kind = value.get_object().if_contains("kind");
  if (!kind || !kind->is_string() || kind->get_string() != "Pod")
    return fail(Code::kInvalid, "{}: not a pod: kind is missing or another one", path);
  value = TRY(schema::normalize(value, core::Pod::describe()));
  schema::apply_defaults(value, core::Pod::describe());
  core::Pod pod = TRY(schema::from_value<core::Pod>(value));
  if (pod.metadata.name.empty() || pod.spec.containers.empty())
    return fail(Code::kInvalid, "{}: a pod needs a name and a container", path);
  TRY(check_self_contained(pod));

  const std::string hash =
      hex_encode(sha256(node_name + "\n" + path + "\n" + std::string(text))).substr(0, 32);
  if (pod.metadata.uid.empty()) pod.metadata.uid = uid_from(hash);
  if (pod.metadata.namespace_.empty()) pod.metadata.namespace_ = "default";
  pod.metadata.name += "-" + node_name;
  pod.metadata.annotations[std::string(kConfigHashAnnotation)] = hash;
  pod.metadata.annotations[std::string(kConfigSourceAnnotation)] = "file";
  pod.metadata.annotations[std::string(kConfigSeenAnnotation)] = format_rfc3339(seen);
  pod.spec.nodeName = node_name;
  core::Toleration& toleration = pod.spec.tolerations.emplace_back();
  toleration.operator_ = "Exists";
  toleration.effect = "NoExecute";
  pod.status = {};
  pod.status.phase = "Pending";
  return pod;
}

ManifestFolder read_manifests(const std::string& dir, const std::string& node_name, WallTime seen) {
  ManifestFolder found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(dir, error)) {
    const std::string path = entry.path();
    if (entry.path().filename().string().starts_with('.') || !entry.is_regular_file(error)) continue;
    const auto text = read_file(path);
    if (!text) {
      found.errors.emplace(path, text.error());
      continue;
    }
    auto pod =
        text->size() > kMaxManifestBytes
            ? Result<core::Pod>(fail(Code::kInvalid, "{}: larger than {} bytes", path, kMaxManifestBytes))
            : parse_static_pod(*text, path, node_name, seen);
    if (pod)
      found.pods.emplace(path, std::move(*pod));
    else
      found.errors.emplace(path, pod.error());
  }
  return found;
}

struct FolderWatch::State {
  explicit State(net::Descriptor inotify) : descriptor(std::move(inotify)) {}
  net::Descriptor descriptor;
};

FolderWatch::FolderWatch(std::unique_ptr<State> state) : state_(std::move(state)) {}
FolderWatch::~FolderWatch() = default;

runtime::Task<Result<std::unique_ptr<FolderWatch>>> FolderWatch::open(std::string dir) {
  const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) co_return std::unexpected(system_error(errno, "watch " + dir));
  runtime::EventLoop* loop = co_await net::current_loop();
  auto state = std::make_unique<State>(net::Descriptor(*loop, fd));
  constexpr uint32_t kChanges = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE;
  if (::inotify_add_watch(fd, dir.c_str(), kChanges) < 0)
    co_return std::unexpected(system_error(errno, "watch " + dir));
  co_return std::unique_ptr<FolderWatch>(new FolderWatch(std::move(state)));
}

runtime::Task<Result<>> FolderWatch::changed() {
  CO_TRY(co_await state_->descriptor.readable());
  CO_TRY(co_await runtime::sleep_for(kSettle));
  char buffer[4096];
  while (::read(state_->descriptor.fd(), buffer, sizeof buffer) > 0) {
  }
  co_return {};
}

}  // namespace cloudless::kubelet

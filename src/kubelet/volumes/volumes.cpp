#include "kubelet/volumes/volumes.hpp"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "base/strings.hpp"
#include "kubelet/pod/pod_config.hpp"
#include "kubelet/volumes/atomic_writer.hpp"
#include "runtime/executor.hpp"

namespace cloudless::kubelet {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kDefaultTokenSeconds = 3600;
constexpr Duration kMaxTokenAge = std::chrono::hours(24);

std::optional<int64_t> fs_group(const core::Pod& pod) {
  return pod.spec.securityContext ? pod.spec.securityContext->fsGroup : std::nullopt;
}

std::string kind_of(const core::Volume& volume) {
  if (volume.configMap) return "configmap";
  if (volume.secret) return "secret";
  if (volume.downwardAPI) return "downward-api";
  if (volume.projected) return "projected";
  return "empty-dir";
}

Result<> make_folder(const std::string& path, mode_t mode, std::optional<int64_t> group) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return std::unexpected(system_error(error.value(), "make folder " + path));
  if (group && ::chown(path.c_str(), static_cast<uid_t>(-1), static_cast<gid_t>(*group)) != 0)
    return std::unexpected(system_error(errno, "set the group of " + path));
  if (::chmod(path.c_str(), group ? mode | S_ISGID | 0070 : mode) != 0)
    return std::unexpected(system_error(errno, "set the mode of " + path));
  return {};
}

bool is_mount_point(const std::string& path) {
  struct stat own{}, parent{};
  return ::stat(path.c_str(), &own) == 0 && ::stat((path + "/..").c_str(), &parent) == 0 &&
         own.st_dev != parent.st_dev;
}

Result<> make_empty_dir(const std::string& path, const core::EmptyDirVolumeSource& source,
                        std::optional<int64_t> group) {
  TRY(make_folder(path, 0777, group));
  if (source.medium != "Memory" || is_mount_point(path)) return {};
  std::string mount_options = "mode=0777";
  if (source.sizeLimit && source.sizeLimit->value() > 0)
    mount_options += fmt::format(",size={}", source.sizeLimit->value());
  if (::mount("tmpfs", path.c_str(), "tmpfs", 0, mount_options.c_str()) != 0)
    return std::unexpected(system_error(errno, "mount tmpfs on " + path));
  return make_folder(path, 0777, group);
}

// pkg/volume/hostpath: what must be there, and what is made where it is not.
Result<> check_host_path(const std::string& path, const std::string& type) {
  if (type.empty()) return {};
  std::error_code error;
  if (type == "DirectoryOrCreate" && !fs::exists(path, error)) fs::create_directories(path, error);
  if (type == "FileOrCreate" && !fs::exists(path, error)) {
    fs::create_directories(fs::path(path).parent_path(), error);
    std::ofstream(path, std::ios::app).flush();
  }
  struct stat info{};
  const bool exists = ::stat(path.c_str(), &info) == 0;
  const auto is_not = [&](const char* what) {
    return fail(Code::kInvalid, "hostPath type check failed: {} is not {}", path, what);
  };
  if (type.starts_with("Directory") && !(exists && S_ISDIR(info.st_mode))) return is_not("a directory");
  if (type.starts_with("File") && !(exists && S_ISREG(info.st_mode))) return is_not("a file");
  if (type == "Socket" && !(exists && S_ISSOCK(info.st_mode))) return is_not("a socket file");
  if (type == "CharDevice" && !(exists && S_ISCHR(info.st_mode))) return is_not("a character device");
  if (type == "BlockDevice" && !(exists && S_ISBLK(info.st_mode))) return is_not("a block device");
  return {};
}

Result<> remove_pod_folder(const std::string& path) {
  std::error_code error;
  // Memory volumes are mounts; nothing else of ours is. Removing through a mount would empty what is behind
  // it.
  const fs::path volumes = fs::path(path) / "volumes";
  for (fs::recursive_directory_iterator it(volumes, error), end; !error && it != end; it.increment(error)) {
    if (it.depth() != 1 || !it->is_directory(error)) continue;
    it.disable_recursion_pending();
    if (is_mount_point(it->path()) && ::umount2(it->path().c_str(), MNT_DETACH) != 0)
      return std::unexpected(system_error(errno, "unmount " + it->path().string()));
  }
  fs::remove_all(path, error);
  if (error) return std::unexpected(system_error(error.value(), "remove " + path));
  return {};
}

// Before 80% of its life has passed, and once a day (pkg/kubelet/token).
WallTime refresh_time(const IssuedToken& issued, WallTime now) {
  const Duration life = issued.expires - now;
  return now + std::min<Duration>(life * 8 / 10, kMaxTokenAge);
}

}  // namespace

runtime::Task<Result<NamedObjects>> read_named(ObjectSource& source, std::string ns, ObjectNames names) {
  NamedObjects objects;
  for (const std::string& name : names.config_maps) {
    auto found = co_await source.config_map(ns, name);
    if (found)
      objects.config_maps.emplace(name, std::move(*found));
    else if (found.error().code != Code::kNotFound)
      co_return wrap(found.error(), "failed to get configmap {}/{}", ns, name);
  }
  for (const std::string& name : names.secrets) {
    auto found = co_await source.secret(ns, name);
    if (found)
      objects.secrets.emplace(name, std::move(*found));
    else if (found.error().code != Code::kNotFound)
      co_return wrap(found.error(), "failed to get secret {}/{}", ns, name);
  }
  co_return objects;
}

Volumes::Volumes(const Options& options, ObjectSource& source, runtime::WorkerPool& pool)
    : options_(options), source_(source), pool_(pool) {}

bool Volumes::changes(const core::Pod& pod) { return std::ranges::any_of(pod.spec.volumes, has_payload); }

runtime::Task<Result<std::map<std::string, std::string>>> Volumes::mount(const core::Pod& pod,
                                                                         DownwardFacts facts) {
  std::map<std::string, std::string> paths;
  for (const core::Volume& volume : pod.spec.volumes) {
    auto path = co_await mount_one(pod, volume, facts);
    if (!path) co_return wrap(path.error(), "MountVolume.SetUp failed for volume \"{}\" ", volume.name);
    paths[volume.name] = std::move(*path);
  }
  co_return paths;
}

runtime::Task<Result<std::string>> Volumes::mount_one(const core::Pod& pod, const core::Volume& volume,
                                                      DownwardFacts facts) {
  if (has_payload(volume)) co_return co_await mount_payload(pod, volume, std::move(facts));
  if (volume.hostPath) {
    const std::string path = volume.hostPath->path;
    const std::string type = volume.hostPath->type.value_or("");
    CO_TRY(co_await pool_.run([path, type]() { return check_host_path(path, type); }));
    co_return path;
  }
  if (volume.emptyDir) {
    const std::string path = fmt::format("{}/volumes/kubernetes.io~empty-dir/{}",
                                         pod_dir(pod.metadata.uid, options_), volume.name);
    CO_TRY(co_await pool_.run([path, source = *volume.emptyDir, group = fs_group(pod)]() {
      return make_empty_dir(path, source, group);
    }));
    co_return path;
  }
  co_return fail(Code::kUnimplemented, "no volume plugin matched: this kind of volume is not supported");
}

runtime::Task<Result<std::string>> Volumes::mount_payload(const core::Pod& pod, const core::Volume& volume,
                                                          DownwardFacts facts) {
  const VolumeNeeds needs = needs_of(volume);
  VolumeObjects objects;
  objects.named = CO_TRY(co_await read_named(source_, pod.metadata.namespace_, needs.names));
  for (const core::ServiceAccountTokenProjection& projection : needs.tokens)
    objects.tokens[token_key(projection)] = CO_TRY(co_await token(pod, projection));
  Payload payload = CO_TRY(make_payload(pod, volume, objects, facts));
  const std::string path = fmt::format("{}/volumes/kubernetes.io~{}/{}", pod_dir(pod.metadata.uid, options_),
                                       kind_of(volume), volume.name);
  const WallTime now = (co_await runtime::current_context()).executor->clock().wall_now();
  CO_TRY(co_await pool_.run([path, payload = std::move(payload), group = fs_group(pod), now]() -> Result<> {
    TRY(make_folder(path, 0755, group));
    TRY(write_payload(path, payload, group, now));
    return {};
  }));
  co_return path;
}

runtime::Task<Result<std::string>> Volumes::token(const core::Pod& pod,
                                                  core::ServiceAccountTokenProjection projection) {
  const std::string key = pod.metadata.uid + "\n" + token_key(projection);
  const WallTime now = (co_await runtime::current_context()).executor->clock().wall_now();
  const auto known = tokens_.find(key);
  if (known != tokens_.end() && now < known->second.refresh_at) co_return known->second.issued.token;
  auto issued = co_await source_.token(pod, projection.audience,
                                       projection.expirationSeconds.value_or(kDefaultTokenSeconds));
  if (!issued) {
    // The old one may do until it expires.
    if (const auto old = tokens_.find(key); old != tokens_.end() && now < old->second.issued.expires)
      co_return old->second.issued.token;
    co_return wrap(issued.error(), "failed to fetch token");
  }
  tokens_[key] = {*issued, refresh_time(*issued, now)};
  co_return issued->token;
}

runtime::Task<Result<>> Volumes::unmount(std::string uid) {
  std::erase_if(tokens_, [&](const auto& entry) { return entry.first.starts_with(uid + "\n"); });
  const std::string path = pod_dir(uid, options_);
  co_return co_await pool_.run([path]() { return remove_pod_folder(path); });
}

Result<std::vector<cri::Mount>> volume_mounts(const core::Container& container,
                                              const std::map<std::string, std::string>& volume_paths,
                                              const Environment& environment) {
  const std::map<std::string, std::string> values(environment.begin(), environment.end());
  std::vector<cri::Mount> mounts;
  for (const core::VolumeMount& mount : container.volumeMounts) {
    const auto volume = volume_paths.find(mount.name);
    if (volume == volume_paths.end())
      return fail(Code::kInvalid, "cannot find volume \"{}\" to mount into container \"{}\"", mount.name,
                  container.name);
    std::string sub_path =
        mount.subPathExpr.empty() ? mount.subPath : expand_variables(mount.subPathExpr, values);
    std::string host_path = volume->second;
    if (!sub_path.empty()) {
      if (sub_path.front() == '/') return fail(Code::kInvalid, "subPath must be relative: {}", sub_path);
      for (const std::string_view piece : split(sub_path, '/')) {
        if (piece == "..") return fail(Code::kInvalid, "subPath must not contain '..': {}", sub_path);
      }
      std::error_code error;
      const fs::path full = fs::path(host_path) / sub_path;
      if (!fs::exists(full, error)) fs::create_directories(full, error);
      const fs::path real = fs::canonical(full, error);
      const std::string root = fs::canonical(host_path, error).string();
      if (error || (real != root && !real.string().starts_with(root + "/")))
        return fail(Code::kInvalid, "failed to prepare subPath for volumeMount \"{}\" of container \"{}\"",
                    mount.name, container.name);
      host_path = real;
    }
    const std::string propagation = mount.mountPropagation.value_or("None");
    mounts.push_back({.container_path = mount.mountPath,
                      .host_path = host_path,
                      .read_only = mount.readOnly,
                      .propagation = propagation == "Bidirectional" ? cri::MountPropagation::kBidirectional
                                     : propagation == "HostToContainer"
                                         ? cri::MountPropagation::kHostToContainer
                                         : cri::MountPropagation::kPrivate});
    if (mounts.back().container_path.front() != '/') mounts.back().container_path.insert(0, "/");
  }
  return mounts;
}

}  // namespace cloudless::kubelet

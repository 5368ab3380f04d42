#include "kubelet/image/oci_image.hpp"

#include <sys/stat.h>

#include <boost/json.hpp>
#include <cerrno>
#include <fstream>
#include <set>
#include <sstream>

#include "base/encoding.hpp"
#include "base/strings.hpp"
#include "kubelet/image/tar.hpp"

namespace cloudless::kubelet {

namespace json = boost::json;

namespace {

#if defined(__aarch64__)
constexpr std::string_view kArchitecture = "arm64";
#else
constexpr std::string_view kArchitecture = "amd64";
#endif

std::string digest_of(std::string_view bytes) { return "sha256:" + hex_encode(sha256(bytes)); }

Result<> check_path(const std::string& path) {
  if (path.size() < 2 || path.front() != '/')
    return fail(Code::kInvalid, "{}: the path is not absolute", path);
  for (const std::string_view piece : split(std::string_view(path).substr(1), '/')) {
    if (piece.empty() || piece == "." || piece == "..")
      return fail(Code::kInvalid, "{}: the path has an empty, '.' or '..' part", path);
  }
  return {};
}

// Folders stand before what is in them, each once; those not named in the spec are made.
Result<std::string> build_layer(const ImageSpec& spec) {
  TarWriter tar;
  std::set<std::string> paths;
  for (const ImageFile& file : spec.files) {
    TRY(check_path(file.path));
    for (size_t slash = file.path.find('/', 1); slash != std::string::npos;
         slash = file.path.find('/', slash + 1)) {
      const std::string folder = file.path.substr(0, slash);
      if (paths.insert(folder).second) tar.add_directory(folder.substr(1), 0755, {});
    }
    if (!paths.insert(file.path).second)
      return fail(Code::kInvalid, "{}: the path is there twice", file.path);
    const std::string name = file.path.substr(1);
    const TarWriter::Owner owner{file.uid, file.gid};
    switch (file.type) {
      case ImageFile::Type::kFile:
        tar.add_file(name, file.content, file.mode, owner);
        break;
      case ImageFile::Type::kDirectory:
        tar.add_directory(name, file.mode, owner);
        break;
      case ImageFile::Type::kSymlink:
        tar.add_symlink(name, file.content, owner);
        break;
    }
  }
  return tar.finish();
}

json::array strings(const std::vector<std::string>& items) {
  json::array out;
  for (const std::string& item : items) out.emplace_back(item);
  return out;
}

std::string build_config(const ImageSpec& spec, const std::string& layer_digest) {
  json::object run;
  if (!spec.entrypoint.empty()) run["Entrypoint"] = strings(spec.entrypoint);
  if (!spec.command.empty()) run["Cmd"] = strings(spec.command);
  if (!spec.env.empty()) run["Env"] = strings(spec.env);
  if (!spec.user.empty()) run["User"] = spec.user;
  if (!spec.stop_signal.empty()) run["StopSignal"] = spec.stop_signal;
  run["WorkingDir"] = spec.working_dir;
  if (!spec.exposed_ports.empty()) {
    json::object ports;
    for (const std::string& port : spec.exposed_ports) ports[port] = json::object();
    run["ExposedPorts"] = std::move(ports);
  }
  if (!spec.labels.empty()) {
    json::object labels;
    for (const auto& [name, value] : spec.labels) labels[name] = value;
    run["Labels"] = std::move(labels);
  }
  return json::serialize(json::object{
      {"architecture", kArchitecture},
      {"os", "linux"},
      {"created", "1970-01-01T00:00:00Z"},
      {"config", std::move(run)},
      {"rootfs", json::object{{"type", "layers"}, {"diff_ids", json::array{layer_digest}}}},
      {"history", json::array{json::object{{"created_by", "cloudless"}}}},
  });
}

json::object descriptor(std::string_view media_type, std::string_view blob) {
  return {{"mediaType", media_type}, {"digest", digest_of(blob)}, {"size", blob.size()}};
}

}  // namespace

Result<std::string> build_oci_archive(const ImageSpec& spec) {
  const std::string layer = TRY(build_layer(spec));
  const std::string config = build_config(spec, digest_of(layer));
  const std::string manifest = json::serialize(json::object{
      {"schemaVersion", 2},
      {"mediaType", "application/vnd.oci.image.manifest.v1+json"},
      {"config", descriptor("application/vnd.oci.image.config.v1+json", config)},
      {"layers", json::array{descriptor("application/vnd.oci.image.layer.v1.tar", layer)}},
  });
  json::object entry = descriptor("application/vnd.oci.image.manifest.v1+json", manifest);
  // containerd takes the full name from its own annotation; others read the tag from the standard one.
  const size_t colon = spec.reference.rfind(':');
  entry["annotations"] = json::object{
      {"io.containerd.image.name", spec.reference},
      {"org.opencontainers.image.ref.name",
       spec.reference.substr(colon == std::string::npos ? 0 : colon + 1)},
  };
  const std::string index = json::serialize(json::object{
      {"schemaVersion", 2},
      {"mediaType", "application/vnd.oci.image.index.v1+json"},
      {"manifests", json::array{std::move(entry)}},
  });

  TarWriter tar;
  tar.add_file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})", 0644, {});
  tar.add_file("index.json", index, 0644, {});
  tar.add_directory("blobs", 0755, {});
  tar.add_directory("blobs/sha256", 0755, {});
  for (const std::string* blob : {&manifest, &config, &layer}) {
    tar.add_file("blobs/sha256/" + hex_encode(sha256(*blob)), *blob, 0644, {});
  }
  return tar.finish();
}

Result<ImageFile> image_file_from_disk(const std::string& path_on_disk, std::string path_in_image) {
  struct stat info{};
  if (::stat(path_on_disk.c_str(), &info) != 0)
    return std::unexpected(system_error(errno, "read " + path_on_disk));
  std::ifstream in(path_on_disk, std::ios::binary);
  std::ostringstream content;
  content << in.rdbuf();
  if (!in) return fail(Code::kUnavailable, "read {}: failed", path_on_disk);
  return ImageFile{.path = std::move(path_in_image),
                   .content = std::move(content).str(),
                   .mode = static_cast<uint32_t>(info.st_mode & 07777)};
}

}  // namespace cloudless::kubelet

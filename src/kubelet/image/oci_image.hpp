// OCI images made in memory from files: what runs on a node without any registry (pause, the control plane's
// own image, demo content).
//
// The result is a tar archive in OCI image layout (image-spec v1.0): oci-layout, index.json and
// blobs/sha256/<digest> for one manifest, one config and one uncompressed layer. Same input, same bytes: the
// image's digest depends on its content alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace cloudless::kubelet {

/// A file, folder or link in the image. Folders that lead to it are made (0755, root).
struct ImageFile {
  enum class Type { kFile, kDirectory, kSymlink };
  Type type = Type::kFile;
  std::string path;     // absolute: "/usr/sbin/nginx"
  std::string content;  // a file's bytes, or a link's target
  uint32_t mode = 0644;
  uint32_t uid = 0;
  uint32_t gid = 0;
};

struct ImageSpec {
  std::string reference;  // with a tag: "cloudless.local/pause:1"
  std::vector<ImageFile> files;
  std::vector<std::string> entrypoint;
  std::vector<std::string> command;
  std::vector<std::string> env;  // "NAME=value"
  std::string working_dir = "/";
  std::string user;
  std::string stop_signal;
  std::vector<std::string> exposed_ports;  // "80/tcp"
  std::map<std::string, std::string> labels;
};

/// The archive, for `ctr images import` and its like. kInvalid for paths that are not absolute, hold "..", or
/// are there twice.
Result<std::string> build_oci_archive(const ImageSpec& spec);

/// Reads a file of this machine into an ImageFile at `path_in_image`, with its mode.
Result<ImageFile> image_file_from_disk(const std::string& path_on_disk, std::string path_in_image);

}  // namespace cloudless::kubelet

#include "kubelet/image/oci_image.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <map>

#include "base/encoding.hpp"
#include "kubelet/image/pause_image.hpp"

namespace cloudless::kubelet {
namespace {

// Path -> content of a tar archive, after checking each header's checksum.
std::map<std::string, std::string> read_tar(std::string_view tar) {
  std::map<std::string, std::string> files;
  std::string long_name;
  while (tar.size() >= 512 && tar[0] != '\0') {
    unsigned sum = 0;
    for (size_t i = 0; i < 512; ++i) sum += (i >= 148 && i < 156) ? ' ' : static_cast<unsigned char>(tar[i]);
    EXPECT_EQ(sum, std::stoul(std::string(tar.substr(148, 6)), nullptr, 8));
    const size_t size = std::stoul(std::string(tar.substr(124, 11)), nullptr, 8);
    std::string name(tar.substr(0, 100));
    name = name.substr(0, name.find('\0'));
    const std::string content(tar.substr(512, size));
    if (tar[156] == 'L') {
      long_name = content.substr(0, content.size() - 1);
    } else {
      files[long_name.empty() ? name : std::exchange(long_name, "")] = content;
    }
    tar.remove_prefix(512 + (size + 511) / 512 * 512);
  }
  return files;
}

ImageSpec small_image() {
  ImageSpec spec;
  spec.reference = "example.test/hello:1";
  spec.files = {{.path = "/a/b/hello", .content = "hi", .mode = 0755}};
  spec.entrypoint = {"/a/b/hello"};
  spec.env = {"X=1"};
  return spec;
}

TEST(OciImage, EveryDigestNamesTheBlobItPointsAt) {
  const auto files = read_tar(build_oci_archive(small_image()).value());
  const auto blob = [&](const boost::json::value& descriptor) {
    const std::string digest(descriptor.at("digest").as_string());
    const std::string content = files.at("blobs/sha256/" + digest.substr(7));
    EXPECT_EQ(digest, "sha256:" + hex_encode(sha256(content)));
    EXPECT_EQ(descriptor.at("size").as_int64(), static_cast<int64_t>(content.size()));
    return content;
  };
  const auto index = boost::json::parse(files.at("index.json"));
  const auto& entry = index.at("manifests").at(0);
  EXPECT_EQ(entry.at("annotations").at("io.containerd.image.name").as_string(), "example.test/hello:1");
  const auto manifest = boost::json::parse(blob(entry));
  const auto config = boost::json::parse(blob(manifest.at("config")));
  const std::string layer = blob(manifest.at("layers").at(0));
  EXPECT_EQ(config.at("rootfs").at("diff_ids").at(0).as_string(), "sha256:" + hex_encode(sha256(layer)));
  EXPECT_EQ(config.at("config").at("Entrypoint").at(0).as_string(), "/a/b/hello");
  const auto content = read_tar(layer);
  EXPECT_EQ(content.size(), 3u);  // two folders and the file
  EXPECT_EQ(content.at("a/b/hello"), "hi");
}

TEST(OciImage, TheSameSpecGivesTheSameBytes) {
  EXPECT_EQ(build_oci_archive(small_image()).value(), build_oci_archive(small_image()).value());
}

TEST(OciImage, LongPathsSurvive) {
  ImageSpec spec = small_image();
  const std::string path = "/" + std::string(90, 'd') + "/" + std::string(90, 'f');
  spec.files.push_back({.path = path, .content = "long"});
  const auto files = read_tar(build_oci_archive(spec).value());
  const auto index = boost::json::parse(files.at("index.json"));
  bool found = false;
  for (const auto& [name, content] : files) {
    if (!name.starts_with("blobs/sha256/") || content.empty() || content[0] == '{') continue;
    found = read_tar(content).contains(path.substr(1));
  }
  EXPECT_TRUE(found);
}

TEST(OciImage, PathsOutsideTheImageAndDoublesAreRefused) {
  for (const char* path : {"relative", "/../etc/passwd", "/a//b", "/"}) {
    ImageSpec spec = small_image();
    spec.files = {{.path = path}};
    EXPECT_EQ(build_oci_archive(spec).error().code, Code::kInvalid) << path;
  }
  ImageSpec spec = small_image();
  spec.files.push_back(spec.files.front());
  EXPECT_EQ(build_oci_archive(spec).error().code, Code::kInvalid);
}

TEST(PauseImage, HoldsASmallStaticExecutable) {
  EXPECT_TRUE(
      pause_program().starts_with("\x7f"
                                  "ELF"));
  EXPECT_LT(pause_program().size(), 16u * 1024);
  EXPECT_TRUE(build_oci_archive(pause_image_spec()).has_value());
}

}  // namespace
}  // namespace cloudless::kubelet

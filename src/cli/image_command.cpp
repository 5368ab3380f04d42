// `cloudless image pack`: a container image from a folder, without a registry or a builder.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>

#include "cli/command.hpp"
#include "kubelet/image/oci_image.hpp"

namespace cloudless::cli {

namespace {

namespace fs = std::filesystem;

struct PackOptions {
  kubelet::ImageSpec spec;
  std::string rootfs;
  std::string output;
};

// Everything below `root`, as the image has it. Devices and sockets have no place in an image.
Result<> add_folder(const fs::path& root, kubelet::ImageSpec& spec) {
  std::error_code error;
  for (fs::recursive_directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
    const std::string inside = "/" + it->path().lexically_relative(root).string();
    const fs::file_status status = it->symlink_status();
    if (fs::is_symlink(status)) {
      spec.files.push_back(
          {kubelet::ImageFile::Type::kSymlink, inside, fs::read_symlink(it->path()).string(), 0777});
    } else if (fs::is_directory(status)) {
      spec.files.push_back(
          {kubelet::ImageFile::Type::kDirectory, inside, "", static_cast<uint32_t>(status.permissions())});
    } else if (fs::is_regular_file(status)) {
      spec.files.push_back(TRY(kubelet::image_file_from_disk(it->path().string(), inside)));
    }
  }
  if (error) return fail(Code::kNotFound, "read {}: {}", root.string(), error.message());
  return {};
}

Result<> pack(PackOptions& options) {
  TRY(add_folder(options.rootfs, options.spec));
  const std::string archive = TRY(kubelet::build_oci_archive(options.spec));
  std::ofstream file(options.output, std::ios::binary | std::ios::trunc);
  file << archive;
  file.close();
  if (!file) return fail(Code::kInternal, "write {}: the file could not be written whole", options.output);
  return {};
}

}  // namespace

void add_image_commands(CLI::App& app, Invocation& invocation) {
  CLI::App* image = app.add_subcommand("image", "Make container images from files of this machine");
  image->require_subcommand(1);
  auto options = std::make_shared<PackOptions>();
  CLI::App* command =
      image->add_subcommand("pack", "Make an OCI archive from a folder, for `ctr images import`");
  command->add_option("--rootfs", options->rootfs, "The folder that becomes the image's root")
      ->required()
      ->check(CLI::ExistingDirectory);
  command->add_option("--reference", options->spec.reference, "The image's name with a tag")->required();
  command->add_option("--output,-o", options->output, "The archive to write")->required();
  command->add_option("--entrypoint", options->spec.entrypoint, "What the image runs, word by word");
  command->add_option("--cmd", options->spec.command, "Its arguments, word by word");
  command->add_option("--env", options->spec.env, "NAME=value");
  command->add_option("--expose", options->spec.exposed_ports, "A port, such as 80/tcp");
  command->callback([options, &invocation] {
    invocation.run = [options] {
      const auto packed = pack(*options);
      return packed ? kSuccess : report_failure(packed.error());
    };
  });
}

}  // namespace cloudless::cli

#include "cli/control_plane_image.hpp"

#include <dlfcn.h>
#include <link.h>

#include <set>

#include "cli/loaded_program.hpp"
#include "kubelet/image/oci_image.hpp"
#include "store/libpq.hpp"

namespace cloudless::cli {

namespace {

int add_library(dl_phdr_info* info, size_t, void* into) {
  // The program itself has no name here, and the kernel's vdso no path.
  if (info->dlpi_name && info->dlpi_name[0] == '/')
    static_cast<std::set<std::string>*>(into)->insert(info->dlpi_name);
  return 0;
}

// By the paths under which the dynamic linker has found them, which it looks at in a container, too. PostgreSQL's is
// loaded only by who uses it, so not here; where it is not installed, no datastore is PostgreSQL.
std::set<std::string> needed_libraries() {
  std::set<std::string> paths;
  void* const libpq = ::dlopen(store::kLibpqFile, RTLD_LAZY | RTLD_LOCAL);
  dl_iterate_phdr(add_library, &paths);
  if (libpq) ::dlclose(libpq);
  return paths;
}

}  // namespace

std::string control_plane_image_name() { return "cloudless.local/cloudless:v" CLOUDLESS_VERSION; }

Result<std::string> make_control_plane_image() {
  kubelet::ImageSpec spec;
  spec.reference = control_plane_image_name();
  spec.files.push_back(TRY(kubelet::image_file_from_disk("/proc/self/exe", "/cloudless")));
  spec.files.back().mode = 0755;
  spec.files.back().content = loaded_part(std::move(spec.files.back().content));
  for (const std::string& path : needed_libraries())
    spec.files.push_back(TRY(kubelet::image_file_from_disk(path, path)));
  spec.files.push_back({kubelet::ImageFile::Type::kDirectory, "/tmp", "", 01777});
  spec.entrypoint = {"/cloudless"};
  return kubelet::build_oci_archive(spec);
}

}  // namespace cloudless::cli

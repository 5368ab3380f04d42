#include "kubelet/image/pause_image.hpp"

namespace cloudless::kubelet {

namespace {
constexpr unsigned char kProgram[] = {
#include "kubelet/pause_bytes.inc"
};
}  // namespace

std::string_view pause_program() { return {reinterpret_cast<const char*>(kProgram), sizeof kProgram}; }

ImageSpec pause_image_spec() {
  ImageSpec spec;
  spec.reference = kPauseImage;
  spec.files = {{.path = "/pause", .content = std::string(pause_program()), .mode = 0755}};
  spec.entrypoint = {"/pause"};
  spec.user = "65535:65535";
  return spec;
}

}  // namespace cloudless::kubelet

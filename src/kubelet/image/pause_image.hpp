// The pause image: one static program, carried by this one, that holds a pod's namespaces open.
#pragma once

#include <string>
#include <string_view>

#include "kubelet/image/oci_image.hpp"

namespace cloudless::kubelet {

/// The name that the runtime knows the image by. The tag changes with the program.
inline constexpr std::string_view kPauseImage = "cloudless.local/pause:1";

/// The executable's bytes.
std::string_view pause_program();

/// What build_oci_archive() makes the image from.
ImageSpec pause_image_spec();

}  // namespace cloudless::kubelet
